"""Keys on a PKCS #11 token, with SoftHSM: Debian's softhsm2 and the package python-pkcs11."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pipeline.errors import Rejected, Unavailable
from provenance.certificates import public_key_of, serial_hex
from provenance.hsm import LABEL, Pkcs11Token, TokenUri
from provenance.inspect import inspect
from provenance.keys import KeyFolder
from tests.photos import jpeg
from tests.provenance.orders import signed_copy
from tests.provenance.test_signing import CLAIM
from tests.signing_process import SigningProcess

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MODULE = next((path for path in MODULES if Path(path).exists()), None)
PIN = "not 1234"
needs_token = pytest.mark.skipif(
    MODULE is None or shutil.which("softhsm2-util") is None or importlib.util.find_spec("pkcs11") is None,
    reason="needs SoftHSM (apt-get install softhsm2) and python-pkcs11 (pip install python-pkcs11)",
)


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A token of the tests' own. The module reads where it is when it is loaded: once a process."""
    folder = tmp_path_factory.mktemp("token")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "capture test", "--pin", PIN, "--so-pin", "87654321"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "pin").write_text(f"{PIN}\n")
    (folder / "pin").chmod(0o600)
    uri = f"pkcs11:token=capture%20test?module-path={MODULE}&pin-source=file:{folder}/pin"
    return {"SOFTHSM2_CONF": os.environ["SOFTHSM2_CONF"], "CAPTURE_SIGNER_URL": uri}


@pytest.fixture
def token(environ: dict[str, str]) -> Iterator[Pkcs11Token]:
    token = Pkcs11Token.open(environ["CAPTURE_SIGNER_URL"])
    yield token
    token.close()


@needs_token
def test_a_leaf_on_a_token_signs_and_rotates(token: Pkcs11Token, tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "c2pa", token=token)
    first = keys.open()
    assert b"PRIVATE" not in (tmp_path / "c2pa" / "leaf.pem").read_bytes()
    signed, _ = signed_copy(jpeg(51, 64, 48), "image/jpeg", tmp_path, first)
    assert inspect(signed, "image/jpeg", first.root_pem).state == "trusted"
    keys.rotate()
    second = keys.open()
    assert second.leaf.public_key() != first.leaf.public_key()
    for identity in (first, second):  # the one before goes on for a while
        signature = identity.sign_es256(CLAIM)
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        public_key_of(identity.leaf).verify(encode_dss_signature(r, s), CLAIM, ec.ECDSA(hashes.SHA256()))


@needs_token
def test_the_key_cannot_be_read_out(token: Pkcs11Token) -> None:
    import pkcs11

    public = token.make()
    assert token.key(public) is not None
    assert token.key(ec.generate_private_key(ec.SECP256R1()).public_key()) is None
    found = list(token._session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}))
    assert found
    for key in found:
        assert key.label == LABEL and key[pkcs11.Attribute.SENSITIVE] and not key[pkcs11.Attribute.EXTRACTABLE]
        with pytest.raises(pkcs11.exceptions.PKCS11Error):
            _ = key[pkcs11.Attribute.VALUE]


@needs_token
def test_a_folder_moves_to_the_token_and_back_under_one_root(token: Pkcs11Token, tmp_path: Path) -> None:
    in_file = KeyFolder(tmp_path / "c2pa").open()
    on_token = KeyFolder(tmp_path / "c2pa", token=token).open()
    assert KeyFolder(tmp_path / "c2pa", token=token).open() == on_token
    back = KeyFolder(tmp_path / "c2pa").open()
    assert in_file.root_pem == on_token.root_pem == back.root_pem
    assert len({in_file.serial, on_token.serial, back.serial}) == 3


@needs_token
def test_the_signing_process_signs_with_the_token(environ: dict[str, str], tmp_path: Path) -> None:
    signing = SigningProcess(tmp_path / "home", environ=environ).start()
    try:
        identity = signing.identity()
        signed, _ = signed_copy(jpeg(52, 64, 48), "image/jpeg", tmp_path, identity)
        assert inspect(signed, "image/jpeg", identity.root_pem).state == "trusted"
        assert PIN not in Path(f"/proc/{signing.pid}/cmdline").read_text() if sys.platform == "linux" else True
        command = [sys.executable, "-m", "cli", "keys", "rotate"]
        more = os.environ | environ | {"CAPTURE_HOME": str(signing.home)}
        told = subprocess.run(command, env=more, capture_output=True, text=True, check=True).stdout
        assert told.split()[0] == signing.identity().serial != identity.serial
        assert identity.sign_es256(CLAIM) and signing.identity().sign_es256(CLAIM)
    finally:
        signing.stop()


@needs_token
def test_a_token_that_comes_back_is_used_again_without_a_restart(environ: dict[str, str], tmp_path: Path) -> None:
    signing = SigningProcess(tmp_path / "home", environ=environ).start()
    tokens = Path(environ["SOFTHSM2_CONF"]).parent / "tokens"
    try:
        identity = signing.identity()
        assert identity.sign_es256(CLAIM)
        tokens.rename(tokens.with_name("away"))
        try:
            for _ in range(3):
                with pytest.raises(Unavailable, match="the token does not work"):
                    identity.sign_es256(CLAIM)
        finally:
            tokens.with_name("away").rename(tokens)
        assert identity.sign_es256(CLAIM)
    finally:
        signing.stop()


@needs_token
def test_a_token_that_is_not_there_or_locked_is_told(environ: dict[str, str]) -> None:
    right = environ["CAPTURE_SIGNER_URL"]
    for uri, says in (
        (right.replace("capture%20test", "other"), "the token does not work .*NoSuchToken"),
        (f"{right.partition('&')[0]}&pin-value=wrong", "the token does not work .*PinIncorrect"),
    ):
        with pytest.raises(Unavailable, match=says):
            Pkcs11Token.open(uri)
    with pytest.raises(Rejected, match="there is no PKCS #11 module at /nonexistent"):
        Pkcs11Token.open("pkcs11:token=t?module-path=/nonexistent")


@needs_token
def test_a_key_that_is_gone_is_told_and_a_rotation_helps(token: Pkcs11Token, tmp_path: Path) -> None:
    keys = KeyFolder(tmp_path / "c2pa", token=token)
    identity = keys.open()
    for key in list(token._session.get_objects()):
        key.destroy()
    with pytest.raises(Unavailable, match="the token does not work"):
        identity.sign_es256(CLAIM)  # with a handle that leads nowhere
    with pytest.raises(Unavailable, match="not on the token any more"):
        identity.sign_es256(CLAIM)
    with pytest.raises(Unavailable, match="run `capture keys rotate`"):
        keys.open()
    assert serial_hex(keys.rotate()) == keys.open().serial and keys.load().sign_es256(CLAIM)


def test_a_uri_says_what_rfc_7512_says(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("a b\n")
    (tmp_path / "pin").chmod(0o600)
    uri = "pkcs11:token=The%20token;serial=A1%3B2;object=c2pa;type=private?module-path=/usr/lib/x.so&pin-source="
    read = TokenUri.parse(uri + quote(f"file:{tmp_path}/pin"))
    assert (read.token, read.serial, read.label, read.module) == ("The token", "A1;2", "c2pa", "/usr/lib/x.so")
    assert read.pin == "a b" and "a b" not in repr(read)
    assert TokenUri.parse(uri + f"{tmp_path}/pin") == read
    plain = TokenUri.parse("pkcs11:token=t?module-path=/m&pin-value=1%264")
    assert (plain.pin, plain.label, plain.serial) == ("1&4", LABEL, None)


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("pkcs11:", "names no token and module"),
        ("pkcs11:token=t", "names no token and module"),
        ("pkcs11:object=o?module-path=/m", "names no token and module"),
        ("pkcs11:token=t;token=u?module-path=/m", "token is not used here, or stands twice"),
        ("pkcs11:token=t;slot-id=3?module-path=/m", "slot-id is not used here"),
        ("pkcs11:token=t;secret8?module-path=/m", "something is not used here"),
        ("pkcs11:token=t;type=cert?module-path=/m", "is private"),
        ("pkcs11:token=t?module-path=/m&pin-value=secret&pin-source=/f", "not both"),
        ("pkcs11:token=t?module-path=/m&pin-source=file:/nonexistent/pin", "cannot be read"),
    ],
)
def test_a_uri_that_is_wrong_is_told_and_its_pin_is_not(uri: str, says: str) -> None:
    with pytest.raises(Rejected, match=says) as caught:
        TokenUri.parse(uri)
    assert "secret" not in str(caught.value)


def test_a_pin_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("1")
    (tmp_path / "pin").chmod(0o644)
    with pytest.raises(Rejected, match="chmod 600"):
        TokenUri.parse(f"pkcs11:token=t?module-path=/m&pin-source={tmp_path}/pin")
