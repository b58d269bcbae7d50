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

    /// @dev A list that grows; its words in ascending order, `count` of them in use.
    struct Growing {
        uint256[] words;
        uint256 count;
    }

    function empty() internal pure returns (Growing memory) {
        return Growing(new uint256[](MOST), 0);
    }

    /// @dev Add a parent that gets `share` of 10^18, of which its own ancestors get their part.
    function add(Growing memory list, uint256 parent, uint256 share, uint256[] memory above) internal pure {
        uint256 count = list.count;
        bool goesLast = above.length == 0 && (count == 0 || list.words[count - 1] < parent);
        if (!goesLast) return _merge(list, _split(parent, share, above));
        if (count == MOST) revert TooManyAncestors(count + 1);
        list.words[count] = parent | share;
        list.count = count + 1;
    }

    /// @dev The list as it is stored by its digest. Reverts when it gives away more than there is.
    function finished(Growing memory list) internal pure returns (uint256[] memory shares) {
        shares = new uint256[](list.count);
        uint256 sum;
        for (uint256 i = 0; i < shares.length; ++i) {
            shares[i] = list.words[i];
            sum += shares[i] & PART;
        }
        if (sum > WHOLE) revert ShareOverWhole(sum / 1e12);
    }

    function _split(uint256 parent, uint256 share, uint256[] memory above)
        private pure returns (uint256[] memory added)
    {
        added = new uint256[](above.length + 1);
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
    }

    function _merge(Growing memory list, uint256[] memory added) private pure {
        uint256[] memory words = new uint256[](MOST);
        uint256[] memory held = list.words;
        (uint256 i, uint256 j, uint256 k, uint256 count) = (0, 0, 0, list.count);
        while (i < count || j < added.length) {
            if (k == MOST) revert TooManyAncestors(k + 1);
            uint256 left = i < count ? held[i] : type(uint256).max;
            uint256 right = j < added.length ? added[j] : type(uint256).max;
            bool same = left & ~PART == right & ~PART;
            words[k] = same ? left + (right & PART) : left < right ? left : right;
            unchecked {
                if (same || left < right) ++i;
                if (same || right < left) ++j;
                ++k;
            }
        }
        (list.words, list.count) = (words, k);
    }
}
