"""The rows and schemas of reviews: an objection to a work, an appeal, a decision."""

from typing import Any

from capture_api.openapi_parts import JSON, Call, header, path, ref

_KEYED = ("no-key", "not-allowed", "not-found", "erased", "no-work", "unavailable", "not-there-yet")
_ASKED = (*_KEYED, "wrong-media-type", "too-large", "invalid-metadata", "conflict")
_ID = path("id", "The capture's id")
_PREFER = header("Prefer", "wait=N: answer when the order is done, or after N seconds (RFC 7240)")
_ORDER = {200: (JSON, ref("Order")), 202: (JSON, ref("Order"))}
_DIGEST = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256"}
_NO_DIGEST = {"anyOf": [_DIGEST, {"type": "null"}]}
_MOMENT = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}
_FLAG = {"type": "boolean"}


def _body(name: str) -> dict[str, Any]:
    return {JSON: {"schema": ref(name)}}


def _strict(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": [*properties], "properties": properties, "additionalProperties": False}


REVIEW_CALLS = (
    Call("get", "/v1/captures/{id}/review", "How the last review of a work stands (owner and reviewers).",
         {200: (JSON, ref("Review"))}, _KEYED, (_ID,)),
    Call("post", "/v1/captures/{id}/review", "Object to a work (reviewers): no licences of it for up to 30 days, or "
         "until that is decided.", _ORDER, _ASKED, (_ID, _PREFER), _body("ReviewObjection")),
    Call("post", "/v1/captures/{id}/appeal", "Speak against an objection to your work, within 14 days.", _ORDER, _ASKED,
         (_ID, _PREFER), _body("ReviewEvidence")),
    Call("post", "/v1/captures/{id}/decision", "Decide a review (reviewers); an objection is upheld only after an "
         "appeal, or when there is no more time for one.", _ORDER, _ASKED, (_ID, _PREFER), _body("ReviewDecision")),
)  # fmt: skip

REVIEW_SCHEMAS: dict[str, Any] = {
    "ReviewObjection": _strict(tag={"type": "string", "pattern": "^[a-z0-9-]{1,31}$"}, evidence=_DIGEST),
    "ReviewEvidence": _strict(evidence=_DIGEST),
    "ReviewDecision": _strict(upheld=_FLAG, evidence=_DIGEST),
    "Review": _strict(in_review=_FLAG, barred=_FLAG, appealed=_FLAG, until=_MOMENT, appeal_until=_MOMENT,
                      tag={"type": ["string", "null"]}, evidence=_NO_DIGEST),
}  # fmt: skip
