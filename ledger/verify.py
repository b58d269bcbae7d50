"""Checks a Capture receipt against a photo: one file, nothing but Python 3 (3.9 or later), no network.

    python3 verify.py [--key KEY]                             the proof bundle that this file lies in
    python3 verify.py receipt.json photo.jpg [--key KEY]      KEY: the log's public key, or a file that holds it

Each step is a method of `Check`. Not covered: capture, note, asset.media_type, the manifest's size, label and signer,
names that its version does not have, witnesses' signatures, and anchor: ask the chain for it (`capture verify --rpc`).
Exit codes: 0 every step passed, with the key that you gave; 1 a step failed; 2 the inputs could not be read; 3 nothing
failed, but a step was not checked or you gave no key: anyone can make a receipt that only a log you trust refutes.
"""

import argparse, base64, hashlib, json, re, runpy, sys, time, zlib  # noqa: E401, I001
from pathlib import Path
from typing import Any

# fmt: off
P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493  # Ed25519: of the field, of the group
D = -121665 * pow(121666, P - 2, P) % P
STEPS = "receipt", "photo", "terms", "leaf", "checkpoint", "inclusion", "signature"  # and device, when one signed
UNSPLIT = rb"(?s:RIFF....WEBP|\0\0..ftyp|II\*\0|MM\0\*|GIF8[79]a)"  # WebP, HEIF, TIFF, GIF
class NotChecked(Exception):
    """The step can be neither passed nor failed, for this reason."""
def need(holds: object, reason: str) -> bool:
    if not holds:
        raise ValueError(reason)
    return True
def step(name: str, check: Any, *given: Any) -> tuple[str, str, str]:  # and result, and why
    try:
        return name, "passed", check(*given)
    except NotChecked as reason:
        return name, "not checked", str(reason)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return name, "failed", str(error) if type(error) is ValueError else f"it is malformed: {error!a:.200}"
def verify(receipt: bytes, photo: bytes, key: str = "") -> list[tuple[str, str, str]]:
    """All steps: their names, results and reasons. Whatever the inputs hold, nothing is raised."""
    check = Check(receipt, photo, key)
    steps = [step(name, getattr(check, name)) for name in STEPS]
    return steps if check.vouch is None else [*steps, step("device", check.device)]
class Check:  # a receipt as JSON text, its photo, and the log's key
    def __init__(self, text: bytes, photo: bytes, key: str) -> None:
        self.text, self.file, self.key = text, photo, key
        self.vouch: Any = None
    def __getattr__(self, name: str) -> Any:
        raise NotChecked("what it needs is not well formed")
    def receipt(self) -> str:  # it has the form of version 1 to 3, and is at one with itself
        outside = re.sub(rb'"(?:[^"\\]|\\.)*"?', b"", self.text)  # of strings; deep nesting kills some interpreters
        need(len(re.findall(rb"[\[{]", outside)) <= 500, "it has more than 500 brackets")
        found = json.loads(self.text.decode(), object_pairs_hook=lambda pairs: need(
            len(dict(pairs)) == len(pairs), "a name stands twice in one object") and dict(pairs))
        words, place, asset, manifest = (found[name] for name in ("statement", "inclusion", "asset", "manifest"))
        numbers = [found["version"], place["index"], place["tree_size"], asset["size"]]
        need(all(type(n) is int and 0 <= n < 2**63 for n in numbers), "a number is not whole, or not below 2^63")
        version = 1 + ("device" in found) + 2 * ("previous" in found)  # 3: of what was stated about rights later
        need(numbers[0] == version < 4, "it is of another version: get a newer verifier")
        need(type(words) is type(place["proof"]) is list and len(words) == 10, "its statement or proof is misshapen")
        digests = [*words, found["leaf"], asset["sha256"], manifest["sha256"], *place["proof"]]
        need(all(re.fullmatch("[0-9a-f]{64}", value) for value in digests), "a digest is not 64 lower-case hex digits")
        raw = [bytes.fromhex(value) for value in digests]
        need(words[2:5] == [*digests[11:13], found.get("previous", words[4])], "its digests are not in its statement")
        self.note, self.rights, self.numbers = found["checkpoint"], found.get("rights"), numbers
        self.words, (self.entry, _, _, *self.proof), self.vouch = raw[:10], raw[10:], found.get("device")
        return "it is well formed, and at one with itself"
    def photo(self) -> str:  # it is the registered upload, or the signed photo: without credentials that upload
        upload, manifest, size = *self.words[2:4], len(self.file)
        if sha256(self.file) == upload:
            need(size == self.numbers[3], f"the file has {size} bytes, the receipt says otherwise")
            return "the file's SHA-256 is the one in the statement"
        (rest, store), name = split(self.file), manifest.hex().encode()  # which a public file, made from it, names
        if re.match(UNSPLIT, self.file) or name in store or (sha256(store) == manifest and sha256(rest) != upload):
            raise NotChecked("it is not the upload itself; that it was made from it, a C2PA validator must check")
        need(sha256(rest) == upload and sha256(store) == manifest, "it is not the upload, nor the photo signed from it")
        return "it is the registered upload, and the Content Credentials added to it are the registered ones"
    def terms(self) -> str:  # the copyright information is the registered one, as canonical JSON (RFC 8785)
        text = json.dumps(self.rights, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        need(sha256(text.encode()) == self.words[6], "the copyright information is not the one in the statement")
        return "the copyright information is the one in the statement"
    def leaf(self) -> str:  # the log's entry is the digest of the statement, and that holds the digests above
        version, words, at = self.numbers[0], self.words, time.gmtime(min(int.from_bytes(self.words[8], "big"), 2**37))
        tag, last = b"capture/rights/v1" if version > 2 else b"capture/leaf/v%d" % version, words[9] * (version != 2)
        fixed = words[0] + words[5][:12] + words[8][:24] + last == tag.ljust(68 + len(last), b"\0")
        need(fixed and sha256(b"\0" + b"".join(words)) == self.entry, "the entry is not the digest of a statement")
        return time.strftime("the entry is the digest of the statement, of %Y-%m-%d %H:%M:%S UTC", at)
    def checkpoint(self) -> str:  # it is well formed, and of the same size as the proof (C2SP tlog-checkpoint)
        origin, size, root = [*open_note(self.note), "", ""][:3]
        need(re.fullmatch("0|[1-9][0-9]{0,18}", size) and len(from_base64(root)) == 32, "its size or root is malformed")
        need(size == str(self.numbers[2]), f"it is of {size} entries, the proof is not")
        self.origin, self.root = origin, from_base64(root)
        return f"it is well formed, and of {size} entries as the proof is, by the log {origin!a}"
    def inclusion(self) -> str:  # the entry is in the tree whose root is in the checkpoint (RFC 9162)
        at, size, node = *self.numbers[1:3], self.entry
        need(at < size, "a log of this size has no such entry")
        inner = (at ^ (size - 1)).bit_length()  # levels below the first node that is both ours and the last entry's
        need(len(self.proof) == inner + bin(at >> inner).count("1"), "the proof has not the length for this place")
        for level, sibling in enumerate(self.proof):
            is_right = level >= inner or at >> level & 1
            node = sha256(b"\1" + (sibling + node if is_right else node + sibling))
        need(node == self.root, "the proof does not lead to the root in the checkpoint")
        return f"the proof leads from entry {at} to the root in the checkpoint"
    def signature(self) -> str:  # the log's key signed the checkpoint
        if not self.key:
            raise NotChecked("give the log's public key with --key")
        need(open_note(self.note, self.key)[0] == self.key.partition("+")[0], "it is of another log than the key")
        return f"the key of {self.origin!a} signed the checkpoint"
    def device(self) -> str:  # its key signed for this upload (ECDSA on P-256), as the fact in the statement says
        fact, text = self.vouch, json.dumps(self.vouch, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        need(sha256(text.encode()) == self.words[9], "what the device signed is not what the statement holds")
        digest = re.escape(base64.b64encode(self.words[2]).decode())  # in a line of what RFC 9421 signs
        said, line = fact["text"], rf'(?m)^"(content|repr)-digest":.*[ ,]sha-256=:{digest}:'
        if fact["way"] == "statement":  # a JSON web signature
            line, said = self.words[2].hex(), json.loads(base64.urlsafe_b64decode(said.split(".")[1] + "=="))["sha256"]
        curve = Path(__file__).with_name("p256.py")
        if not curve.exists():
            raise NotChecked("put p256.py, of the same bundle, beside verify.py")
        told = bytes.fromhex(fact["key"]), bytes.fromhex(fact["signature"]), fact["text"].encode()
        need(re.search(line, said) and runpy.run_path(str(curve))["is_signed"](*told), "its key signed something else")
        return f"the device's key, of level {fact['attested']['level']!a}, signed for this upload"
def split(photo: bytes) -> tuple[bytes, bytes]:
    """A PNG without its caBX chunk or a JPEG without C2PA's APP11 segments (ISO/IEC 19566-5), and what they held."""
    chunk = re.search(rb"(?s)(....)caBX", photo) if photo.startswith(b"\x89PNG") else None
    if chunk:
        end = chunk.end() + int.from_bytes(chunk[1], "big")
        fits = zlib.crc32(photo[chunk.end() - 4 : end]).to_bytes(4, "big") == photo[end : end + 4]
        return photo[: chunk.start()] + photo[end + 4 :], photo[chunk.end() : end] if fits else b""
    first = re.search(rb"(?s)\xff\xeb..(JP\x02\x11)\0\0\0\x01(.{8}).{4}jumdc2pa", photo)
    start, mark, store = (first.start(), first[1], first[2]) if first else (len(photo), b"?", b"")
    end, part = start, 1
    while photo[end : end + 2] + photo[end + 4 : end + 20] == b"\xff\xeb" + mark + part.to_bytes(4, "big") + store[:8]:
        begin, end, part = end + 20, end + 2 + int.from_bytes(photo[end + 2 : end + 4], "big"), part + 1
        store += photo[begin:end]
    return photo[:start] + photo[end:], store
def open_note(note: str, key: str = "") -> list[str]:
    """The lines of a note (C2SP signed-note), which the key, name+id+base64(0x01, public key), must have signed."""
    text, _, signatures = note.rpartition("\n\n")
    need("" not in text.split("\n") and not re.search("[\0-\t\v-\x1f\ud800-\udfff]", note), "its text is malformed")
    need(re.fullmatch("(\u2014 [^\\s+]+ \\S+\n)+", signatures), "its signatures are malformed")
    signed = [(line.split(" ")[1], from_base64(line.split(" ")[2])) for line in signatures[:-1].split("\n")]
    if key:
        name, identity, raw = (re.findall(r"^([^\s+]+)\+([0-9a-f]{8})\+(\S{44})\s*$", key) or [("", "", "")])[0]
        raw = from_base64(raw)
        need(raw[:1] == b"\1" and sha256(f"{name}\n".encode() + raw)[:4].hex() == identity, "log.vkey/--key is damaged")
        own = {value[4:] for signer, value in signed if signer == name and value[:4].hex() == identity}
        need(own, "the log's key did not sign it")
        need(all(is_signed(raw[1:], value, f"{text}\n".encode()) for value in own), "the log's key signed another text")
    return text.split("\n")
def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
def from_base64(text: str) -> bytes:
    value = base64.b64decode(text, validate=True)
    need(base64.b64encode(value).decode() == text, "a value is not in proper base64")  # one spelling only
    return value
def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:  # Ed25519 (RFC 8032 5.1.7): R = sB - kA
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    x, y, z, t = point(public)
    x, y, z, t = add(times(s, point(b"\x58" + b"\x66" * 31)), times(k, (-x, y, z, -t)))
    x, y = x * pow(z, P - 2, P) % P, y * pow(z, P - 2, P) % P
    return len(signature) == 64 and s < ORDER and (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]
def point(encoded: bytes) -> tuple[int, ...]:  # 5.1.3: as x, y, 1 and xy
    y, odd = int.from_bytes(encoded, "little") % 2**255, encoded[31] >> 7
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    need(y < P and x * x % P == square and (x or not odd), "the log's key is no point of the curve")
    x = x if x % 2 == odd else P - x
    return x, y, 1, x * y % P
def times(factor: int, p: tuple[int, ...]) -> tuple[int, ...]:
    rest = times(factor // 2, add(p, p)) if factor > 1 else (0, 1, 1, 0)
    return add(rest, p) if factor % 2 else rest
def add(p: tuple[int, ...], q: tuple[int, ...]) -> tuple[int, ...]:  # 5.1.4
    a, b = (p[1] - p[0]) * (q[1] - q[0]), (p[1] + p[0]) * (q[1] + q[0])
    c, d = 2 * p[3] * q[3] * D, 2 * p[2] * q[2]
    return (b - a) * (d - c) % P, (d + c) * (b + a) % P, (d - c) * (d + c) % P, (b - a) * (b + a) % P
def check_files(folder: Path, key: str) -> str:  # of a bundle: each is as listed, and the log's key signed the list
    listed = open_note((folder / "files.txt").read_text("utf-8", "replace"), key or "none")
    need(listed[0] == "capture/bundle/v1" and listed[2:] and "".join(listed).isascii(), "it lists no bundle's files")
    files = [line.partition("  ")[::2] for line in listed[2:]]
    changed = [name for digest, name in files if sha256((folder / name).read_bytes()).hex() != digest]
    need(not changed, f"changed since the log's key signed the list: {', '.join(changed)}")
    return f"as the log's key signed them: {', '.join(name for _, name in files)}"
def main(argv: Any = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="receipt.json photo.jpg")
    parser.add_argument("--key", default="")
    options, here = parser.parse_args(argv), Path(__file__).parent
    try:
        receipt, photo = options.files or (here / "receipt.json", min(here.glob("photo.*")))
        key = options.key or ("" if options.files else str(here / "log.vkey"))
        key = Path(key).read_text("utf-8", "replace") if key and "+" not in key else key
        steps = [] if options.files else [step("files.txt", check_files, here, key)]
        steps += verify(Path(receipt).read_bytes(), Path(photo).read_bytes(), key)
    except (OSError, ValueError) as error:
        parser.error(f"cannot read a receipt and its photo: {error}")
    print(*(f"{result:12} {name:12} {reason}" for name, result, reason in steps), sep="\n")
    if not options.key:
        print("you gave no --key: compare the log's key with the one that its operator publishes")
    results = {result for _, result, _ in steps}
    return 1 if "failed" in results else 0 if results == {"passed"} and options.key else 3
if __name__ == "__main__":
    sys.exit(main())
