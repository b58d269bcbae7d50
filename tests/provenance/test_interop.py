"""Two readers by others, for node: `make test-interop` installs them and runs this. What they cannot do is told.

@contentauth/c2pa-node is another version of the library that we sign with, so it agrees easily; its newest version asks
for a package that the registry does not have, so this is the one before. @trustnxt/c2pa-ts shares no code with
either; it reads no GIF, TIFF, WebP or DNG, checks no chain of trust, and does not know the time-stamps of C2PA 2
(`sigTst2`): of a photo that carries one it can say nothing at all.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provenance.keys import Identity
from provenance.manifest import sign
from provenance.timestamp import Authority
from tests.provenance import authority
from tests.provenance.orders import FORMATS, RIGHTS, order_for, photo_of, signed_copy
from tests.service import ROOT
from wiring import tsa_post

INTEROP = ROOT / "tests" / "interop"
NODE = Path(sys.executable).with_name("node")  # from the wheel: the machine's own may be older than the readers want
READ_BY_TS = {"image/jpeg", "image/png", "image/heic", "image/heif", "image/avif"}
KINDS = ("once", "twice", "time-stamped", "changed")

pytestmark = pytest.mark.skipif(
    not (INTEROP / "node_modules").is_dir(), reason="the readers are not installed: make test-interop"
)

Verdicts = dict[tuple[str, str], dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def verdicts(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verdicts]:
    """What both say of every format, signed once, again, with a time-stamp, and changed afterwards."""
    folder, responder = tmp_path_factory.mktemp("interop"), authority.Authority()
    files = {(media_type, kind): folder / f"{n}-{kind}" for n, media_type in enumerate(FORMATS) for kind in KINDS}
    stamps = Authority(tsa_post(responder.url), (responder.root.certificate,), timeout_s=10)
    for (media_type, kind), file in files.items():
        file.write_bytes(made(media_type, kind, folder, identity, stamps))
    responder.close()
    asked = json.dumps([{"file": str(file), "type": media_type} for (media_type, _), file in files.items()])
    root = folder / "root.pem"
    root.write_text(identity.root_pem)
    command = [str(NODE), "judge.mjs", str(root)]
    run = subprocess.run(command, cwd=INTEROP, input=asked, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    yield dict(zip(files, json.loads(run.stdout), strict=True))


def made(media_type: str, kind: str, folder: Path, identity: Identity, stamps: Authority) -> bytes:
    content = photo_of(media_type)
    if kind == "time-stamped":
        photo, signed = folder / "photo", folder / "signed"
        photo.write_bytes(content)
        result = sign(photo, signed, order_for(photo, media_type, identity), RIGHTS, identity, stamps)
        assert result.timestamp == "embedded"
        return signed.read_bytes()
    for _ in range(2 if kind == "twice" else 1):
        signed, result = signed_copy(content, media_type, folder, identity)
        content = signed.read_bytes()
    return changed(content, result.store) if kind == "changed" else content


def changed(content: bytes, store: bytes) -> bytes:
    """One bit of the longer part beside the manifest store: the pixels."""
    start = content.index(store[:40])
    end = start + len(store)
    at = start // 2 if start > len(content) - end else (end + len(content)) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize("media_type", FORMATS)
@pytest.mark.parametrize("kind", ["once", "twice", "time-stamped"])
def test_the_node_library_trusts_what_we_sign(verdicts: Verdicts, media_type: str, kind: str) -> None:
    assert verdicts[media_type, kind]["node"] == {"state": "Trusted", "codes": []}


@pytest.mark.parametrize("media_type", sorted(READ_BY_TS))
@pytest.mark.parametrize("kind", ["once", "twice"])
def test_the_other_implementation_finds_it_valid(verdicts: Verdicts, media_type: str, kind: str) -> None:
    assert verdicts[media_type, kind]["ts"] == {"state": "valid", "codes": []}


@pytest.mark.parametrize("media_type", FORMATS)
def test_both_see_a_change(verdicts: Verdicts, media_type: str) -> None:
    found = verdicts[media_type, "changed"]
    mismatch = ["assertion.bmffHash.mismatch"], ["assertion.dataHash.mismatch"]
    assert found["node"]["state"] == "Invalid" and found["node"]["codes"] in mismatch
    if media_type in READ_BY_TS:
        assert found["ts"]["state"] == "invalid" and found["ts"]["codes"] in mismatch


@pytest.mark.parametrize("media_type", sorted(READ_BY_TS))
def test_limit_the_other_implementation_fails_on_time_stamps(verdicts: Verdicts, media_type: str) -> None:
    """Should this fail one day, it has learned to read them: then it belongs to those that agree."""
    failed = {"state": "failed", "codes": ["Failed to deserialize signature content"]}
    assert verdicts[media_type, "time-stamped"]["ts"] == failed


@pytest.mark.parametrize("media_type", sorted(set(FORMATS) - READ_BY_TS))
def test_limit_formats_that_the_other_implementation_does_not_read(verdicts: Verdicts, media_type: str) -> None:
    assert verdicts[media_type, "once"]["ts"]["state"] == "unread"
