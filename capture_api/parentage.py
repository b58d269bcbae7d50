"""What a photo is said to be made from: each parent must be there, visible to the caller, and in the log."""

from collections.abc import Sequence

from capture_api.auth import caller
from capture_api.body import ParentClaim
from capture_api.problems import Problem, problem
from capture_api.services import services
from pipeline.errors import Erased
from pipeline.parents import Parent, asset_id, is_licence_of, parse_licence
from pipeline.record import Capture

RETRY_S = 2  # a photo is logged within a second or two of its upload


def parents_of(claims: Sequence[ParentClaim] | None, sha256: bytes | None = None) -> tuple[Parent, ...]:
    """The parents that the metadata names, in that order. `sha256`: the upload's, once it is known.

    Raises Problem for one that cannot be a parent, or not yet: its `parent` is the id.
    """
    named = claims or ()
    for place, claim in enumerate(named):
        if claim.id in [other.id for other in named[:place]]:
            raise _refused(claim.id, "it is named twice. Name each parent once")
    return tuple(_parent(claim, sha256) for claim in named)


def erased_meanwhile() -> Problem:
    """The problem of a parent that was there when it was looked at, and not when the capture was committed."""
    return problem("invalid-parent", "A parent was erased by its owner a moment ago. Leave it out, and send it again.")


def _parent(claim: ParentClaim, sha256: bytes | None) -> Parent:
    found = _visible(claim.id)
    if "rejection" in found.facts:
        raise _refused(claim.id, "it was refused and never entered the log. Leave it out")
    if "inclusion" not in found.facts:
        raise problem("parent-not-logged", f"The parent {claim.id} is {found.status} and not in the log yet. Send the "
                      f"photo again in {RETRY_S} s.", parent=claim.id, retry_after_s=RETRY_S)  # fmt: skip
    upload = found.fact("asset").sha256
    if upload == sha256:
        raise _refused(claim.id, "it is the very same file, which is no work of its own. Leave it out")
    return Parent(claim.id, _licence(claim, asset_id(upload, found.fact("inclusion").index)))


def _visible(capture_id: str) -> Capture:
    """The caller's own capture, or a published one; the same problem for another's and for one that never was."""
    try:
        found = services().captures.get(capture_id)
    except Erased as erased:
        if erased.published or erased.owner == caller().owner:
            raise _refused(capture_id, "its owner had it erased. Leave it out") from None
    except LookupError:
        pass
    else:
        if found.request.published or found.owner == caller().owner:
            return found
    raise _refused(capture_id, "there is no such capture that is yours or published. Check the id")


def _licence(claim: ParentClaim, asset: int) -> str | None:
    if claim.licence is None:
        return None
    try:
        licence = parse_licence(claim.licence)
    except ValueError:
        raise _refused(claim.id, "its licence is no token id. Write the 256-bit number as decimal digits, or as 0x "
                       "and hex digits") from None  # fmt: skip
    if not is_licence_of(licence, asset):
        raise _refused(claim.id, f"that licence is not one of this work's. Its ids begin with 0x{asset >> 80:044x}")
    return f"0x{licence:064x}"


def _refused(capture_id: str, why: str) -> Problem:
    shown = ascii(capture_id[:40])
    return problem("invalid-parent", f"The parent {shown} cannot be named: {why}.", parent=capture_id[:40])
