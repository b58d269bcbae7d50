"""/v1/verify: is this photo, or does it contain, something registered? Registers nothing and keeps nothing."""

from flask import Blueprint, Response

from capture_api.auth import needs
from capture_api.body import open_incoming, take_upload
from capture_api.problems import problem
from capture_api.render import fact_json, json_answer
from capture_api.services import services
from pipeline.record import Verdict, decode

verify = Blueprint("verify", __name__)

ANSWER_S = 30  # a query waits for a photo worker; beyond this it is the queue that is too long


@verify.post("/v1/verify")
@needs("capture", "review")
def ask() -> Response:
    """Compare a photo with all that are registered, in a photo worker: the API never decodes a picture."""
    here = services()
    with open_incoming(here.blobs) as incoming:
        upload = take_upload(incoming)
        answer = here.bell.ask(incoming.lend(), upload.incoming.sha256.hex(), upload.media_type, ANSWER_S)
    if "rejected" in answer:
        raise problem("rejected", f"{answer['rejected']}. Nothing was kept.")
    verdict = fact_json(decode(Verdict, answer["verdict"]))
    return json_answer(answer | {"verdict": verdict.pop("kind"), **verdict})
