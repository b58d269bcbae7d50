// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC2981} from "@openzeppelin/contracts/interfaces/IERC2981.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {Reviews} from "./Reviews.sol";
import {Shares} from "./Shares.sol";
import {AiTraining, Terms, TermsBook, Use} from "./Terms.sol";

interface ILog {
    function verifyInclusion(bytes32 leaf, uint64 index, uint64 size, bytes32[] calldata proof)
        external view returns (bool);
}

/// @title Works that a log vouches for, what may be done with them, and who is paid
/// @notice A work is made from its statement in the log, by its owner's will and nobody else's. Others take a licence;
/// works are made from works; what one earns is split among all that it was made from, and waits for whoever owns them.
/// There is no owner of this contract and no upgrade; the reviewer's powers are those in Reviews.sol.
/// @dev Ids tell what they are of: a work's is 16 bytes of its file's SHA-256, 6 of its place in the log and 10 zeros;
/// a licence's the same 22 bytes and 10 of its own. Why it is as it is: docs/why-022-rights.md.
contract Rights is ERC721, EIP712, Nonces, IERC2981, Reviews, TermsBook, ReentrancyGuardTransient {
    using Shares for uint256[];
    using Shares for Shares.Growing;

    /// @notice The statement is no statement of a capture, or has no owner.
    error NotAStatement();
    /// @notice The proof does not lead from the statement to a tree that the log holds.
    /// @param leaf The statement's leaf digest.
    error NotInTheLog(bytes32 leaf);
    /// @notice The same file has a work already, and it stands earlier in the log, or is this one.
    /// @param first That work.
    error NotTheFirst(uint256 first);
    /// @notice An earlier statement about the same file turned up: that one counts now.
    /// @param asset The work that no longer does.
    error Superseded(uint256 asset);
    /// @notice Neither the owner called, nor is there the owner's signature for exactly this.
    /// @param owner Who would have to.
    error NotTheOwner(address owner);
    /// @notice The signature was for another time.
    /// @param deadline Until when it held, in seconds since 1970.
    error TooLate(uint256 deadline);
    /// @notice The statement says that the work was made from others: call `derive` first.
    /// @param asset The work.
    error ParentsMissing(uint256 asset);
    /// @notice Parents can no longer be named: the work has some.
    /// @param asset The work.
    error TooLateForParents(uint256 asset);
    /// @notice The parents are none or more than 16, not in ascending order, or not those that the statement commits to.
    error WrongParents();
    /// @notice A work cannot be made from one that the log has later.
    /// @param parent The later one.
    error ParentIsLater(uint256 parent);
    /// @notice The parent's terms do not allow works to be made from it.
    /// @param parent The parent.
    error NoDerivatives(uint256 parent);
    /// @notice The parent's terms ask for these terms, and the work has others.
    /// @param parent The parent.
    /// @param termsId The terms that the work must have.
    error TermsAreInherited(uint256 parent, bytes32 termsId);
    /// @notice This takes a licence that the work's owner holds and that has not ended.
    /// @param asset What it would have to be for.
    error LicenceNeeded(uint256 asset);
    /// @notice The terms are others now; read them and ask again.
    /// @param termsId What they are.
    error TermsChanged(bytes32 termsId);
    /// @notice The terms give nothing that a licence could be for.
    /// @param asset The work.
    error NothingToLicense(uint256 asset);
    /// @notice There is a licence already; nothing was paid.
    /// @param licence Which.
    error AlreadyLicensed(uint256 licence);
    /// @notice The licence's terms do not let it be given on, or it has ended.
    /// @param licence Which.
    error NotTransferable(uint256 licence);
    /// @notice What came is not what was to be paid, or nobody can pay so much: 0, or 2^128 and more. Nothing was taken.
    /// @param amount What came; where it is the amount itself that cannot be, that.
    error WrongPayment(uint256 amount);
    /// @notice Nothing is there for that work now.
    error NothingToClaim();

    /// @notice A work was made.
    /// @param asset Its id.
    /// @param leaf The digest of its statement in the log.
    /// @param termsId Its terms.
    event Registered(uint256 indexed asset, bytes32 indexed leaf, bytes32 indexed termsId);
    /// @notice An earlier statement about the same file took a work's place. Money that came stays its owner's.
    /// @param asset The work that counts no more.
    /// @param first The one that does.
    event SupersededBy(uint256 indexed asset, uint256 indexed first);
    /// @notice New licences of a work are under these terms; licences that exist stay as they are.
    /// @param asset The work.
    /// @param termsId Its terms.
    event TermsSet(uint256 indexed asset, bytes32 indexed termsId);
    /// @notice A work was said to be made from others.
    /// @param asset The work.
    /// @param parents What it was made from.
    /// @param shares Who gets which part of all that it earns from now on: see Shares.sol.
    event Derived(uint256 indexed asset, uint256[] parents, uint256[] shares);
    /// @notice Somebody has a licence.
    /// @param asset The work.
    /// @param licence Its id.
    /// @param holder Who.
    /// @param termsId The terms, as they were.
    /// @param until When it ends, in seconds since 1970; 0 for never.
    event Licensed(uint256 indexed asset, uint256 licence, address indexed holder, bytes32 indexed termsId, uint256 until);
    /// @notice A work earned.
    /// @param asset The work.
    /// @param currency An ERC-20, or zero for the chain's own coin.
    /// @param amount How much.
    event Paid(uint256 indexed asset, address indexed currency, uint256 amount);
    /// @notice What was there for a work was paid to its owner.
    /// @param asset The work that earned it.
    /// @param beneficiary The work that it was there for: the same, or one of its ancestors.
    /// @param to The owner, or whom the owner named.
    /// @param currency As in `Paid`.
    /// @param amount How much.
    event Claimed(uint256 indexed asset, uint256 indexed beneficiary, address indexed to, address currency, uint256 amount);

    /// @notice What is claimed for an owner goes to this account from now on.
    /// @param owner Who owns works.
    /// @param payee The account; zero for the owner itself.
    event PayeeSet(address indexed owner, address indexed payee);

    /// @dev One storage slot. `owner` is the first; whoever has it now is in ERC-721's own books once it moved.
    struct Asset {
        address owner;
        uint48 place;
        uint32 terms;
        uint16 marks; // any of those below, and above them a count: as fields of their own they cost gas, or a second slot
    }

    struct Licence {
        address holder; // the first
        uint40 until;
        uint32 terms;
        bool early;
    }

    /// @notice Where a statement is in the log: its place, the size of a tree that the log's contract holds, the proof.
    struct Inclusion {
        uint48 place;
        uint64 size;
        bytes32[] proof;
    }

    bytes32 private constant TAG = "capture/leaf/v1";
    bytes32 private constant DEVICE_TAG = "capture/leaf/v2";
    uint16 private constant AWAITS_PARENTS = 1; // the statement names some, `derive` was not called yet
    uint16 private constant INHERITS = 2; // has its parents' terms and keeps them
    uint16 private constant DERIVED = 4;
    uint16 private constant HALTED = 8;
    uint16 private constant SOLD = 16; // as often as this is in it, licences were sold whose price no book has yet
    uint256 private constant LICENCE_PART = type(uint80).max;
    uint256 private constant MOST_PARENTS = 16;
    uint256 private constant MOST_PAID = type(uint128).max; // at once, as in terms: then no sum overflows, in any token
    bytes32 private constant REGISTER = keccak256("Register(bytes32 leaf,bytes32 terms,uint256 deadline)");
    bytes32 private constant SET_TERMS =
        keccak256("SetTerms(uint256 asset,bytes32 terms,uint256 nonce,uint256 deadline)");
    bytes32 private constant DERIVE =
        keccak256("Derive(uint256 asset,uint256[] parents,uint256[] licences,bytes32[] terms,uint256 deadline)");
    bytes32 private constant SET_PAYEE =
        keccak256("SetPayee(address owner,address payee,uint256 nonce,uint256 deadline)");
    bytes32 private constant APPEAL =
        keccak256("Appeal(uint256 asset,bytes32 evidence,uint256 nonce,uint256 deadline)");
    bytes32 private constant TRANSFER =
        keccak256("Transfer(uint256 token,address to,uint256 nonce,uint256 deadline)");

    /// @notice The log whose statements become works here.
    ILog public immutable LOG;

    string private _base;
    mapping(uint128 file => Asset) private _standing; // the one that counts, by the file's digest
    mapping(uint256 asset => Asset) private _superseded;
    mapping(uint256 licence => Licence) private _licences;
    mapping(uint256 asset => mapping(address holder => uint256 licence)) private _givenOn;
    mapping(uint256 asset => bytes32) private _declaredParents; // SHA-256 of their ids, from the statement
    mapping(uint256 asset => bytes32) private _shares;
    mapping(address owner => address payee) private _payees;
    mapping(uint256 asset => mapping(address currency => uint256)) private _undivided; // came before its `derive`
    mapping(uint256 asset => mapping(address currency => uint256)) private _divided; // came after it
    mapping(uint256 asset => mapping(uint256 beneficiary => mapping(address currency => uint256))) private _claimed;

    /// @param log The log's contract.
    /// @param reviewer_ Who may review works.
    /// @param base What `tokenURI` puts before an id.
    constructor(ILog log, address reviewer_, string memory base)
        ERC721("Capture Rights", "RIGHTS") EIP712("Capture Rights", "1") Reviews(reviewer_)
    {
        LOG = log;
        _base = base;
    }

    /// @notice Make a work from its statement in the log. Anyone may send it, only its owner may want it.
    /// @param words The ten words of the statement.
    /// @param found Where it is in the log.
    /// @param termsId The terms that the work is offered under.
    /// @param deadline Until when the signature holds; without meaning when the owner calls.
    /// @param signature The owner's, of `Register`; empty when the owner calls.
    /// @return asset The work's id.
    function register(
        bytes32[10] calldata words, Inclusion calldata found, bytes32 termsId, uint256 deadline, bytes calldata signature
    ) external returns (uint256 asset) {
        bytes32 leaf = sha256(abi.encodePacked(bytes1(0), words));
        address owner = _ownerIn(words);
        if (msg.sender != owner) {
            _checkSignature(owner, keccak256(abi.encode(REGISTER, leaf, termsId, deadline)), deadline, signature);
        }
        if (!LOG.verifyInclusion(leaf, found.place, found.size, found.proof)) revert NotInTheLog(leaf);

        uint128 file = uint128(bytes16(words[2]));
        asset = _assetId(file, found.place);
        _giveWay(file, asset);
        uint16 marks = words[7] == 0 ? 0 : AWAITS_PARENTS;
        if (marks != 0) _declaredParents[asset] = words[7];
        _standing[file] = Asset(owner, found.place, _numberOf(termsId), marks);
        _increaseBalance(owner, 1);
        emit Transfer(address(0), owner, asset);
        emit Registered(asset, leaf, termsId);
    }

    /// @notice Say what a work was made from: once. They share in what it earns from then on.
    /// @param asset The work.
    /// @param parents Their ids: first those that the statement commits to, ascending, then others, ascending.
    /// @param declared How many of them the statement commits to.
    /// @param licences For each the licence of the work's owner, or 0 where none is needed.
    /// @param terms For each the id of the terms that the owner read, its own or the licence's: its share is theirs.
    /// @param above For each the list of its own ancestors' shares, from its `Derived` event; empty when it has none, or
    /// the licence is from before it had any (`isEarly`).
    /// @param deadline Until when the signature holds; without meaning when the owner calls.
    /// @param signature The owner's, of `Derive`; empty when the owner calls.
    function derive(
        uint256 asset, uint256[] calldata parents, uint256 declared, uint256[] calldata licences,
        bytes32[] calldata terms, uint256[][] calldata above, uint256 deadline, bytes calldata signature
    ) external {
        address owner = ownerOf(asset);
        if (msg.sender != owner) {
            bytes32 from = keccak256(abi.encodePacked(parents));
            bytes32 by = keccak256(abi.encodePacked(licences));
            bytes32 under = keccak256(abi.encodePacked(terms));
            bytes32 said = keccak256(abi.encode(DERIVE, asset, from, by, under, deadline));
            _checkSignature(owner, said, deadline, signature);
        }
        Asset storage work = _countingAsset(asset);
        if (work.marks & HALTED != 0) _checkNotHalted(asset);
        if (work.marks & DERIVED != 0) revert TooLateForParents(asset);
        _checkParents(asset, parents, declared);
        bool complete =
            parents.length == licences.length && parents.length == terms.length && parents.length == above.length;
        if (!complete) revert WrongParents();

        Shares.Growing memory growing = Shares.empty();
        for (uint256 i = 0; i < parents.length; ++i) {
            (uint256 share, bytes32 digest) = _takeFrom(parents[i], work, asset, owner, licences[i], terms[i]);
            uint256[] memory over = above[i];
            over.check(digest);
            growing.add(parents[i], share, over);
        }
        uint256[] memory shares = growing.finished();
        _shares[asset] = shares.digest();
        _settle(work, asset);
        work.marks = work.marks & ~AWAITS_PARENTS | DERIVED;
        emit Derived(asset, parents, shares);
    }

    /// @notice Offer a work under other terms from now on.
    /// @param asset The work.
    /// @param termsId The terms.
    /// @param deadline Until when the signature holds; without meaning when the owner calls.
    /// @param signature The owner's, of `SetTerms` with the next of `nonces`; empty when the owner calls.
    function setTerms(uint256 asset, bytes32 termsId, uint256 deadline, bytes calldata signature) external {
        address owner = ownerOf(asset);
        if (msg.sender != owner) {
            bytes32 said = keccak256(abi.encode(SET_TERMS, asset, termsId, _useNonce(owner), deadline));
            _checkSignature(owner, said, deadline, signature);
        }
        Asset storage work = _countingAsset(asset);
        if (work.marks & INHERITS != 0) revert TermsAreInherited(asset, _termsIds[work.terms]);
        _settle(work, asset);
        work.terms = _numberOf(termsId);
        emit TermsSet(asset, termsId);
    }

    /// @notice Move a work or a licence to another account, with its owner's signature.
    /// @param token Which.
    /// @param to To whom.
    /// @param deadline Until when the signature holds.
    /// @param signature The owner's, of `Transfer` with the next of `nonces`.
    function transferWithSignature(uint256 token, address to, uint256 deadline, bytes calldata signature) external {
        address owner = ownerOf(token);
        bytes32 said = keccak256(abi.encode(TRANSFER, token, to, _useNonce(owner), deadline));
        _checkSignature(owner, said, deadline, signature);
        _safeTransfer(owner, to, token);
    }

    /// @notice Take a licence, and pay for it.
    /// @param asset The work.
    /// @param termsId The terms that the buyer read: when they are others by now, nothing happens.
    /// @param holder Who gets it.
    /// @return licence Its id.
    function license(uint256 asset, bytes32 termsId, address holder)
        external payable nonReentrant returns (uint256 licence)
    {
        Asset storage work = _countingAsset(asset);
        if (work.marks & HALTED != 0) _checkNotHalted(asset);
        if (work.marks & AWAITS_PARENTS != 0) revert ParentsMissing(asset);
        uint32 number = work.terms;
        if (_termsIds[number] != termsId) revert TermsChanged(_termsIds[number]);
        Terms storage terms = _terms[number]; // not copied: the legal text's slot is not needed here
        bool gives = terms.commercial || terms.derivatives || terms.aiTraining != AiTraining.Denied;
        if (!gives) revert NothingToLicense(asset);

        bool isNew;
        (licence, isNew) = _place(asset, holder, number);
        uint40 until = terms.duration == 0 ? 0 : uint40(block.timestamp + terms.duration);
        _licences[licence] = Licence(holder, until, number, work.marks & DERIVED == 0);
        if (isNew) {
            _increaseBalance(holder, 1);
            emit Transfer(address(0), holder, licence);
        }
        emit Licensed(asset, licence, holder, termsId, until);
        if (terms.fee != 0) {
            if (work.marks > type(uint16).max - SOLD) _settle(work, asset);
            work.marks += SOLD;
        }
        _take(asset, terms.currency, terms.fee);
    }

    /// @notice Pay a work, for whatever it is: it is split as a licence's fee is.
    /// @param asset The work.
    /// @param currency An ERC-20 that this contract may take the amount of, or zero for the coin that is sent along.
    /// @param amount How much, less than 2^128. A token that delivers less than was asked for is refused.
    function pay(uint256 asset, address currency, uint256 amount) external payable nonReentrant {
        Asset storage work = _countingAsset(asset);
        if (work.marks & AWAITS_PARENTS != 0) revert ParentsMissing(asset);
        if (amount == 0 || amount > MOST_PAID) revert WrongPayment(amount);
        _bookOf(work)[asset][currency] += amount;
        _take(asset, currency, amount);
    }

    /// @notice Have all that is claimed for an owner paid to another account, from now on.
    /// @param owner Who owns works, now or later.
    /// @param payee The account; zero for the owner itself.
    /// @param deadline Until when the signature holds; without meaning when the owner calls.
    /// @param signature The owner's, of `SetPayee` with the next of `nonces`; empty when the owner calls.
    function setPayee(address owner, address payee, uint256 deadline, bytes calldata signature) external {
        if (msg.sender != owner) {
            bytes32 said = keccak256(abi.encode(SET_PAYEE, owner, payee, _useNonce(owner), deadline));
            _checkSignature(owner, said, deadline, signature);
        }
        _payees[owner] = payee;
        emit PayeeSet(owner, payee);
    }

    /// @notice Who gets what is claimed for an owner.
    /// @param owner Who owns works.
    /// @return The account that the owner named, or the owner.
    function payeeOf(address owner) public view returns (address) {
        address payee = _payees[owner];
        return payee == address(0) ? owner : payee;
    }

    /// @notice Pay what a work earned for another, or for itself, to whoever owns that one now. Anyone may call.
    /// @param asset The work that earned it.
    /// @param beneficiary The same, or one of its ancestors.
    /// @param currency As in `pay`.
    /// @param shares The list of the work's ancestors' shares, from its `Derived` event; empty when it has none.
    /// @return amount How much.
    function claim(uint256 asset, uint256 beneficiary, address currency, uint256[] calldata shares)
        external nonReentrant returns (uint256 amount)
    {
        if (_inReview(beneficiary)) revert InReview(beneficiary);
        amount = claimable(asset, beneficiary, currency, shares);
        if (amount == 0) revert NothingToClaim();
        _claimed[asset][beneficiary][currency] += amount;
        address to = payeeOf(ownerOf(beneficiary));
        emit Claimed(asset, beneficiary, to, currency, amount);
        if (currency == address(0)) Address.sendValue(payable(to), amount);
        else SafeERC20.safeTransfer(IERC20(currency), to, amount);
    }

    /// @notice Object to a review of one's work.
    /// @param asset The work.
    /// @param evidence SHA-256 of what speaks against the objection.
    /// @param deadline Until when the signature holds; without meaning when the owner calls.
    /// @param signature The owner's, of `Appeal` with the next of `nonces`; empty when the owner calls.
    function appeal(uint256 asset, bytes32 evidence, uint256 deadline, bytes calldata signature) external {
        address owner = ownerOf(asset);
        if (msg.sender != owner) {
            bytes32 said = keccak256(abi.encode(APPEAL, asset, evidence, _useNonce(owner), deadline));
            _checkSignature(owner, said, deadline, signature);
        }
        _appeal(asset, evidence);
    }

    /// @notice What `claim` would pay, a review aside: of what came since the work's `derive` the share, and for the work
    /// itself all that came before. Each call rounds down what was ever earned, not what is left: the order and the number
    /// of claims change nothing.
    /// @param asset As for `claim`.
    /// @param beneficiary As for `claim`.
    /// @param currency As for `claim`.
    /// @param shares As for `claim`.
    /// @return The amount.
    function claimable(uint256 asset, uint256 beneficiary, address currency, uint256[] memory shares)
        public view returns (uint256)
    {
        shares.check(_shares[asset]);
        (uint256 before, uint256 since) = _income(asset, currency);
        uint256 share = beneficiary == asset ? shares.rest() : shares.part(beneficiary);
        uint256 earned = Math.mulDiv(since, share, Shares.WHOLE);
        if (beneficiary == asset) earned += before;
        return earned - _claimed[asset][beneficiary][currency];
    }

    /// @notice All that a work ever earned, for itself and its ancestors.
    /// @param asset The work.
    /// @param currency As in `pay`.
    /// @return The amount.
    function received(uint256 asset, address currency) external view returns (uint256) {
        (uint256 before, uint256 since) = _income(asset, currency);
        return before + since;
    }

    /// @notice Whether somebody may use a work: as its owner, because its terms let anyone, or by a licence.
    /// @param asset The work.
    /// @param holder Who.
    /// @param use For what.
    /// @return False for works that are not here, that no longer count, or that were barred.
    function hasLicence(uint256 asset, address holder, Use use) external view returns (bool) {
        if (uint80(asset) != 0 || holder == address(0) || _isBarred(asset)) return false;
        Asset memory work = _standing[_file(asset)];
        if (work.owner == address(0) || work.place != _placeIn(asset)) return false;
        if (_ownerOf(asset) == holder) return true;
        if (work.marks & AWAITS_PARENTS == 0 && _isFree(_terms[work.terms], use)) return true;
        for (uint256 number = 0;; ++number) {
            uint256 licence = _licenceId(asset, holder, number);
            address has = _ownerOf(licence);
            if (has == address(0)) break;
            if (has == holder && _covers(licence, use)) return true;
        }
        uint256 given = _givenOn[asset][holder];
        return given != 0 && _ownerOf(given) == holder && _covers(given, use);
    }

    /// @notice What there is to know of a work.
    /// @param asset The work.
    /// @return owner Who has it.
    /// @return termsId Its terms.
    /// @return counts Whether it is the first of its file.
    /// @return awaitsParents Whether `derive` has to be called before it can earn.
    /// @return sharesDigest keccak256 of its list of shares; zero when it was made from no other.
    function assetOf(uint256 asset) external view returns (
        address owner, bytes32 termsId, bool counts, bool awaitsParents, bytes32 sharesDigest
    ) {
        Asset memory work = _asset(asset);
        return (ownerOf(asset), _termsIds[work.terms], _standing[_file(asset)].place == work.place,
                work.marks & AWAITS_PARENTS != 0, _shares[asset]);
    }

    /// @notice What there is to know of a licence.
    /// @param licence Which.
    /// @return asset The work.
    /// @return holder Who has it.
    /// @return termsId The terms as they were.
    /// @return until When it ends, in seconds since 1970; 0 for never.
    function licenceOf(uint256 licence) external view returns (
        uint256 asset, address holder, bytes32 termsId, uint256 until
    ) {
        Licence memory held = _licences[licence];
        return (licence & ~LICENCE_PART, ownerOf(licence), _termsIds[held.terms], held.until);
    }

    /// @notice Whether a licence is from before its work was said to be made from others. What is made by it passes on to
    /// the work alone: so nothing that the work's owner says later takes from whoever has the licence what was bought.
    /// @param licence Which.
    /// @return True also while the work has no parents; false for what is no licence.
    function isEarly(uint256 licence) external view returns (bool) {
        return _licences[licence].early;
    }

    /// @notice The work of a file and its place in the log; it need not have been made.
    /// @param upload SHA-256 of the file.
    /// @param place The statement's place in the log, from 0.
    /// @return Its id.
    function assetId(bytes32 upload, uint48 place) external pure returns (uint256) {
        return _assetId(uint128(bytes16(upload)), place);
    }

    /// @notice What is due when a token is sold on (ERC-2981): of a licence the share of its terms; of a work nothing.
    /// @param token Which.
    /// @param price What it is sold for.
    /// @return receiver Who owns the work.
    /// @return amount How much.
    function royaltyInfo(uint256 token, uint256 price) external view returns (address receiver, uint256 amount) {
        receiver = ownerOf(token & ~LICENCE_PART);
        if (uint80(token) != 0) amount = Math.mulDiv(price, _terms[_licences[token].terms].share, MILLION);
    }

    /// @inheritdoc ERC721
    function supportsInterface(bytes4 id) public view override(ERC721, IERC165) returns (bool) {
        return id == type(IERC2981).interfaceId || super.supportsInterface(id);
    }

    function _baseURI() internal view override returns (string memory) {
        return _base;
    }

    /// @dev The first owner stands in our own slot, and ERC-721's is written when a token first moves: 22,100 gas less.
    function _ownerOf(uint256 token) internal view override returns (address) {
        address first = uint80(token) == 0 ? _asset(token).owner : _licences[token].holder;
        if (first == address(0)) return first; // nor is it in ERC-721's book
        address moved = super._ownerOf(token);
        return moved == address(0) ? first : moved;
    }

    function _update(address to, uint256 token, address auth) internal override returns (address) {
        if (uint80(token) != 0) {
            Licence memory held = _licences[token];
            if (!_terms[held.terms].transferable || !_lasts(held)) revert NotTransferable(token);
            uint256 asset = token & ~LICENCE_PART;
            uint256 given = _givenOn[asset][to];
            // One for each work: a gift must not hide what the holder was given before.
            if (given != token && given != 0 && _ownerOf(given) == to && _lasts(_licences[given])) {
                revert AlreadyLicensed(given);
            }
            _givenOn[asset][to] = token;
        }
        return super._update(to, token, auth);
    }

    function _isHalted(uint256 asset) internal view override returns (bool) {
        return _asset(asset).marks & HALTED != 0;
    }

    function _setHalted(uint256 asset, bool halted) internal override {
        bool ends = !halted && _superseded[asset].owner != address(0); // a work that lost its place under review
        Asset storage work = ends ? _superseded[asset] : _countingAsset(asset);
        work.marks = halted ? work.marks | HALTED : work.marks & ~HALTED;
    }

    /// @dev Whatever stands for the file makes room for an earlier statement, and for no other.
    function _giveWay(uint128 file, uint256 asset) private {
        Asset memory held = _standing[file];
        if (held.owner == address(0)) return;
        uint256 old = _assetId(file, held.place);
        if (held.place <= _placeIn(asset)) revert NotTheFirst(old);
        _superseded[old] = held;
        emit SupersededBy(old, asset);
    }

    function _checkParents(uint256 asset, uint256[] calldata parents, uint256 declared) private view {
        if (parents.length == 0 || parents.length > MOST_PARENTS || declared > parents.length) revert WrongParents();
        bytes32 expected = _declaredParents[asset];
        bytes32 given = declared == 0 ? bytes32(0) : sha256(abi.encodePacked(parents[:declared]));
        if (given != expected) revert WrongParents();
        for (uint256 i = 1; i < parents.length; ++i) {
            if (i != declared && parents[i] <= parents[i - 1]) revert WrongParents();
        }
        for (uint256 i = declared; i < parents.length; ++i) {
            for (uint256 j = 0; j < declared; ++j) if (parents[i] == parents[j]) revert WrongParents();
        }
    }

    /// @dev Check that the parent may be used so, and return its share, of 10^18, and the digest of the list above it.
    function _takeFrom(
        uint256 parent, Asset storage work, uint256 asset, address owner, uint256 licence, bytes32 termsId
    ) private returns (uint256, bytes32) {
        Asset storage from = _countingAsset(parent);
        uint16 marks = from.marks;
        if (marks & HALTED != 0) _checkNotHalted(parent);
        if (marks & AWAITS_PARENTS != 0) revert ParentsMissing(parent);
        if (from.place >= _placeIn(asset)) revert ParentIsLater(parent);
        bool alone = marks & DERIVED == 0;
        uint32 number = from.terms;
        if (licence != 0) (number, alone) = _held(parent, owner, licence);
        if (_termsIds[number] != termsId) revert TermsChanged(_termsIds[number]);
        Terms storage terms = _terms[number];
        bool isForSale = licence == 0 && terms.fee > 0;
        if ((isForSale || !terms.derivatives) && _ownerOf(parent) != owner) {
            if (terms.derivatives) revert LicenceNeeded(parent);
            revert NoDerivatives(parent);
        }
        if (terms.reciprocal) {
            if (work.terms != number) revert TermsAreInherited(parent, _termsIds[number]);
            work.marks |= INHERITS;
        }
        return (uint256(terms.share) * (Shares.WHOLE / MILLION), alone ? bytes32(0) : _shares[parent]);
    }

    function _held(uint256 parent, address owner, uint256 licence) private view returns (uint32 terms, bool early) {
        Licence memory held = _licences[licence];
        bool fits = uint80(licence) != 0 && licence & ~LICENCE_PART == parent;
        if (!fits || _ownerOf(licence) != owner || !_lasts(held)) revert LicenceNeeded(parent);
        return (held.terms, held.early);
    }

    /// @dev Where the holder's licence goes: a place whose licence has ended, or a new one. One that lasts stays as it
    /// is; so whoever repeats a purchase pays once, and nothing that was bought changes under whoever has it.
    function _place(uint256 asset, address holder, uint32 terms) private returns (uint256 licence, bool isNew) {
        if (holder == address(0)) revert ERC721InvalidReceiver(holder);
        uint256 ended = 0;
        for (uint256 number = 0;; ++number) {
            licence = _licenceId(asset, holder, number);
            address has = _ownerOf(licence);
            if (has == address(0)) break;
            if (has != holder) continue; // it was given on
            Licence memory held = _licences[licence];
            if (!_lasts(held)) ended = licence;
            else if (held.terms == terms) revert AlreadyLicensed(licence);
        }
        if (ended == 0) return (licence, true);
        _approve(address(0), ended, address(0), false); // what was allowed for the old one is over with it
        return (ended, false);
    }

    /// @dev Put into the open book what licences brought that were only counted, which saves a slot with each. Their price
    /// is that of the work's terms: so this comes before the terms change, or the book.
    function _settle(Asset storage work, uint256 asset) private {
        uint256 sold = work.marks / SOLD;
        if (sold == 0) return;
        Terms storage terms = _terms[work.terms];
        _bookOf(work)[asset][terms.currency] += sold * terms.fee;
        work.marks %= SOLD;
    }

    /// @dev Where what comes now belongs: before `derive` it is all the work's own, after it the list says whose.
    function _bookOf(Asset storage work)
        private view returns (mapping(uint256 asset => mapping(address currency => uint256)) storage)
    {
        return work.marks & DERIVED == 0 ? _undivided : _divided;
    }

    /// @dev What a work earned before its `derive` and since, with what is only counted.
    function _income(uint256 asset, address currency) private view returns (uint256 before, uint256 since) {
        (before, since) = (_undivided[asset][currency], _divided[asset][currency]);
        Asset memory work = _asset(asset);
        uint256 sold = work.marks / SOLD;
        if (sold == 0 || uint80(asset) != 0) return (before, since); // a licence's id leads to its work, and earns nothing
        Terms storage terms = _terms[work.terms];
        uint256 counted = terms.currency == currency ? sold * terms.fee : 0;
        return work.marks & DERIVED == 0 ? (before + counted, since) : (before, since + counted);
    }

    /// @dev What it is for is in the books already: a token that calls back finds them as they will be, and the events
    /// in the books' order.
    function _take(uint256 asset, address currency, uint256 amount) private {
        if (amount != 0) emit Paid(asset, currency, amount);
        if (currency == address(0) || amount == 0) {
            if (msg.value != amount) revert WrongPayment(msg.value);
        } else {
            if (msg.value != 0) revert WrongPayment(msg.value);
            uint256 before = IERC20(currency).balanceOf(address(this));
            SafeERC20.safeTransferFrom(IERC20(currency), msg.sender, address(this), amount);
            uint256 came = IERC20(currency).balanceOf(address(this)) - before;
            if (came != amount) revert WrongPayment(came);
        }
    }

    function _checkSignature(address owner, bytes32 said, uint256 deadline, bytes calldata signature) private view {
        if (block.timestamp > deadline) revert TooLate(deadline);
        bool holds = SignatureChecker.isValidSignatureNow(owner, _hashTypedDataV4(said), signature);
        if (!holds) revert NotTheOwner(owner);
    }

    function _asset(uint256 asset) private view returns (Asset memory) {
        Asset memory work = _standing[_file(asset)];
        return work.place == _placeIn(asset) ? work : _superseded[asset];
    }

    /// @dev The work, when it is here and the first of its file.
    function _countingAsset(uint256 asset) private view returns (Asset storage work) {
        work = _standing[_file(asset)];
        if (work.owner == address(0) || uint80(asset) != 0) revert ERC721NonexistentToken(asset);
        if (work.place == _placeIn(asset)) return work;
        if (_superseded[asset].owner == address(0)) revert ERC721NonexistentToken(asset);
        revert Superseded(asset);
    }

    function _covers(uint256 licence, Use use) private view returns (bool) {
        Licence memory held = _licences[licence];
        return _lasts(held) && _permits(_terms[held.terms], use);
    }

    function _lasts(Licence memory held) private view returns (bool) {
        return held.until == 0 || block.timestamp < held.until;
    }

    function _ownerIn(bytes32[10] calldata words) private pure returns (address) {
        bool isStatement = words[0] == (words[9] == 0 ? TAG : DEVICE_TAG);
        uint256 owner = uint256(words[5]);
        if (!isStatement || owner == 0 || owner > type(uint160).max) revert NotAStatement();
        return address(uint160(owner));
    }

    function _assetId(uint128 file, uint48 place) private pure returns (uint256) {
        return (uint256(file) << 128) | (uint256(place) << 80);
    }

    function _licenceId(uint256 asset, address holder, uint256 number) private pure returns (uint256) {
        uint256 own = uint256(keccak256(abi.encode(asset, holder, number))) & LICENCE_PART;
        return asset | (own == 0 ? 1 : own);
    }

    function _file(uint256 token) private pure returns (uint128) {
        return uint128(token >> 128);
    }

    function _placeIn(uint256 token) private pure returns (uint48) {
        return uint48(token >> 80);
    }
}
