"""What machines look for at fixed addresses before they look at a photo: robots.txt, tdmrep.json, licence, oEmbed."""

import json
import re
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from capture_api.negotiation import about, base_url, record_of
from capture_api.problems import problem
from capture_api.public import published
from rights.dialects import RSL, USAGE_DEFAULT, oembed, rsl_default, tdm

crawlers = Blueprint("crawlers", __name__)

PHOTOS = "/a/"
KEPT = {"Cache-Control": "public, max-age=3600"}

# Preferences of several sources combine to the most restrictive: a site-wide `train-ai=n` would overrule a photo that
# may be trained on. The longest path wins (draft-ietf-aipref-attach), and of photos only their own answers speak.
_ROBOTS = """License: {base}/license.xml

User-agent: *
Allow: /
Content-Usage: {usage}
Content-Usage: {photos} search=y
"""


@crawlers.get("/robots.txt")
def robots() -> Response:
    """Everything may be visited; what it may be used for is said by each answer."""
    return Response(
        _ROBOTS.format(base=base_url(), photos=PHOTOS, usage=USAGE_DEFAULT), mimetype="text/plain", headers=KEPT
    )


@crawlers.get("/license.xml")
def licence() -> Response:
    """The RSL licence of the photos that name none of their own: not for AI."""
    return Response(rsl_default(PHOTOS), mimetype=RSL, headers=KEPT)


@crawlers.get("/.well-known/tdmrep.json")
def tdmrep() -> Response:
    """Mining is reserved, unless a photo's own answer says otherwise: the headers of a file outrank this list."""
    rules = [{"location": f"{PHOTOS}*", **{name: int(value) for name, value in tdm("not_allowed").items()}}]
    return Response(json.dumps(rules), mimetype="application/json", headers=KEPT)


@crawlers.get("/oembed")
def embed() -> Response:
    """A published photo for other people's pages (oEmbed 1.0)."""
    if (wanted := request.args.get("format", "json")) != "json":
        kind = "not-implemented" if wanted == "xml" else "malformed-request"  # oEmbed knows these two, and 501 for one
        raise problem(kind, "oEmbed is to be had as JSON: leave format out, or send format=json.")
    record = record_of(published(_capture_id(request.args.get("url", ""))))
    shown = oembed(record, _pixels("maxwidth"), _pixels("maxheight"))
    answer = about(record, Response(json.dumps(shown), mimetype="application/json"), of_small_picture=True)
    answer.headers["Cache-Control"] = "no-cache"
    return answer


def _capture_id(url: str) -> str:
    """The capture that an address of this service stands for; raises Problem for any other address."""
    try:
        parts, own = urlsplit(url), urlsplit(base_url())
        found = re.fullmatch(re.escape(own.path) + PHOTOS + r"([A-Za-z0-9]{1,40})", parts.path)
        if found and (parts.netloc in (own.netloc, request.host)) and parts.scheme in ("http", "https"):
            return found[1]
    except ValueError:
        pass
    raise problem("not-found", f"url is the address of a photo here, such as {base_url()}{PHOTOS}ID.")


def _pixels(name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", text) or not int(text):
        raise problem("malformed-request", f"{name} is a whole number of pixels from 1.")
    return int(text)
