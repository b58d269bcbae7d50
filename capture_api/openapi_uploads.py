"""The rows of uploads that survive a lost connection. HEAD and OPTIONS are theirs too, and stand in docs/uploads.md."""

from capture_api.openapi_devices import SIGNED, STATEMENT
from capture_api.openapi_family import PARENT_PROBLEMS
from capture_api.openapi_parts import BYTES, JSON, Call, header, path, ref

_ID = path("upload_id", "The upload's id: the last part of the Location that its creation answered")
_NOTHING = ("text/html", BYTES)
_TUS = header("Tus-Resumable", "1.0.0, when tus is spoken")
_DRAFT = header("Upload-Draft-Interop-Version", "3, 5, 6 or 8, when the IETF's draft is spoken")
_OWN = ("no-key", "not-allowed", "wrong-version")
_BYTES = ("malformed-request", "wrong-offset", "wrong-length", "no-length", "completed-upload", "upload-busy",
          "checksum-mismatch", "too-large", "wrong-media-type", "unavailable", "no-upload")  # fmt: skip
_BECOMES = ("wrong-digest", "empty-upload", "invalid-metadata", "rejected", "conflict", "erased", "signature-refused",
            *PARENT_PROBLEMS)  # fmt: skip
_MADE = {201: (JSON, ref("Capture")), 202: (JSON, ref("Capture")), 200: (JSON, ref("Capture"))}
_PIECE = {
    "application/offset+octet-stream": {"schema": BYTES},
    "application/partial-upload": {"schema": BYTES},
}

UPLOADS = (
    Call("post", "/v1/uploads", "Begin an upload in pieces (tus 1.0, or the IETF's draft), with or without its first "
         "bytes; complete, it is a capture like any other. 201 with Location.", {201: _NOTHING} | _MADE,
         (*_OWN, *_BYTES, *_BECOMES, "too-many-uploads"),
         (_TUS, _DRAFT, header("Upload-Length", "tus: how many bytes will come"),
          header("Upload-Metadata", "tus: filename, filetype, sha256, metadata, idempotency-key, statement; "
                 "values in base64"),
          header("Upload-Concat", "tus: partial, or final; and the addresses of partial uploads"),
          header("Upload-Complete", "IETF: ?1 when the body's end is the upload's end"),
          header("Content-Digest", "RFC 9530, sha-256 of the whole photo, where the signature covers it"),
          header("Repr-Digest", "RFC 9530, sha-256 of the whole photo"), *SIGNED, STATEMENT), _PIECE),
    Call("patch", "/v1/uploads/{upload_id}", "Add bytes at Upload-Offset; HEAD tells where. The last ones make it a "
         "capture: Content-Location.", {204: _NOTHING} | _MADE, (*_OWN, *_BYTES, *_BECOMES),
         (_ID, _TUS, _DRAFT, header("Upload-Offset", "where these bytes begin"),
          header("Upload-Checksum", "tus: sha256 or sha1, and the piece's digest in base64")), _PIECE),
    Call("delete", "/v1/uploads/{upload_id}", "Forget the upload and its bytes.", {204: _NOTHING},
         (*_OWN, "no-upload"), (_ID, _TUS, _DRAFT)),
)  # fmt: skip
