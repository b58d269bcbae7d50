"""Before the bytes and after them: ask which photos are known, and say more about one until it is signed."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

from flask import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from capture_api.auth import caller, needs
from capture_api.body import MAX_METADATA_BYTES, ParentClaim
from capture_api.captures import captures, own
from capture_api.json_body import read_json
from capture_api.parentage import erased_meanwhile, parents_of
from capture_api.problems import problem
from capture_api.render import capture_json, json_answer
from capture_api.services import services
from pipeline.errors import Rejected
from pipeline.parents import MOST_PARENTS, Parent
from pipeline.record import Request, encode
from rights.terms import parse_rights
from store.amendments import MOST_HELD_S, AtWork, TooLate
from store.known import Standing
from store.lineage import ParentErased

MOST_CHECKED = 1000
MAX_CHECK_BYTES = 128 * 1024  # a digest is 64 characters and a little around it
PATIENCE_S = 2.0  # for a worker that has the photo
LOOK_AGAIN_S = 0.05


class Check(BaseModel):
    """Digests that are asked about."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: Annotated[
        list[Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]], Field(max_length=MOST_CHECKED)
    ]


class Amendment(BaseModel):
    """What is to be changed of what was asked; what is left out stays (RFC 7396).

    `undeclared_stand`: the answer to a hold because of undeclared parents, that they are none.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    rights: dict[str, Any] | None = None
    keep_location: bool = False
    published: bool = True
    hold_s: int = Field(default=0, ge=0, le=MOST_HELD_S)
    parents: list[ParentClaim] | None = Field(default=None, max_length=MOST_PARENTS)
    undeclared_stand: bool = False


@captures.post("/check")
@needs("capture")
def check() -> Response:
    """Which of these photos are known, unknown, or were erased and are not to be sent again."""
    asked = [bytes.fromhex(digest) for digest in read_json(Check, MAX_CHECK_BYTES).sha256]
    return json_answer({"results": list(map(_standing, services().known.standing(caller().owner, asked)))})


@captures.patch("/<capture_id>")
@needs("capture")
def amend(capture_id: str) -> Response:
    """Change what was asked for a photo while it is not signed, and end its hold."""
    capture = own(capture_id, owner_only=True)
    wanted = read_json(Amendment, MAX_METADATA_BYTES)
    parents = parents_of(wanted.parents, capture.fact("asset").sha256)
    try:
        ask_otherwise(capture.id, lambda asked: _changed(asked, wanted, parents), wanted.hold_s)
    except ParentErased:
        raise erased_meanwhile() from None
    except Rejected as rejected:
        raise problem("invalid-metadata", str(rejected)) from None
    except TooLate as late:
        stands = own(capture_id, owner_only=True).request
        raise problem("too-late", f"What was asked stands, because {late}. To have it otherwise, erase the capture and "
                      "register the photo again.", stands=encode(stands)) from None  # fmt: skip
    if not wanted.hold_s:
        services().bell.photo(capture.id)
    return json_answer(capture_json(own(capture_id, owner_only=True)))


def ask_otherwise(capture_id: str, change: Callable[[Request], Request], hold_s: int | None) -> None:
    """As Amendments.amend, which see; a worker that has the photo is waited for, for PATIENCE_S seconds.

    It may only look, as after an answer that leaves parents unnamed: then it is not too late for the next answer.
    """
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return services().amendments.amend(capture_id, change, hold_s)
        except AtWork:
            if time.monotonic() > end:
                raise
        time.sleep(LOOK_AGAIN_S)


def _changed(asked: Request, wanted: Amendment, parents: tuple[Parent, ...]) -> Request:
    given = wanted.model_fields_set
    if "parents" in given:
        asked = replace(asked, parents=parents)
    if "rights" in given:
        base = caller().rights if wanted.rights is None else asked.rights
        asked = replace(asked, rights=parse_rights(wanted.rights or {}, base))
    plain = ("keep_location", "published", "undeclared_stand")
    return replace(asked, **{name: getattr(wanted, name) for name in plain if name in given})


def _standing(found: Standing) -> dict[str, str]:
    known = {"id": found.capture_id} if found.capture_id else {}
    return {"sha256": found.sha256.hex(), "state": found.state, **known}
