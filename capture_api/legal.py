"""/terms/{name}: the texts of our own licences, which works are offered under. Open to all; a text never changes."""

from base64 import b64encode
from hashlib import sha256

from flask import Blueprint, Response

from capture_api.captures import is_known
from capture_api.problems import problem
from rights.legal import TITLES, legal_text

legal = Blueprint("legal", __name__)


@legal.get("/terms/<name>")
def text(name: str) -> Response:
    """What lawyers read. Its SHA-256, in `Repr-Digest` (RFC 9530) and `ETag`, is `legal_text` of terms on the chain."""
    try:
        content = legal_text(name)
    except LookupError:
        raise problem("not-found", f"The texts here are {', '.join(TITLES)}. Other licences are at addresses of their "
                      "own, which the photo's page names.") from None  # fmt: skip
    digest = sha256(content).digest()
    answer = Response(status=304) if is_known(digest) else Response(content, mimetype="text/plain")
    answer.headers |= {
        "ETag": f'"{digest.hex()}"',
        "Repr-Digest": f"sha-256=:{b64encode(digest).decode()}:",
        "Cache-Control": "public, max-age=31536000, immutable",
    }
    return answer
