// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The head of one transparency log (RFC 9162, SHA-256)
/// @notice Takes a new root only with the proof that its tree begins with the tree held so far, so that nobody, the
/// writer included, can rewrite or fork the log's past. There is no owner, no upgrade and no way to set anything back.
/// @dev `writer` is in storage and not immutable: the runtime code is the same for every log, and its digest known.
contract Log {
    /// @notice Someone else than the writer called.
    error NotTheWriter(address caller);
    /// @notice The new tree must have more leaves than the held one.
    error TreeDidNotGrow(uint64 held, uint64 offered);
    /// @notice The proof does not lead from the held root to the new one.
    error NotAnExtension(uint64 held, uint64 offered);
    /// @notice The root at this size was never held, or is older than the last 256; its event remains.
    error RootNotHeld(uint64 size);

    /// @notice From now on the log's first `size` leaves have this root.
    event Appended(uint64 indexed size, bytes32 root);

    /// @dev One storage slot. `time` is that of the block which wrote it; `count` is how many roots were ever held.
    struct Head {
        uint64 size;
        uint64 time;
        uint64 count;
    }

    uint256 private constant HELD = 256;
    /// @dev The root of the tree without leaves, SHA-256 of nothing (RFC 9162 section 2.1.1).
    bytes32 private constant EMPTY_ROOT = sha256("");

    /// @notice Who may append: the account that deployed this contract, for ever.
    address public writer;

    Head private _head;
    uint64[HELD] private _sizes; // four to a slot
    bytes32[HELD] private _roots;

    constructor() {
        writer = msg.sender;
    }

    /// @notice Extend the log to `newSize` leaves under `newRoot`.
    /// @param consistencyProof RFC 9162 section 2.1.4.1, from the held tree to the new one; empty from the empty tree.
    function append(uint64 newSize, bytes32 newRoot, bytes32[] calldata consistencyProof) external {
        if (msg.sender != writer) revert NotTheWriter(msg.sender);
        Head memory held = _head;
        if (newSize <= held.size) revert TreeDidNotGrow(held.size, newSize);
        bool extends_ = held.size == 0
            ? consistencyProof.length == 0
            : _extends(held.size, _newest(held.count), newSize, newRoot, consistencyProof);
        if (!extends_) revert NotAnExtension(held.size, newSize);

        uint256 place = held.count % HELD;
        _sizes[place] = newSize;
        _roots[place] = newRoot;
        _head = Head(newSize, uint64(block.timestamp), held.count + 1);
        emit Appended(newSize, newRoot);
    }

    /// @notice How many leaves the log has.
    function size() external view returns (uint64) {
        return _head.size;
    }

    /// @notice The root over all of them.
    function root() external view returns (bytes32) {
        return _newest(_head.count);
    }

    /// @notice Size and root, and the time of the block since which the log has them; zero before the first.
    function head() external view returns (uint64, bytes32, uint64) {
        return (_head.size, _newest(_head.count), _head.time);
    }

    /// @notice The root over the first `size_` leaves, when it is one of the last 256 that were held.
    function rootAt(uint64 size_) external view returns (bytes32) {
        uint256 high = _head.count;
        uint256 low = high > HELD ? high - HELD : 0;
        while (low < high) {
            uint256 middle = (low + high) / 2;
            uint64 found = _sizes[middle % HELD];
            if (found == size_) return _roots[middle % HELD];
            if (found < size_) low = middle + 1;
            else high = middle;
        }
        revert RootNotHeld(size_);
    }

    function _newest(uint256 count) private view returns (bytes32) {
        return count == 0 ? EMPTY_ROOT : _roots[(count - 1) % HELD];
    }

    /// @dev RFC 9162 section 2.1.4.2, step by step; `0 < oldSize < newSize`.
    function _extends(
        uint64 oldSize, bytes32 oldRoot, uint64 newSize, bytes32 newRoot, bytes32[] calldata proof
    ) private pure returns (bool) {
        uint256 position = oldSize - 1;
        uint256 last = newSize - 1;
        while (position & 1 == 1) {
            position >>= 1;
            last >>= 1;
        }
        // A complete old tree is itself the first node of the path, and is not sent.
        bool complete = oldSize & (oldSize - 1) == 0;
        if (!complete && proof.length == 0) return false;
        bytes32 fromOld = complete ? oldRoot : proof[0];
        bytes32 toNew = fromOld;
        for (uint256 i = complete ? 0 : 1; i < proof.length; ++i) {
            if (last == 0) return false;
            if (position & 1 == 1 || position == last) {
                fromOld = _node(proof[i], fromOld);
                toNew = _node(proof[i], toNew);
                while (position != 0 && position & 1 == 0) {
                    position >>= 1;
                    last >>= 1;
                }
            } else {
                toNew = _node(toNew, proof[i]);
            }
            position >>= 1;
            last >>= 1;
        }
        return last == 0 && fromOld == oldRoot && toNew == newRoot;
    }

    function _node(bytes32 left, bytes32 right) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x01), left, right));
    }
}
