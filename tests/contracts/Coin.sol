// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @notice A token as most are, by the library that most are made of.
contract Coin is ERC20 {
    constructor(address holder) ERC20("Coin", "COIN") {
        _mint(holder, 10 ** 9);
    }
}
