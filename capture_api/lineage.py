"""What a capture was made from, as JSON: what its uploader said, and what the verdict found beside that."""

from typing import Any

from flask import url_for

from capture_api.ancestry import Ancestry
from capture_api.match_json import match_json, match_links
from capture_api.offering import offered
from capture_api.relatives import Relatives
from capture_api.services import services
from pipeline.kin import title_of, undeclared
from pipeline.record import Capture, Match, encode
from rights.terms import licence_title, licence_url

HELD = "undeclared_parents"


def parents_json(capture: Capture) -> dict[str, Any]:
    """How it was made and from what, as its uploader said; which photos of others nobody named; and whether that is
    what the work on it waits for."""
    lookup = Relatives()
    asked, found = capture.request, unnamed(capture, lookup)
    waits = services().settings.undeclared_parents == "hold" and not {"manifest", "rejection"} & set(capture.facts)
    return {
        "digital_source_type": asked.digital_source_type,
        "parents": encode(asked.parents),
        "erased_parents": asked.erased_parents,
        "undeclared_parents": [_undeclared_json(match, lookup, capture.id) for match in found],
        "undeclared_stand": asked.undeclared_stand,
        "held_for": HELD if found and waits and not asked.undeclared_stand else None,
    }


def open_parents_json(capture: Capture, lookup: Relatives | None = None) -> dict[str, Any]:
    """What of this a stranger may read: of parents and of what nobody named, those that are published."""
    lookup, ancestry = lookup or Relatives.of(capture), Ancestry.of(capture)
    named = [parent for parent in ancestry.parents(capture, lookup) if parent.request.published]
    found = [_undeclared_json(match, lookup) for match in unnamed(capture, lookup, ancestry)]
    return {
        "digital_source_type": capture.request.digital_source_type,
        "parents": [
            {"id": parent.id, "title": title_of(parent), "links": public_links(parent)} | ancestry.standing(parent)
            for parent in named
        ],
        "ancestors": ancestry.others(named, lambda other: other.request.published, lookup),
        "undeclared_parents": [one for one in found if "public" in one["links"]],
    }


def unnamed(capture: Capture, lookup: Relatives, ancestry: Ancestry | None = None) -> list[Match]:
    """The photos of others that the verdict finds in it, and that neither its upload nor the chain names."""
    found = undeclared(capture, lookup)
    if not found:
        return found
    line = ancestry or Ancestry.of(capture)
    return [match for match in found if not line.names(match.id)]


def public_links(capture: Capture) -> dict[str, str]:
    """Where anybody may look at a published capture."""
    found = {"public": url_for("public.page", capture_id=capture.id)}
    if "manifest" in capture.facts:
        found["thumbnail"] = url_for("public.public_thumbnail", capture_id=capture.id)
    return found


def _undeclared_json(match: Match, lookup: Relatives, capture_id: str | None = None) -> dict[str, Any]:
    """The match as the verdict shows it, and the terms of the photo where it is published: those that its owner
    stated, and what the chain offers where it is a work."""
    return match_json(match, match_links(match.id, capture_id, lookup)) | {"terms": _terms(match.id, lookup)}


def _terms(capture_id: str, lookup: Relatives) -> dict[str, Any] | None:
    try:
        other = lookup(capture_id)
    except LookupError:  # erased a moment ago
        return None
    if not other.request.published:
        return None
    rights = other.rights
    stated = {**encode(rights), "licence_title": licence_title(rights), "licence_url": licence_url(rights)}
    return stated | {"offer": _offer(other)}


def _offer(capture: Capture) -> dict[str, Any] | None:
    """Which terms a work is offered under; None for what is no work.

    What was carried to the chain last is what it has: only after the work went to an account that we cannot act for is
    the chain itself asked.
    """
    done = [order for order in services().orders.of(capture.id) if order.state == "done"]
    if any(order.kind == "move" for order in done):
        offer = offered(capture, "")
        terms = offer.terms if offer else None
    else:
        terms = next((order.asked["terms"] for order in reversed(done) if order.kind in ("asset", "terms")), None)
    return {name: terms[name] for name in ("preset", "share", "fee", "currency", "ai_training")} if terms else None
