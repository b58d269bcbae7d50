"""The public file of a photo that tells where it was taken: the same photo without the place, signed in turn.

Its parent is the whole signed photo, whose manifest store stands in its own, byte for byte, and whose digest it names.
Where credentials that came with the upload tell the place themselves, the statement that does is redacted, as C2PA
has it (C2PA 2.4, section 6.8): what is left of them still validates (docs/why-014).
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.errors import Unavailable
from pipeline.ports import Public, Signed, SigningOrder
from provenance.assertions import RENDITION, Assertions, definition
from provenance.container import FORMATS
from provenance.exif import read_shot
from provenance.inspect import inspect
from provenance.keys import Identity
from provenance.location import Irremovable, tells_location, without_location
from provenance.manifest import NotKept, Task, embed
from provenance.reader import read_report
from provenance.timestamp import Authority

# schema.org's names, as older credentials have them. Only stores are searched for these: people write such words too.
_SCHEMA_PLACE = re.compile(rb"latitude|longitude|contentLocation|locationCreated|spatialCoverage")


def sign_public(
    signed: Path,
    public: Path,
    order: SigningOrder,
    full: Signed,
    rights_assertions: Assertions,
    identity: Identity,
    authority: Authority | None = None,
    log: Mapping[str, Any] | None = None,
) -> Public:
    """Write what others may have of a signed photo to `public`, when that is another file than `signed`.

    `full`: what signing returned. Says of the place: `absent`, `kept` (its owner wants so), `removed`, or `withheld`
    when it cannot be taken out. Only when it is removed there is a public file; it is read back like every output.
    Raises as `manifest.sign` does.
    """
    content = _read(signed)
    try:
        cleaned = without_location(content)
    except Irremovable:
        cleaned = b""
    tells = tells_location(content) or _tells(full.store) or read_shot(signed).latitude
    if cleaned == content and not tells:
        return Public("absent")
    if order.keep_location:
        return Public("kept")
    if not cleaned or not full.embedded:
        return Public("withheld")
    try:
        public.write_bytes(cleaned)
        made = _sign(signed, public, order, full, rights_assertions, identity, authority, log)
    except NotKept:
        return Public("withheld")
    except OSError as error:
        raise Unavailable(f"the disk: the public photo cannot be written ({error.strerror})") from None
    still_there = tells_location(_read(public)) or _tells(made.store) or read_shot(public).latitude
    return Public("withheld") if still_there else Public("removed", made)


def _sign(
    signed: Path,
    public: Path,
    order: SigningOrder,
    full: Signed,
    rights_assertions: Assertions,
    identity: Identity,
    authority: Authority | None,
    log: Mapping[str, Any] | None,
) -> Signed:
    media_type = order.asset.media_type
    # What came with this file is the whole signed photo's manifest: judged and kept as every other upload's.
    # What that was made from stands in that manifest, and is not named again.
    order = replace(order, credentials=inspect(signed, media_type, identity.root_pem), parents=(), source_type=None)
    said = definition(order, rights_assertions, read_shot(public), log)
    redactions = [*_redactions(signed, full, FORMATS[media_type], identity)]
    said["redactions"] = redactions
    said["assertions"] += [
        {"label": RENDITION, "created": True, "data": _rendition(full)},
        {"label": "c2pa.actions.v2", "created": True, "data": {"actions": [*_actions(redactions)]}},
    ]
    return embed(public, public, Task(order, said, identity, authority, parent=signed))


def _rendition(full: Signed) -> dict[str, Any]:
    return {"version": 1, "of": {"alg": "sha256", "hash": full.sha256.hex()}, "without": ["location"]}


def _actions(redactions: list[str]) -> Iterator[dict[str, Any]]:
    yield {"action": "c2pa.edited.metadata", "description": "The place was taken out of the file's metadata."}
    for address in redactions:
        yield {"action": "c2pa.redacted", "reason": "c2pa.PII.present", "parameters": {"redacted": address}}


def _redactions(signed: Path, full: Signed, library_format: str, identity: Identity) -> Iterator[str]:
    """The addresses of the statements in the credentials that came, which tell the place."""
    if not _states(full.store):
        return
    with signed.open("rb") as opened:
        report = read_report(opened, library_format, identity.root_pem)
    for label, manifest in report.manifests.items():
        for assertion in manifest.get("assertions") or ():
            if _states(json.dumps(assertion.get("data")).encode()):
                yield f"self#jumbf=/c2pa/{label}/c2pa.assertions/{assertion['label']}"


def _tells(store: bytes) -> bool:
    """Whether a manifest store tells the place: in a statement, or in the metadata of a thumbnail."""
    try:
        return _states(store) or without_location(store) != store
    except Irremovable:
        return True


def _states(statements: bytes) -> bool:
    return tells_location(statements) or bool(_SCHEMA_PLACE.search(statements))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Unavailable(f"the stored upload cannot be read ({error.strerror})") from None
