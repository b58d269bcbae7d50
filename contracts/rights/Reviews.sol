// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A person looks at a work that somebody objects to
/// @notice The reviewer can halt new licences of a work for a while, and at the end for good: then those that were bought
/// count no more either. The reviewer cannot take a work or money away, nor halt anything for longer than the limits here
/// without a decision.
abstract contract Reviews {
    /// @notice Someone else than the reviewer called.
    /// @param caller Who called.
    error NotTheReviewer(address caller);
    /// @notice The reviewer's role was offered to somebody else, or to nobody.
    /// @param caller Who called.
    error NotOffered(address caller);
    /// @notice The work is not under review: nobody flagged it, or the time for a decision is over.
    /// @param asset The work.
    error NotInReview(uint256 asset);
    /// @notice The work is under review: until that ends it is not licensed, nothing is derived, its owner is not paid.
    /// @param asset The work.
    error InReview(uint256 asset);
    /// @notice A review of this work ended with the objection upheld.
    /// @param asset The work.
    error Barred(uint256 asset);
    /// @notice The owner appealed already.
    /// @param asset The work.
    error AppealedAlready(uint256 asset);
    /// @notice The owner can still appeal.
    /// @param until When that ends, in seconds since 1970.
    error AppealOpen(uint256 until);

    /// @notice A review began.
    /// @param asset The work.
    /// @param tag What the objection is, for instance bytes32("copy").
    /// @param evidence SHA-256 of what was put forward.
    /// @param until When it ends by itself, unless it is decided or appealed before.
    event Flagged(uint256 indexed asset, bytes32 indexed tag, bytes32 evidence, uint256 until);
    /// @notice The owner objects to the objection; the time starts anew.
    /// @param asset The work.
    /// @param evidence SHA-256 of what the owner put forward.
    /// @param until When the review ends by itself.
    event Appealed(uint256 indexed asset, bytes32 evidence, uint256 until);
    /// @notice The reviewer decided.
    /// @param asset The work.
    /// @param upheld Whether the objection holds: then the work is licensed no more.
    /// @param evidence SHA-256 of the reasons.
    event Resolved(uint256 indexed asset, bool upheld, bytes32 evidence);
    /// @notice The reviewer offers the role; nothing changes until it is accepted.
    /// @param reviewer Who offers.
    /// @param to Who may accept; zero takes an offer back.
    event ReviewerOffered(address indexed reviewer, address indexed to);
    /// @notice From now on only `to` can review.
    /// @param from Who could until now.
    /// @param to Who can from now on.
    event ReviewerTransferred(address indexed from, address indexed to);

    struct Review {
        uint64 until;
        uint64 appealUntil;
        bool appealed;
        bool barred;
    }

    /// @notice How long the owner can appeal, during which no objection is upheld.
    uint256 public constant APPEAL_S = 14 days;
    /// @notice How long a review lasts without a decision, counted anew from an appeal.
    uint256 public constant REVIEW_S = 30 days;

    /// @notice Who may flag works and decide on them.
    address public reviewer;
    /// @notice Who may accept the role; zero when nobody.
    address public pendingReviewer;

    mapping(uint256 asset => Review) private _reviews;

    constructor(address reviewer_) {
        reviewer = reviewer_;
        emit ReviewerTransferred(address(0), reviewer_);
    }

    modifier onlyReviewer() {
        if (msg.sender != reviewer) revert NotTheReviewer(msg.sender);
        _;
    }

    /// @notice Begin a review.
    /// @param asset The work.
    /// @param tag What the objection is.
    /// @param evidence SHA-256 of what supports it.
    function flag(uint256 asset, bytes32 tag, bytes32 evidence) external onlyReviewer {
        _checkNotHalted(asset);
        uint64 until = uint64(block.timestamp + REVIEW_S);
        _reviews[asset] = Review(until, uint64(block.timestamp + APPEAL_S), false, false);
        _setHalted(asset, true);
        emit Flagged(asset, tag, evidence, until);
    }

    /// @notice End a review.
    /// @param asset The work.
    /// @param upheld Whether the objection holds. Only after an appeal, or when there is no more time for one.
    /// @param evidence SHA-256 of the reasons.
    function resolve(uint256 asset, bool upheld, bytes32 evidence) external onlyReviewer {
        Review storage review = _underReview(asset);
        if (upheld && !review.appealed && block.timestamp <= review.appealUntil) revert AppealOpen(review.appealUntil);
        if (upheld) review.barred = true;
        else _setHalted(asset, false);
        emit Resolved(asset, upheld, evidence);
    }

    /// @notice Offer the reviewer's role to another account, which has to accept; the last offer counts.
    /// @param to Who may accept; zero takes the offer back.
    function offerReviewer(address to) external onlyReviewer {
        pendingReviewer = to;
        emit ReviewerOffered(msg.sender, to);
    }

    /// @notice Take the role that was offered: the one who offered it loses it.
    function acceptReviewer() external {
        if (msg.sender != pendingReviewer) revert NotOffered(msg.sender);
        emit ReviewerTransferred(reviewer, msg.sender);
        (reviewer, pendingReviewer) = (msg.sender, address(0));
    }

    /// @notice How a work stands.
    /// @param asset The work.
    /// @return inReview Whether a review runs.
    /// @return barred Whether one ended with the objection upheld.
    /// @return appealed Whether the owner appealed in the last one.
    /// @return until When the last review ends or ended, in seconds since 1970; 0 when there was none.
    /// @return appealUntil Until when its owner could or can appeal.
    function reviewOf(uint256 asset)
        external view returns (bool inReview, bool barred, bool appealed, uint256 until, uint256 appealUntil)
    {
        Review memory review = _reviews[asset];
        return (_inReview(asset), review.barred, review.appealed, review.until, review.appealUntil);
    }

    function _appeal(uint256 asset, bytes32 evidence) internal {
        Review storage review = _underReview(asset);
        if (review.appealed) revert AppealedAlready(asset);
        (review.appealed, review.until) = (true, uint64(block.timestamp + REVIEW_S));
        emit Appealed(asset, evidence, review.until);
    }

    function _inReview(uint256 asset) internal view returns (bool) {
        if (!_isHalted(asset)) return false; // what nearly every call sees, without reading the review
        Review memory review = _reviews[asset];
        return !review.barred && block.timestamp <= review.until;
    }

    /// @dev Reverts while the work is under review, and for ever when an objection was upheld. A review that ran out
    /// without a decision halts nothing, though its mark is still there.
    function _checkNotHalted(uint256 asset) internal view {
        if (!_isHalted(asset)) return;
        if (_reviews[asset].barred) revert Barred(asset);
        if (_inReview(asset)) revert InReview(asset);
    }

    function _isBarred(uint256 asset) internal view returns (bool) {
        return _isHalted(asset) && _reviews[asset].barred;
    }

    function _underReview(uint256 asset) private view returns (Review storage) {
        if (!_inReview(asset)) revert NotInReview(asset);
        return _reviews[asset];
    }

    /// @dev The mark on the work that a review was begun.
    function _isHalted(uint256 asset) internal view virtual returns (bool);
    function _setHalted(uint256 asset, bool halted) internal virtual;
}
