// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice An ERC-20 for tests that behaves as the worst of those that are about.
contract Token {
    enum Manner { Honest, KeepsAFee, ReturnsFalse, ReturnsNothing, CallsBack }

    Manner public manner;
    address private immutable TARGET;
    bytes private _reply;
    mapping(address => uint256) public balanceOf;

    constructor(Manner manner_, address target) {
        (manner, TARGET) = (manner_, target);
    }

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    /// @dev What it calls while it moves money.
    function plan(bytes calldata reply) external {
        _reply = reply;
    }

    function change(Manner manner_) external {
        manner = manner_;
    }

    function transfer(address to, uint256 amount) external {
        _answer(_move(msg.sender, to, amount));
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _answer(_move(from, to, amount));
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (manner == Manner.ReturnsFalse) return false;
        if (manner == Manner.CallsBack) {
            (bool done, bytes memory why) = TARGET.call(_reply);
            if (!done) assembly { revert(add(why, 32), mload(why)) }
        }
        balanceOf[from] -= amount;
        balanceOf[to] += manner == Manner.KeepsAFee ? amount - amount / 100 : amount;
        return true;
    }

    function _answer(bool done) private view {
        if (manner == Manner.ReturnsNothing) return;
        assembly {
            mstore(0, done)
            return(0, 32)
        }
    }
}
