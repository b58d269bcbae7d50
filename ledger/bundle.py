"""The proof bundle: a zip of everything that a stranger needs to check one photo with nothing but Python."""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ledger.checkpoint import CheckpointSigner
from ledger.cose import cose_receipt

KIND = "capture/bundle/v1"  # the first line of files.txt; as a checkpoint's second line is a number, and its is not
VERIFIER = Path(__file__).with_name("verify.py")
CURVE = Path(__file__).with_name("p256.py")  # the verifier's other half, where a device signed
README = Path(__file__).with_name("bundle_readme.txt")
CHUNK_BYTES = 65_536


def write_bundle(
    file: IO[bytes],
    receipt: Mapping[str, Any],
    photo: Iterable[bytes],
    suffix: str,
    chain_pem: str,
    signer: CheckpointSigner,
    sidecar: Iterable[bytes] | None = None,
    later: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the zip into an empty file that can be sought; the same state gives the same bytes.

    `photo`: the signed photo in pieces; `suffix`: such as jpg; `chain_pem`: the certificates that signed it, the root
    last; `sidecar`: the manifest store in pieces, when the photo has it not in itself; `later`: the receipts of what
    was stated about the rights since, oldest first. files.txt lists the other files' SHA-256 as `sha256sum` does,
    signed by the log's key.
    """
    files: dict[str, Iterable[bytes]] = {
        "README.txt": [README.read_bytes()],
        "certificates.pem": [chain_pem.encode()],
        "checkpoint.txt": [str(receipt["checkpoint"]).encode()],
        "log.vkey": [f"{signer.vkey}\n".encode()],
        f"photo.{suffix}": photo,
        "receipt.cose": [cose_receipt(receipt, signer)],
        "receipt.json": [_json(receipt)],
        "statement.bin": [bytes.fromhex("".join(receipt["statement"]))],
        "verify.py": [VERIFIER.read_bytes()],
    }
    if "device" in receipt:
        files["p256.py"] = [CURVE.read_bytes()]
    files |= {f"rights-{number}.json": [_json(each)] for number, each in enumerate(later, 1)}
    if sidecar:
        files["credentials.c2pa"] = sidecar
    lines = [KIND, f"capture {receipt['capture']}"]
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            lines.append(f"{_put(archive, name, content)}  {name}")
        _put(archive, "files.txt", [signer.sign_text("\n".join(lines) + "\n").encode()])


def _json(receipt: Mapping[str, Any]) -> bytes:
    return json.dumps(receipt, indent=1, ensure_ascii=False).encode() + b"\n"


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A written bundle from its beginning."""
    file.seek(0)
    while piece := file.read(CHUNK_BYTES):
        yield piece


def _put(archive: zipfile.ZipFile, name: str, content: Iterable[bytes]) -> str:
    """Store one file; its SHA-256. Not compressed: photos do not shrink, and compressors differ in their output."""
    digest = hashlib.sha256()
    entry = zipfile.ZipInfo(name)  # dated 1980: no clock in what must come out the same again
    entry.external_attr, entry.create_system = 0o100644 << 16, 3
    with archive.open(entry, "w") as target:
        for piece in content:
            digest.update(piece)
            target.write(piece)
    return digest.hexdigest()
