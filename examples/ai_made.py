"""Register a picture that a model made, with the works it was made from, as a generator's backend would.

    python3 examples/ai_made.py made.png --parent CAPTURE_ID --parent CAPTURE_ID --key-file data/api-key

Standard library only. The signed picture says that a model made it, shows each work with its own credentials, and its
entry in the log commits to them. Exit codes: 0 registered, 1 refused or unreachable, 3 it shows works of others that
were not named.
"""

import argparse
import hashlib
import json
import mimetypes
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SOURCE_TYPES = ("trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia", "composite", "digitalCreation")
WAIT_S = 30  # the answer comes when the picture is anchored, at the latest after this
TRIES = 5  # while a parent that was registered a moment ago is not in the log yet


def main() -> int:
    """Register the picture and say what became of it."""
    wanted = _arguments()
    try:
        capture = register(wanted)
    except urllib.error.HTTPError as refused:
        print(json.load(refused).get("detail", refused.reason), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{wanted.service} does not answer: {error}", file=sys.stderr)
        return 1
    return tell(capture, wanted.service)


def register(wanted: argparse.Namespace) -> dict[str, Any]:
    """Send the picture and what it was made from; the capture. Sent again, it is the same capture.

    Raises HTTPError with a problem (RFC 9457) as its body.
    """
    picture = Path(wanted.picture).read_bytes()
    said: dict[str, Any] = {"digital_source_type": wanted.type, "rights": {"ai_training": wanted.ai_training}}
    if wanted.creator:
        said["rights"]["creator"] = wanted.creator
    if wanted.parent:
        said["parents"] = [_parent(text) for text in wanted.parent]
    headers = {
        "Authorization": f"Bearer {Path(wanted.key_file).read_text().strip()}",
        "Content-Type": mimetypes.guess_type(wanted.picture)[0] or "image/jpeg",
        "Capture-Metadata": json.dumps(said),
        # One key for the picture and all that is said of it: a lost answer is asked for again, not made twice.
        "Idempotency-Key": hashlib.sha256(picture + json.dumps(said).encode()).hexdigest(),
        "Prefer": f"wait={WAIT_S}",
    }
    for left in reversed(range(TRIES)):
        request = urllib.request.Request(f"{wanted.service}/v1/captures", picture, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=WAIT_S + 30) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            if error.code not in (409, 429, 503) or "Retry-After" not in error.headers or not left:
                raise
            error.close()
            time.sleep(min(int(error.headers["Retry-After"]), 60))
    raise AssertionError("the last try returns or raises")


def tell(capture: dict[str, Any], service: str) -> int:
    """Print what a generator's backend keeps; 3 when works were found in it that were not named."""
    print(json.dumps({
        "id": capture["id"],
        "status": capture["status"],
        "page": service + capture["links"]["public"] if "public" in capture["links"] else None,
        "parents": [parent["id"] for parent in capture["parents"]],
        "not_named": [{"id": one["id"], "kind": one["kind"], "terms": one["terms"]}
                      for one in capture["undeclared_parents"]],
    }, indent=1))  # fmt: skip
    return 3 if capture["undeclared_parents"] else 0


def _parent(text: str) -> dict[str, str]:
    capture_id, _, licence = text.partition(":")
    return {"id": capture_id, "licence": licence} if licence else {"id": capture_id}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("picture", help="the file that the model made")
    of = "a registered work that it was made from, and the licence held for it; up to 16"
    parser.add_argument("--parent", action="append", metavar="ID[:LICENCE]", help=of)
    parser.add_argument("--type", choices=SOURCE_TYPES, default=SOURCE_TYPES[0], help="how it was made")
    parser.add_argument("--creator", help="whose name it carries")
    parser.add_argument("--ai-training", choices=("allowed", "not_allowed", "ask"), default="not_allowed")
    parser.add_argument("--service", default="http://127.0.0.1:8000", help="where Capture runs")
    parser.add_argument("--key-file", default="data/api-key", help="a file with an API key")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
