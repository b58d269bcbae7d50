"""Verify a Capture receipt against a photo. One file, Python's standard library, no network unless you ask for it.

    python3 verify.py receipt.json photo.jpg [--key VKEY_OR_FILE] [--rpc URL] [--contract 0x...]

The steps, and what each one shows when it passes:

    receipt     it has the form of version 1, and says the same wherever it says something twice
    photo       the file is the registered upload, or the signed photo that was made from it
    terms       the copyright information in the receipt is the one that was registered
    leaf        the log's entry is the digest of the statement, which holds the digests of all of the above
    inclusion   the entry is in the log: the proof leads from it to the root in the checkpoint
    checkpoint  it is well formed, and of the same size as the proof
    signature   the log signed the checkpoint (--key: the log's public key, or a file that holds it)
    chain       a contract that accepts no change of the past holds the root since this block (--rpc: a node's address)

A step is passed, failed or not checked. The signature needs the package `cryptography`; without it that step is not
checked. No digest covers the capture's id, the media type and the manifest's size, label and signer.

Exit codes: 0 every step that was checked passed, among them photo and signature (or chain, with the --contract that
you expected), 1 a step failed, 2 the inputs could not be read, 3 nothing failed, but something that matters was not
checked: whether this is the registered photo, or whether a log or chain that you trust holds it. Anyone can make a
receipt that only such a log or chain can refute.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import http.client
import json
import re
import sys
import time
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

TAG = b"capture/leaf/v1".ljust(32, b"\0")
EVENT = "0x554ed90857d7f4e38755f35853b5ad1504eebc30c1570ef25bb065a565531e2f"  # keccak256 of Appended(uint64,bytes32)
SIZE_CALL = "0x949d225d"  # the first four bytes of keccak256 of size()
CONTAINERS = rb"(?s:RIFF....WEBP|\0\0..ftyp|II\*\0|MM\0\*|GIF8[79]a)"  # WebP, HEIF, TIFF, GIF: not for `split`
RUNTIME_SHA256 = "a9b2dad4a66ed643016b592a203feed44589ffca3d9f2e866c2ab50838ef5160"  # of contracts/Log.sol, compiled

FIRST_PART = b"JP\x02\x11\0\0\0\1"  # what every C2PA writer gives its one box as number, and part 1

# The form of a receipt, and of a chain's answers: a text stands for the pattern of a text.
DIGEST, QUANTITY, ADDRESS = "[0-9a-f]{64}", "0x[0-9a-fA-F]{1,64}", "0x[0-9a-fA-F]{40}"
RECEIPT = {"version": int, "capture": "[A-Za-z0-9_-]{1,64}", "statement": [DIGEST], "leaf": DIGEST,
           "inclusion": {"index": int, "tree_size": int, "proof": [DIGEST]}, "checkpoint": "(?s:.{1,262144})",
           "asset": {"sha256": DIGEST, "size": int}, "manifest": {"sha256": DIGEST}}  # fmt: skip
ANCHOR = {"chain_id": int, "contract": ADDRESS, "transaction": "0x[0-9a-fA-F]{64}", "block": int, "block_time": int,
          "tree_size": int, "local": bool}  # fmt: skip
SENT = {"status": QUANTITY, "blockNumber": QUANTITY,
        "logs": [{"address": ADDRESS, "topics": ["0x[0-9a-f]{64}"], "data": "0x[0-9a-f]*"}]}  # fmt: skip


class Step(NamedTuple):
    """One step: its name, its result (passed, failed, not checked), and why, as a sentence."""

    name: str
    result: str
    sentence: str


class Failed(Exception):
    """The step does not hold, for this reason."""


class NotChecked(Exception):
    """The step can be neither passed nor failed, for this reason."""


def verify(
    receipt: Any, photo: bytes, *, key: str | None = None, rpc: str | None = None, contract: str | None = None
) -> list[Step]:
    """All steps in their order. `receipt` is JSON text or the values in it. Whatever it holds, nothing is raised."""
    receipt = read(receipt)
    checks: dict[str, Callable[[], str]] = {
        "receipt": lambda: check_receipt(receipt),
        "photo": lambda: check_photo(receipt, photo),
        "terms": lambda: check_terms(receipt),
        "leaf": lambda: check_leaf(receipt),
        "inclusion": lambda: check_inclusion(receipt),
        "checkpoint": lambda: check_checkpoint(receipt),
        "signature": lambda: check_signature(receipt, key),
        "chain": lambda: check_chain(receipt, rpc, contract),
    }
    steps: list[Step] = []
    for name, check in checks.items():
        try:
            if steps and steps[0].result == "failed":
                raise NotChecked("the receipt is not well formed")
            steps.append(Step(name, "passed", check()))
        except Failed as reason:
            steps.append(Step(name, "failed", str(reason)))
        except NotChecked as reason:
            steps.append(Step(name, "not checked", str(reason)))
    return steps


def read(receipt: Any) -> Any:
    """The values in JSON text; None, which has not the form of a receipt, for what is no JSON."""
    try:
        text = receipt.decode() if isinstance(receipt, bytes) else receipt
        if not isinstance(text, str):
            return text
        return parse(text)
    except (ValueError, RecursionError):
        return None


def parse(text: str) -> Any:
    """The values in JSON text. Raises ValueError."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"?', "", text)  # of strings, which may hold any brackets
    if outside.count("[") + outside.count("{") > 500:
        # Far more than a receipt or a node's answer has: interpreters die of text that is nested too deeply.
        raise ValueError("it has more than 500 brackets")
    return json.loads(text)


def need(holds: bool, reason: str) -> None:
    if not holds:
        raise Failed(reason)


def check_form(value: Any, form: Any, name: str) -> None:
    """Fail unless a value has this form; after this, the steps rely on its types, lengths and ranges."""
    if isinstance(form, dict):
        need(isinstance(value, dict), f"{name} is no object")
        for key, inner in form.items():
            check_form(value.get(key), inner, f"{name}.{key}")
    elif isinstance(form, list):
        need(isinstance(value, list) and len(value) <= 64, f"{name} is no list of at most 64 values")
        for item in value:
            check_form(item, form[0], name)
    elif form is int:
        need(type(value) is int and 0 <= value < 2**63, f"{name} is no whole number below 2^63")
    elif form is bool:
        need(isinstance(value, bool), f"{name} is neither true nor false")
    else:
        need(isinstance(value, str) and bool(re.fullmatch(form, value)), f"{name} has not the form {form}")


def check_receipt(receipt: Any) -> str:
    check_form(receipt, RECEIPT, "the receipt")
    need(receipt["version"] == 1, "its version is not 1: get a newer verifier")
    need(len(receipt["statement"]) == 10, "its statement has not ten words")
    need(receipt["asset"]["sha256"] == receipt["statement"][2], "its asset is not the one in the statement")
    need(receipt["manifest"]["sha256"] == receipt["statement"][3], "its manifest is not the one in the statement")
    if receipt.get("anchor") is not None:
        check_form(receipt["anchor"], ANCHOR, "the anchor")
        same = receipt["anchor"]["tree_size"] == receipt["inclusion"]["tree_size"]
        need(same, "its anchor and its proof are of different tree sizes: ask for the receipt again")
    return f"it is well formed, of the capture {receipt['capture']}"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def check_photo(receipt: Any, photo: bytes) -> str:
    """The upload byte for byte, or the signed photo: without its Content Credentials it is the upload."""
    upload, manifest = receipt["statement"][2:4]
    if sha256(photo) == upload:
        need(len(photo) == receipt["asset"]["size"], f"the file has {len(photo)} bytes, the receipt says otherwise")
        return "the file's SHA-256 is the one in the statement"
    if re.match(CONTAINERS, photo):
        raise NotChecked("the file is not the upload itself; whether it is the signed photo that was made from it, "
                         "a C2PA validator must check")  # fmt: skip
    rest, store = split(photo)
    need(bool(store), "the file's SHA-256 is not in the statement, and it is no JPEG or PNG with Content Credentials")
    if sha256(store) == manifest and sha256(rest) == upload:
        return "it is the registered upload, and the Content Credentials added to it are the registered ones"
    if sha256(store) == manifest:
        raise NotChecked("the Content Credentials in it are the registered ones; that they belong to its pixels, "
                         "a C2PA validator must check")  # fmt: skip
    need(sha256(rest) != upload, "it is the registered upload, but its Content Credentials are not the registered ones")
    raise Failed("neither the file nor the Content Credentials in it are the registered ones")


def split(photo: bytes) -> tuple[bytes, bytes]:
    """A JPEG or PNG without its C2PA parts, and the manifest store that they hold; other files have none.

    In a PNG it is the caBX chunk. In a JPEG it is a series of APP11 segments: marker, length, "JP", a number for the
    box, one for the part, from 1, and then, in every part again, the box's 8-byte header (ISO/IEC 19566-5 annex D.2).
    """
    png = photo.startswith(b"\x89PNG")
    at = 8 if png else 2
    rest, head = [photo[:at]], b""
    store: list[bytes] = []
    while at + 12 <= len(photo) and (png or (photo[at] == 0xFF and photo[at + 1] != 0xDA)):  # FFDA: pixels follow
        end = at + (12 + number(photo[at : at + 4]) if png else 2 + number(photo[at + 2 : at + 4]))
        part = photo[at:end]
        wrap = part[:2] + part[4:8] + part[12:20]
        if png and part[4:8] == b"caBX" and not store and zlib.crc32(part[4:-4]) == number(part[-4:]):
            store.append(part[8:-4])
        elif part[:2] == b"\xff\xeb" and part[4:12] == FIRST_PART and part[24:32] == b"jumdc2pa" and not store:
            store, head = [part[12:]], wrap
        elif wrap == head and number(part[8:12]) == len(store) + 1:
            store.append(part[20:])
        else:
            rest.append(part)
        at = end
    return b"".join([*rest, photo[at:]]), b"".join(store)


def number(big_endian: bytes) -> int:
    return int.from_bytes(big_endian, "big")


def check_terms(receipt: Any) -> str:
    """The digest of the canonical JSON (RFC 8785) of `rights`."""
    if receipt.get("rights") is None:
        raise NotChecked("the receipt does not show the registered copyright information")
    try:
        text = json.dumps(receipt["rights"], sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        raise Failed("the copyright information has no canonical form") from None
    need(sha256(text) == receipt["statement"][6], "the copyright information is not the one in the statement")
    return "the copyright information is the one in the statement"


def check_leaf(receipt: Any) -> str:
    """The words' fixed parts, and SHA-256(0x00, words)."""
    words = [bytes.fromhex(word) for word in receipt["statement"]]
    need(words[0] == TAG, "the statement is not of the kind capture/leaf/v1")
    need(not any(words[5][:12] + words[8][:24] + words[9]), "the statement's padding is not zero")
    need(sha256(b"\0" + b"".join(words)) == receipt["leaf"], "the entry is not the digest of the statement")
    return f"the entry is the digest of the statement, which dates the upload {utc(number(words[8]))}"


def utc(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(min(seconds, 253402300799)))  # to the year 9999


def check_inclusion(receipt: Any) -> str:
    """RFC 9162 section 2.1.3.2."""
    place, digest = receipt["inclusion"], bytes.fromhex(receipt["leaf"])
    at, last = place["index"], place["tree_size"] - 1
    need(at <= last, "a log of this size has no such entry")
    for sibling in map(bytes.fromhex, place["proof"]):
        need(last > 0, "the proof is too long")
        is_right = at % 2 == 1 or at == last
        digest = hashlib.sha256(b"\1" + (sibling + digest if is_right else digest + sibling)).digest()
        while is_right and at and at % 2 == 0:  # a level on which this node has no sibling
            at, last = at // 2, last // 2
        at, last = at // 2, last // 2
    need(last == 0, "the proof is too short")
    need(digest == read_note(receipt["checkpoint"])[2], "the proof does not lead to the root in the checkpoint")
    return f"the proof leads from entry {place['index']} to the root in the checkpoint"


def check_checkpoint(receipt: Any) -> str:
    origin, size, _, _ = read_note(receipt["checkpoint"])
    need(size == receipt["inclusion"]["tree_size"], f"it is of {size} entries, the proof is not")
    return f"it is well formed, and of {size} entries as the proof is, by the log {origin!a}"


def read_note(note: str) -> tuple[str, int, bytes, list[tuple[str, bytes]]]:
    """Origin, size, root, and who signed: key name, and key id with signature (C2SP tlog-checkpoint, signed-note)."""
    need(not re.search("[\x00-\x09\x0b-\x1f\ud800-\udfff]", note), "the checkpoint has characters that no note has")
    text, _, signatures = note.rpartition("\n\n")
    lines = text.split("\n")
    need(len(lines) >= 3 and "" not in lines, "the checkpoint is no origin, size and root with signatures below")
    origin, size, root = lines[0], lines[1], from_base64(lines[2])
    need(bool(re.fullmatch("0|[1-9][0-9]{0,18}", size)) and int(size) < 2**63, "the checkpoint's size is malformed")
    need(len(root) == 32, "the checkpoint's root has not 32 bytes")
    need(bool(re.fullmatch("(\u2014 [^\\s+]+ \\S+\n)+", signatures)), "the checkpoint's signatures are malformed")
    signed = [line.split(" ") for line in signatures[:-1].split("\n")]
    values = [(name, from_base64(value)) for _, name, value in signed]
    need(all(len(value) > 4 for _, value in values), "a signature is too short")
    return origin, int(size), root, values


def check_signature(receipt: Any, key: str | None) -> str:
    """Ed25519 over the note's text, by the key name+id+base64(0x01, public key) that the reader was given."""
    if not key:
        raise NotChecked("give the log's public key with --key")
    fields = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+(\S+)", key.strip())
    name, identity, encoded = fields.groups() if fields else ("", "", "")
    raw = from_base64(encoded)
    need(len(raw) == 33 and raw[0] == 1, "the given key is no Ed25519 key of a log")
    need(sha256(name.encode(errors="replace") + b"\n" + raw)[:8] == identity, "the given key is damaged")
    origin, _, _, signed = read_note(receipt["checkpoint"])
    need(origin == name, "the checkpoint is of another log than the key")
    own = [value[4:] for signer, value in signed if signer == name and value[:4].hex() == identity]
    need(bool(own), "the given key did not sign the checkpoint")
    text = receipt["checkpoint"].rpartition("\n\n")[0].encode() + b"\n"
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise NotChecked("the Python package cryptography is not installed") from None
    try:
        for signature in own:
            Ed25519PublicKey.from_public_bytes(raw[1:]).verify(signature, text)
    except InvalidSignature:
        raise Failed("the signature does not belong to this checkpoint") from None
    return "the given key signed the checkpoint"


def from_base64(text: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except ValueError:
        value = b""
    need(base64.b64encode(value).decode() == text, "a value is not in proper base64")  # one spelling only
    return value


def check_chain(receipt: Any, rpc: str | None, contract: str | None) -> str:
    """The transaction wrote this size and root into the contract, whose code accepts only a log that grows."""
    anchor, size = receipt.get("anchor"), receipt["inclusion"]["tree_size"]
    if anchor is None:
        raise NotChecked("the receipt has no anchor yet: ask for it again later")
    local = anchor["local"] or anchor["chain_id"] in (1337, 31337)  # what development chains call themselves
    remark = "; local chain: not independent proof" if local else ""
    if not rpc:
        raise NotChecked(f"give a node's address with --rpc to ask the chain{remark}")
    address, block = anchor["contract"].lower(), hex(anchor["block"])
    need(contract is None or contract.lower() == address, "the receipt names another contract than the given one")
    need(ask(rpc, QUANTITY, "eth_chainId") == hex(anchor["chain_id"]), "the node serves another chain")
    sent = ask(rpc, SENT, "eth_getTransactionReceipt", anchor["transaction"])
    need(sent["status"] == "0x1", "the transaction did not succeed")
    need(sent["blockNumber"] == block, "the transaction is in another block than the receipt says")
    root = read_note(receipt["checkpoint"])[2]
    written = (address, [EVENT, f"0x{size:064x}"], "0x" + root.hex())
    events = [(log["address"].lower(), log["topics"], log["data"]) for log in sent["logs"]]
    need(written in events, "the transaction did not write this size and root into the contract")
    header = ask(rpc, {"timestamp": QUANTITY}, "eth_getBlockByNumber", block, False)
    need(header["timestamp"] == hex(anchor["block_time"]), "the block's time is not the one in the receipt")
    code = sha256(bytes.fromhex(ask(rpc, "0x([0-9a-f]{2})*", "eth_getCode", address, "latest")[2:]))
    need(code == RUNTIME_SHA256, f"the contract's code is not the known one: its SHA-256 is {code}")
    held = int(ask(rpc, QUANTITY, "eth_call", {"to": address, "data": SIZE_CALL}, "latest"), 16)
    need(held >= size, f"the contract's log has only {held} entries")
    unknown = "" if contract else "; compare its address with the one that the log's operator publishes"
    return f"the contract {address} holds this root since {utc(anchor['block_time'])}{unknown}{remark}"


def ask(rpc: str, form: Any, method: str, *params: Any) -> Any:
    """One JSON-RPC call. No answer is no proof either way; an answer of another form fails."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    try:
        if not rpc.startswith(("http://", "https://")):
            raise ValueError("its address does not begin with http:// or https://")
        request = urllib.request.Request(rpc, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as response:
            answer = parse(response.read(50_000_000).decode())
    except (OSError, ValueError, http.client.HTTPException, RecursionError) as error:
        raise NotChecked(f"the node did not answer {method}: {ascii(str(error))[:200]}") from None
    if not isinstance(answer, dict) or "result" not in answer:
        raise NotChecked(f"the node refused {method}: {ascii(answer)[:200]}")
    check_form(answer["result"], form, f"the chain's answer to {method}")
    return answer["result"]


def main(argv: list[str] | None = None) -> int:
    """Print one line a step and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("receipt", help="the receipt, a JSON file")
    parser.add_argument("photo", help="the upload, or the signed photo")
    parser.add_argument("--key", help="the log's public key, name+id+key, or a file that holds it")
    parser.add_argument("--rpc", help="address of a node of the chain, http:// or https://")
    parser.add_argument("--contract", help="address of the log's contract, as its operator publishes it")
    options = parser.parse_args(argv)
    try:
        receipt, photo = Path(options.receipt).read_bytes(), Path(options.photo).read_bytes()
        key = options.key if not options.key or "+" in options.key else Path(options.key).read_text("utf-8")
    except (OSError, ValueError) as error:
        print(f"cannot read the inputs: {error}", file=sys.stderr)
        return 2
    steps = verify(receipt, photo, key=key, rpc=options.rpc, contract=options.contract)
    for step in steps:
        print(f"{step.result:12} {step.name:12} {step.sentence}")
    results = {step.name: step.result for step in steps}
    if "failed" in results.values():
        return 1
    # A contract that only the receipt names may be anybody's.
    tied = results["signature"] == "passed" or (options.contract is not None and results["chain"] == "passed")
    if not tied:
        print("nothing ties this receipt to a log that you trust: give --key, or --rpc with --contract")
    return 0 if tied and results["photo"] == "passed" else 3


if __name__ == "__main__":
    sys.exit(main())
