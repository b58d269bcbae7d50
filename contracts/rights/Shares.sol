// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ShareOverWhole} from "./Terms.sol";

/// @title Which part of a work's revenue goes to which of its ancestors
/// @notice A list of words in ascending order, each an ancestor's id (the upper 176 bits) and its share (the lower 80),
/// of 10^18. An ancestor that is reached by several ways stands in it once, with the sum.
/// @dev The list is not stored but its digest: whoever acts on it passes it, and the events have it.
library Shares {
    /// @notice More ancestors than a work may have.
    /// @param count How many there would be.
    error TooManyAncestors(uint256 count);
    /// @notice This is not the work's list: take it from its last `Derived` event; empty for a work made from no other.
    error WrongShares();

    uint256 internal constant WHOLE = 1e18;
    uint256 internal constant MOST = 64;
    uint256 private constant PART = type(uint80).max;

    /// @dev The digest under which a list is kept; zero for the empty one.
    function digest(uint256[] memory shares) internal pure returns (bytes32) {
        return shares.length == 0 ? bytes32(0) : keccak256(abi.encodePacked(shares));
    }

    function check(uint256[] memory shares, bytes32 expected) internal pure {
        if (digest(shares) != expected) revert WrongShares();
    }

    /// @dev What the list leaves to the work itself.
    function rest(uint256[] memory shares) internal pure returns (uint256 left) {
        left = WHOLE;
        for (uint256 i = 0; i < shares.length; ++i) left -= shares[i] & PART;
    }

    /// @dev The share of one ancestor, 0 for none.
    function part(uint256[] memory shares, uint256 id) internal pure returns (uint256) {
        for (uint256 i = 0; i < shares.length; ++i) if (shares[i] & ~PART == id) return shares[i] & PART;
        return 0;
    }

    /// @dev `shares` and what a parent gets (`share` of 10^18), of which its own ancestors get their part.
    function withParent(uint256[] memory shares, uint256 parent, uint256 share, uint256[] memory above)
        internal pure returns (uint256[] memory)
    {
        uint256[] memory added = new uint256[](above.length + 1);
        uint256 own = share;
        uint256 place = 0; // of the parent among its ancestors
        for (uint256 i = 0; i < above.length; ++i) {
            uint256 passed = share * (above[i] & PART) / WHOLE;
            own -= passed;
            bool before = above[i] < parent;
            if (before) place = i + 1;
            added[before ? i : i + 1] = (above[i] & ~PART) | passed;
        }
        added[place] = parent | own;
        return _merge(shares, added);
    }

    function _merge(uint256[] memory left, uint256[] memory right) private pure returns (uint256[] memory merged) {
        uint256[] memory room = new uint256[](left.length + right.length);
        uint256 i;
        uint256 j;
        uint256 count;
        while (i < left.length || j < right.length) {
            if (j == right.length) room[count++] = left[i++];
            else if (i == left.length) room[count++] = right[j++];
            else if (left[i] & ~PART == right[j] & ~PART) room[count++] = left[i++] + (right[j++] & PART);
            else room[count++] = left[i] < right[j] ? left[i++] : right[j++];
        }
        if (count > MOST) revert TooManyAncestors(count);
        merged = new uint256[](count);
        uint256 sum;
        for (uint256 k = 0; k < count; ++k) {
            merged[k] = room[k];
            sum += room[k] & PART;
        }
        if (sum > WHOLE) revert ShareOverWhole(sum / 1e12);
    }
}
