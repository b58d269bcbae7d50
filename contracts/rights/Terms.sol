// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What an owner lets others do with a work, and for what. One set of terms serves any number of works.
/// @param commercial Whether use for money is allowed.
/// @param derivatives Whether new works may be made from it.
/// @param attribution Whether the creator must be named. Nothing here can check that: it is said, for people.
/// @param reciprocal Whether a work made from it must be offered under these same terms.
/// @param aiTraining What training a model on it takes: never, without asking, or a licence.
/// @param share What a derivative passes on of all that it earns, in parts per million.
/// @param duration How long a licence lasts, in seconds; 0 for ever.
/// @param currency What the fee is in: an ERC-20, or zero for the chain's own coin.
/// @param fee The price of a licence, in the currency's smallest unit; 0 when none is needed.
/// @param transferable Whether a licence may be given on.
/// @param legalText SHA-256 of the text that lawyers read; zero for none.
struct Terms {
    bool commercial;
    bool derivatives;
    bool attribution;
    bool reciprocal;
    AiTraining aiTraining;
    uint24 share;
    uint32 duration;
    address currency;
    uint128 fee;
    bool transferable;
    bytes32 legalText;
}

enum AiTraining { Denied, Allowed, Paid }
enum Use { Commercial, Derivatives, AiTraining }

/// @notice A share beyond the whole: parts per million are at most a million.
/// @param share What was given, or the sum of what was.
error ShareOverWhole(uint256 share);
/// @notice Terms that contradict themselves.
/// @param why Which parts do.
error Contradictory(string why);
/// @notice No terms with this id were ever added: call `addTerms` first.
/// @param id What was asked for.
error UnknownTerms(bytes32 id);

/// @title All terms that anyone uses, by the digest of what they say
/// @notice Terms never change and never go: whoever wants others adds others.
abstract contract TermsBook {
    /// @notice These terms can be used from now on.
    /// @param id keccak256 of the ABI encoding of `terms`.
    /// @param terms What they say.
    event TermsAdded(bytes32 indexed id, Terms terms);

    uint256 internal constant MILLION = 1_000_000;

    mapping(bytes32 id => uint32 number) private _numbers; // from 1
    mapping(uint32 number => Terms terms) internal _terms;
    mapping(uint32 number => bytes32 id) internal _termsIds;
    uint32 private _count;

    /// @notice Make terms usable; the same again changes nothing.
    /// @param terms What they say.
    /// @return id Their name: keccak256 of their ABI encoding.
    function addTerms(Terms calldata terms) external returns (bytes32 id) {
        id = keccak256(abi.encode(terms));
        if (_numbers[id] != 0) return id;
        _check(terms);
        uint32 number = ++_count;
        (_numbers[id], _terms[number], _termsIds[number]) = (number, terms, id);
        emit TermsAdded(id, terms);
    }

    /// @notice What terms say.
    /// @param id Their id (`UnknownTerms`).
    /// @return What was added under it.
    function termsById(bytes32 id) external view returns (Terms memory) {
        return _terms[_numberOf(id)];
    }

    function _numberOf(bytes32 id) internal view returns (uint32 number) {
        number = _numbers[id];
        if (number == 0) revert UnknownTerms(id);
    }

    /// @dev Whether a licence under these terms covers the use.
    function _permits(Terms memory terms, Use use) internal pure returns (bool) {
        if (use == Use.AiTraining) return terms.aiTraining != AiTraining.Denied;
        return use == Use.Commercial ? terms.commercial : terms.derivatives;
    }

    /// @dev Whether anyone may, without a licence.
    function _isFree(Terms memory terms, Use use) internal pure returns (bool) {
        if (use == Use.AiTraining) return terms.aiTraining == AiTraining.Allowed;
        return terms.fee == 0 && _permits(terms, use);
    }

    function _check(Terms calldata terms) private pure {
        if (terms.share > MILLION) revert ShareOverWhole(terms.share);
        bool sells = terms.commercial || terms.aiTraining == AiTraining.Paid;
        if (terms.fee > 0 && !sells) revert Contradictory("a fee for nothing: neither commercial use nor AI training");
        if (terms.fee == 0 && terms.aiTraining == AiTraining.Paid) revert Contradictory("paid AI training without a fee");
        if (terms.fee == 0 && terms.currency != address(0)) revert Contradictory("a currency without a fee");
        bool passesOn = terms.share > 0 || terms.reciprocal;
        if (passesOn && !terms.derivatives) revert Contradictory("conditions for derivatives, which are not allowed");
        if (terms.share > 0 && !terms.commercial) revert Contradictory("a share of what may not be earned");
    }
}
