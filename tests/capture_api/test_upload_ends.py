"""Where uploads in pieces end: what was refused is not kept, and no part of a photo passes for the whole."""

import base64
import os

from tests.capture_api.test_uploads import PIECE, begun, large, original, tus
from tests.service import Running

WRONG = "sha256 " + base64.b64encode(bytes(32)).decode()


def test_of_a_large_piece_with_a_wrong_checksum_nothing_is_kept(service: Running) -> None:
    photo = large(8601, 3_500_000)  # of so many bytes, some are committed before the last ones come
    location = begun(service, len(photo))
    assert tus(service, "PATCH", location, photo[:9000], Upload_Offset="0", Content_Type=PIECE).status == 204
    piece = {"Upload_Offset": "9000", "Content_Type": PIECE}
    assert tus(service, "PATCH", location, os.urandom(3_000_000), Upload_Checksum=WRONG, **piece).status == 460
    assert tus(service, "HEAD", location).headers["Upload-Offset"] == "9000"
    done = tus(service, "PATCH", location, photo[9000:], **piece)
    assert original(service, done.headers["Content-Location"]) == photo
