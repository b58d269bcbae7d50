// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The head of one transparency log (RFC 9162, SHA-256)
/// @notice Takes a new root only with the proof that its tree begins with the tree held so far, so that nobody, the
/// writer included, can rewrite or fork the log's past. There is no owner, no upgrade and no way to set anything back.
/// @dev What differs between two logs is in storage and not immutable: the runtime code is the same for every log, and
/// its digest known. Why it is as it is: docs/why-008-the-contract.md.
contract Log {
    /// @notice Someone else than the writer called.
    /// @param caller Who called.
    error NotTheWriter(address caller);
    /// @notice The writer offered its role to somebody else, or to nobody.
    /// @param caller Who called.
    error NotOffered(address caller);
    /// @notice The new tree must have more leaves than the held one.
    /// @param held Leaves of the held tree.
    /// @param offered Leaves of the new one.
    error TreeDidNotGrow(uint64 held, uint64 offered);
    /// @notice The proof does not lead from the held root to the new one.
    /// @param held Leaves of the held tree.
    /// @param offered Leaves of the new one.
    error NotAnExtension(uint64 held, uint64 offered);
    /// @notice The root at this size was never held, or is older than the last 256; its event remains.
    /// @param size Leaves of the tree that was asked for.
    error RootNotHeld(uint64 size);
    /// @notice The endpoint has a character that no URI has, and that JSON would have to escape.
    /// @param endpoint What was given.
    error NotAUri(string endpoint);

    /// @notice From now on the log's first `size` leaves have this root.
    /// @param size Leaves of the tree.
    /// @param root RFC 9162 section 2.1.1.
    event Appended(uint64 indexed size, bytes32 root);
    /// @notice The same for readers of ERC-7053: the asset is the tree's top node.
    /// @param recorder The writer.
    /// @param assetCid CIDv1 (raw, SHA-256) of the bytes whose SHA-256 is the root. As a topic only its keccak256.
    /// @param commitData JSON: the same `assetCid` in clear, and `treeSize`.
    event Commit(address indexed recorder, string indexed assetCid, string commitData);
    /// @notice The writer offers its role; nothing changes until it is accepted.
    /// @param writer Who offers.
    /// @param to Who may accept; zero takes an offer back.
    event WriterOffered(address indexed writer, address indexed to);
    /// @notice From now on only `to` can append.
    /// @param from Who could until now; zero when the log began.
    /// @param to Who can from now on.
    event WriterTransferred(address indexed from, address indexed to);

    /// @dev One storage slot. `time` is that of the block which wrote it; `count` is how many roots were ever held.
    struct Head {
        uint64 size;
        uint64 time;
        uint64 count;
    }

    uint256 private constant HELD = 256;
    /// @dev The root of the tree without leaves, SHA-256 of nothing (RFC 9162 section 2.1.1).
    bytes32 private constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;
    /// @dev 1 in each of a word's 32 bytes.
    uint256 private constant ONES = type(uint256).max / 0xff;

    /// @notice Who may append, and hand this role over. It has no other power.
    address public writer;
    /// @notice Who may accept the role; zero when nobody.
    address public pendingWriter;

    string private _endpoint;
    Head private _head;
    uint64[HELD] private _sizes; // four to a slot
    bytes32[HELD] private _roots;

    /// @param endpoint Base URI of the C2PA Soft Binding Resolution API that knows this log's photos; empty for none.
    constructor(string memory endpoint) {
        for (uint256 i = 0; i < bytes(endpoint).length; ++i) {
            bytes1 character = bytes(endpoint)[i];
            bool allowed = character > " " && character < 0x7f && character != '"' && character != "\\";
            if (!allowed) revert NotAUri(endpoint);
        }
        _endpoint = endpoint;
        writer = msg.sender;
        emit WriterTransferred(address(0), msg.sender);
        // A slot costs 17,100 gas more when it is first written: paid here, once, so that no append has to.
        for (uint256 i = 0; i < HELD; ++i) _sizes[i] = type(uint64).max;
    }

    modifier onlyWriter() {
        if (msg.sender != writer) revert NotTheWriter(msg.sender);
        _;
    }

    /// @notice Extend the log to `newSize` leaves under `newRoot`.
    /// @param newSize Leaves of the new tree, more than the held one has.
    /// @param newRoot Its root.
    /// @param consistencyProof RFC 9162 section 2.1.4.1, from the held tree to the new one; empty from the empty tree.
    function append(uint64 newSize, bytes32 newRoot, bytes32[] calldata consistencyProof) external onlyWriter {
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
        bytes memory cid = _cid(newRoot);
        bytes memory json = abi.encodePacked('{"assetCid":"', cid, '","treeSize":', _decimal(newSize), "}");
        emit Commit(msg.sender, string(cid), string(json));
    }

    /// @notice Offer the writer's role to another account, which has to accept; the last offer counts.
    /// @param to Who may accept; zero takes the offer back.
    function offerWriter(address to) external onlyWriter {
        pendingWriter = to;
        emit WriterOffered(msg.sender, to);
    }

    /// @notice Take the role that was offered: the one who offered it loses it.
    function acceptWriter() external {
        if (msg.sender != pendingWriter) revert NotOffered(msg.sender);
        emit WriterTransferred(writer, msg.sender);
        writer = msg.sender;
        pendingWriter = address(0);
    }

    /// @notice How many leaves the log has.
    /// @return Leaves of the newest tree.
    function size() external view returns (uint64) {
        return _head.size;
    }

    /// @notice The root over all of them.
    /// @return Root of the newest tree.
    function root() external view returns (bytes32) {
        return _newest(_head.count);
    }

    /// @notice Size and root, and the time of the block since which the log has them; zero before the first.
    /// @return Leaves, root, and seconds since 1970.
    function head() external view returns (uint64, bytes32, uint64) {
        return (_head.size, _newest(_head.count), _head.time);
    }

    /// @notice The root over the first `size_` leaves, when it is one of the last 256 that were held.
    /// @param size_ Leaves of that tree.
    /// @return Its root.
    function rootAt(uint64 size_) public view returns (bytes32) {
        Head memory newest = _head;
        uint256 high = newest.count;
        if (size_ == newest.size && high > 0) return _roots[(high - 1) % HELD]; // what proofs are mostly of
        uint256 oldest = high > HELD ? high - HELD : 0;
        uint256 low = high;
        // Proofs are mostly of a tree of a moment ago: steps back that double read fewer slots than halves of the ring.
        for (uint256 step = 1; low > oldest; step *= 2) {
            low = low > oldest + step ? low - step : oldest;
            if (_sizes[low % HELD] <= size_) break;
            high = low;
        }
        while (low < high) {
            uint256 middle = (low + high) / 2;
            uint64 found = _sizes[middle % HELD];
            if (found == size_) return _roots[middle % HELD];
            if (found < size_) low = middle + 1;
            else high = middle;
        }
        revert RootNotHeld(size_);
    }

    /// @notice Whether `proof` leads from the leaf to the root held at `size_` (RFC 9162 section 2.1.3.2).
    /// @param leaf The leaf's digest: SHA-256 of a zero byte and the entry.
    /// @param index The leaf's place, from 0.
    /// @param size_ Leaves of the tree that the proof is of; one of the last 256 (`RootNotHeld`).
    /// @param proof RFC 9162 section 2.1.3.1, from the leaf upwards.
    /// @return False when it does not: then it is no proof, and says nothing about the leaf.
    function verifyInclusion(bytes32 leaf, uint64 index, uint64 size_, bytes32[] calldata proof)
        external view returns (bool)
    {
        bytes32 held = rootAt(size_);
        if (index >= size_) return false;
        uint256 used = 0;
        uint256 position = index;
        // Where the paths to this leaf and to the last one are apart, each level has a sibling, on the side that the
        // leaf's place says; above, they are one path, and what hangs to its left was complete before.
        for (uint256 apart = position ^ (size_ - 1); apart != 0; apart >>= 1) {
            if (used == proof.length) return false;
            bytes32 sibling = proof[used++];
            leaf = position & 1 == 0 ? _node(leaf, sibling) : _node(sibling, leaf);
            position >>= 1;
        }
        for (; position != 0; position >>= 1) {
            if (position & 1 == 0) continue;
            if (used == proof.length) return false;
            leaf = _node(proof[used++], leaf);
        }
        return used == proof.length && leaf == held;
    }

    /// @notice How to look up a soft binding (C2PA Soft Binding API 2.2, federated lookup): call `byBinding` here.
    /// @return JSON in the form of that specification's section 2.2.1.
    function describe() external view returns (string memory) {
        return string.concat(
            '[{"resolutionMethod":"smartContract","querySmartContract":{"smartContractAddress":"',
            _hex(address(this)),
            '","byBindingFunctionName":"byBinding","byBindingInputSchema":',
            '{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":',
            '{"softBindingValue":{"type":"string","description":"A soft binding in base64. ',
            'The answer is the same for every one: this log keeps none on the chain."}},',
            '"required":["softBindingValue"],"additionalProperties":false},"byBindingOutputSchema":',
            '{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","properties":',
            '{"endpoints":{"type":"array","items":{"type":"string","format":"uri"},"description":',
            '"The Soft Binding Resolution API of this log\'s service, which may or may not know the binding; ',
            'none when the log names no service."}},"required":["endpoints"],"additionalProperties":false}}}]'
        );
    }

    /// @notice Where to ask for the manifest of a photo with some soft binding: always this log's one service, if any.
    /// @return JSON as `describe` says: an object with `endpoints`, a list of no or one URI.
    function byBinding(string calldata) external view returns (string memory) {
        string memory endpoint = _endpoint;
        if (bytes(endpoint).length == 0) return '{"endpoints":[]}';
        return string.concat('{"endpoints":["', endpoint, '"]}');
    }

    function _newest(uint256 count) private view returns (bytes32) {
        return count == 0 ? EMPTY_ROOT : _roots[(count - 1) % HELD];
    }

    /// @dev RFC 9162 section 2.1.4.2, step by step; `0 < oldSize < newSize`.
    function _extends(
        uint64 oldSize, bytes32 oldRoot, uint64 newSize, bytes32 newRoot, bytes32[] calldata proof
    ) private view returns (bool) {
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
            bytes32 sibling = proof[i];
            if (position & 1 == 1 || position == last) {
                fromOld = _node(sibling, fromOld);
                toNew = _node(sibling, toNew);
                while (position != 0 && position & 1 == 0) {
                    position >>= 1;
                    last >>= 1;
                }
            } else {
                toNew = _node(toNew, sibling);
            }
            position >>= 1;
            last >>= 1;
        }
        return last == 0 && fromOld == oldRoot && toNew == newRoot;
    }

    /// @dev SHA-256(0x01, left, right), RFC 9162 section 2.1.1. Assembly, because `sha256(abi.encodePacked(..))` copies
    /// its input twice and costs 500 gas more, 40 times in the longest proof at 2^20 leaves. It uses memory behind the
    /// free pointer and leaves nothing there. No answer (a chain without this precompile) is no digest.
    function _node(bytes32 left, bytes32 right) private view returns (bytes32 digest) {
        assembly ("memory-safe") {
            let input := mload(0x40)
            mstore8(input, 1)
            mstore(add(input, 1), left)
            mstore(add(input, 33), right)
            // Arguments are evaluated from the last to the first: the call, then the size of what it returned.
            if iszero(and(eq(returndatasize(), 32), staticcall(gas(), 2, input, 65, 0, 32))) { revert(0, 0) }
            digest := mload(0)
        }
    }

    /// @dev "b" for base32, then 01 (CIDv1), 55 (raw), 12 20 (SHA-256, 32 bytes) and the digest, 5 bits to a letter.
    /// The four bytes make six letters and two zero bits, with which the 52 letters of the digest begin.
    function _cid(bytes32 digest) private pure returns (bytes memory) {
        uint256 bits = uint256(digest);
        return abi.encodePacked("bafkrei", _base32(bits >> 98), bytes20(_base32((bits << 158) >> 96)));
    }

    /// @dev The 32 letters of a number of 160 bits, all at once: halves move apart until each byte has 5 bits.
    function _base32(uint256 bits) private pure returns (bytes32) {
        bits = _apart(bits, type(uint80).max, 128);
        bits = _apart(bits, uint256(type(uint40).max) * ((1 << 128) + 1), 64);
        bits = _apart(bits, 0xfffff * (type(uint256).max / type(uint64).max), 32);
        bits = _apart(bits, 0x3ff * (type(uint256).max / type(uint32).max), 16);
        bits = _apart(bits, 0x1f * (type(uint256).max / type(uint16).max), 8);
        unchecked {
            uint256 digits = ((bits + 6 * ONES) >> 5) & ONES; // 1 where the letter is one of 2 to 7, from 26 on
            return bytes32(bits + uint8(bytes1("a")) * ONES - digits * 73); // "a" + 26 - 73 is "2"
        }
    }

    /// @dev In each lane pair, moves the upper half of what the lower lane holds up into the upper lane.
    function _apart(uint256 bits, uint256 lower, uint256 lane) private pure returns (uint256) {
        return (bits & lower) | ((bits << (lane * 3 / 8)) & (lower << lane));
    }

    /// @dev At the right end of 20 characters, which the longest has. JSON allows spaces before a number.
    function _decimal(uint256 value) private pure returns (bytes20) {
        uint256 digits = uint160(bytes20("                    "));
        unchecked {
            for (uint256 bit = 0; bit == 0 || value > 0; bit += 8) {
                digits ^= (value % 10 | 0x10) << bit; // " " is 0x20, "0" is 0x30
                value /= 10;
            }
        }
        return bytes20(uint160(digits));
    }

    function _hex(address account) private pure returns (string memory) {
        bytes memory text = "0x0000000000000000000000000000000000000000";
        for (uint256 i = 41; i > 1; --i) {
            text[i] = bytes16("0123456789abcdef")[uint160(account) & 15];
            account = address(uint160(account) >> 4);
        }
        return string(text);
    }
}
