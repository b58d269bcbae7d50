"""The C2PA Soft Binding Resolution API 2.2: from a photo without credentials back to those that were signed for it.

Whatever is found is labelled: a fingerprint says that two pictures look alike, and nothing about the file's bytes.
"""

import json
import re
from collections.abc import Mapping

from flask import Blueprint, Response, request

from capture_api.body import open_incoming, take_asset
from capture_api.captures import blob_answer
from capture_api.problems import problem
from capture_api.render import json_answer
from capture_api.services import services
from capture_api.strangers import compare, limited
from pipeline.errors import Rejected, Unavailable
from pipeline.record import Manifest, Match, SoftBinding, Verdict, decode

bindings = Blueprint("bindings", __name__)

ALGORITHMS = ("io.iscc.v0",)  # of C2PA's list of soft binding algorithms, those that the index answers for
RECOVERED = "recovered by soft binding, pixels not hash-bound"
MOST_RESULTS = 100  # however many are asked for
DEFAULT_RESULTS = 10
MAX_QUERY_BYTES = 2_000
MAX_QUERY_BODY_BYTES = 16 * 1024
# What two photos have in common that only look alike accuses nobody, and recovers nothing.
RECOVERING = ("exact_copy", "near_copy", "contains", "contained_in")

_MANIFEST_ID = re.compile(
    r"(urn:c2pa:|([\w.-]+:)?urn:uuid:)[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}(:.{1,200})?"
)


@bindings.after_request
def _from_anywhere(answer: Response) -> Response:
    """Pages of other sites may ask: there are no cookies here, and nothing that is not public."""
    answer.headers["Access-Control-Allow-Origin"] = "*"
    answer.headers["Access-Control-Expose-Headers"] = "Capture-Note, RateLimit, RateLimit-Policy, Retry-After"
    if request.method == "OPTIONS":
        answer.headers["Access-Control-Allow-Headers"] = "Content-Type"
        answer.headers["Access-Control-Max-Age"] = "86400"
    return answer


@bindings.get("/matches/byBinding")
@limited("lookups")
def by_binding() -> Response:
    """Manifests of photos with this soft binding, or one near it."""
    if len(request.query_string) > MAX_QUERY_BYTES:
        raise problem("query-too-long", f"A query may have {MAX_QUERY_BYTES} bytes. Send it with POST, as JSON.")
    return _result(_near(request.args.get("alg"), request.args.get("value")), _most())


@bindings.post("/matches/byBinding")
@limited("lookups")
def by_large_binding() -> Response:
    """The same, asked as JSON."""
    asked = _query()
    return _result(_near(asked.get("alg"), asked.get("value")), _most())


@bindings.post("/matches/byContent")
@limited("photos")
def by_content() -> Response:
    """Manifests of the photos that this one is, is made of, or is part of."""
    most, alg, hinted = _most(), _known(request.args.get("alg")), _hinted()
    with open_incoming(services().blobs) as incoming:
        answer = compare(incoming, take_asset(incoming))
    if "rejected" in answer:
        raise problem("wrong-media-type", f"{answer['rejected']}. Nothing was kept.")
    found = _by_code(answer["soft_bindings"], alg) if alg else _by_pixels(decode(Verdict, answer["verdict"]).matches)
    return _result(found | {each: score for each, score in hinted.items() if each not in found}, most)


@bindings.get("/manifests/<manifest_id>")
@limited("lookups")
def manifest(manifest_id: str) -> Response:
    """The signed manifest store as it was made, or its active manifest alone."""
    if not _MANIFEST_ID.fullmatch(manifest_id):
        raise _invalid("A manifest's id is its label, such as urn:c2pa:F9168C5E-CEB2-4FAA-B6BF-329BF39FA1E4.")
    only_active = _boolean("returnActiveManifest")
    made = _published(manifest_id)
    answer = _active(made) if only_active else blob_answer(_store(made), "application/c2pa", public=True)
    answer.headers["Capture-Note"] = RECOVERED
    return answer


@bindings.get("/services/supportedAlgorithms")
@limited("lookups")
def supported_algorithms() -> Response:
    """The soft binding algorithms that may be asked for."""
    return json_answer({"watermarks": [], "fingerprints": [{"alg": alg} for alg in ALGORITHMS]})


def _result(scores: Mapping[str, int], most: int) -> Response:
    """Captures with their scores, best first, as the manifests that were signed for them."""
    labels = services().published.labels(scores)  # an erasure may have come between
    shown = [capture_id for capture_id in scores if capture_id in labels][:most]
    matches = [{"manifestId": labels[each], "similarityScore": scores[each]} for each in shown]
    return json_answer({"matches": matches} | ({"note": RECOVERED} if matches else {}))


def _by_pixels(matches: tuple[Match, ...]) -> dict[str, int]:
    return {match.id: match.score_ppm // 10_000 for match in matches if match.kind in RECOVERING}


def _by_code(soft_bindings: list[dict[str, str]], alg: str) -> dict[str, int]:
    made = decode(tuple[SoftBinding, ...], soft_bindings)
    return _near(alg, next(binding.value for binding in made if binding.alg == alg))


def _near(alg: str | None, value: str | None) -> dict[str, int]:
    """Published captures whose code is this one or near it, and the scores, nearest first, then oldest."""
    from fingerprint.iscc import RADIUS, image_code, score  # the index loads numpy, in a process that is asked

    if alg is None or value is None:
        raise _invalid("alg and value are both needed.")
    _known(alg)
    try:
        code = image_code(value)
    except Rejected as rejected:
        raise _invalid(f"{rejected}. Send what stands in a c2pa.soft-binding assertion, in base64.") from None
    return {each.capture_id: score(each.distance) for each in services().published_index.iscc(code, RADIUS, None)}


def _known(alg: str | None) -> str | None:
    if alg is not None and alg not in ALGORITHMS:
        raise _invalid(f"{alg[:60]!r} is not answered for here. There are: {', '.join(ALGORITHMS)}.")
    return alg


def _hinted() -> dict[str, int]:
    alg, value = request.args.get("hintAlg"), request.args.get("hintValue")
    return {} if alg is None and value is None else _near(alg, value)


def _query() -> dict[str, str]:
    """The JSON of a POST, of which only the two texts are looked at."""
    body = request.stream.read(MAX_QUERY_BODY_BYTES + 1)
    if len(body) > MAX_QUERY_BODY_BYTES:
        raise problem("too-large", f"A query may have {MAX_QUERY_BODY_BYTES} bytes.")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or not all(isinstance(asked.get(name), str) for name in ("alg", "value")):
        raise _invalid('Send JSON such as {"alg": "io.iscc.v0", "value": "…"}, with both as texts.')
    return asked


def _most() -> int:
    text = request.args.get("maxResults", str(DEFAULT_RESULTS))
    if not re.fullmatch(r"[0-9]{1,100}", text) or not text.strip("0"):
        raise _invalid(f"maxResults is a whole number from 1; at most {MOST_RESULTS} are listed.")
    return min(int(text), MOST_RESULTS)


def _boolean(name: str) -> bool:
    text = request.args.get(name, "false")
    if text not in ("true", "false"):
        raise _invalid(f"{name} is true or false.")
    return text == "true"


def _published(label: str) -> Manifest:
    try:
        made: Manifest = services().captures.get(services().published.capture_id(label)).fact("manifest")
    except LookupError:  # also when it was erased a moment ago
        raise problem("not-found", "No published photo here has a manifest of this id.") from None
    return made


def _store(made: Manifest) -> bytes:
    """That of the file which strangers may have: it does not tell where the photo was taken."""
    assert made.open_store  # without one it has no label here
    return made.open_store


def _active(made: Manifest) -> Response:
    from provenance.active import active_manifest

    try:
        store = b"".join(services().blobs.read(_store(made)))
    except LookupError as missing:  # erased a moment ago: asked again, that is what the answer says
        raise Unavailable(f"the bytes of {request.path}") from missing
    return Response(active_manifest(store, str(made.open_label)), mimetype="application/c2pa")


def _invalid(detail: str) -> Exception:
    return problem("malformed-request", detail)
