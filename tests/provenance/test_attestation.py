"""Attestations of keys: each that holds earns its level, each that does not is refused with its reason."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from pipeline.device import Attested
from provenance.devices.android import describe
from provenance.devices.attestation import Enrolment, check
from provenance.devices.errors import Refused
from provenance.devices.policy import Policy, load_policy
from tests.devices import Phone
from tests.provenance.vendors import (
    APP,
    NOW,
    PACKAGE,
    SIGNER,
    PlayConsole,
    Root,
    android_chain,
    apple_object,
    key_description,
    new_key,
)

NONCE = "nonce-of-the-server"


@dataclass
class World:
    """A phone, the vendors, and an operator who pinned them."""

    folder: Path
    phone: Phone = field(default_factory=Phone)
    root: Root = field(default_factory=Root)
    play: PlayConsole = field(default_factory=PlayConsole)

    def policy(self, revoked: dict[str, str] | None = None, more: str = "") -> Policy:
        entries = {serial: {"status": status} for serial, status in (revoked or {}).items()}
        (self.folder / "roots.pem").write_bytes(self.root.pem)
        (self.folder / "revoked.json").write_text(json.dumps({"entries": entries}))
        file = self.folder / "attestation.toml"
        file.write_text(f"""
            digital_capture = ["app-attest", "android-strongbox"]
            [apple]
            app_ids = ["OTHER.org.example", "{APP}"]
            roots = "roots.pem"
            {more}
            [android]
            packages = ["{PACKAGE}"]
            signers = ["{SIGNER.hex()}"]
            roots = "roots.pem"
            revocations = "revoked.json"
            [play]
            packages = ["{PACKAGE}"]
            decryption_key = "{base64.b64encode(self.play.decryption_key).decode()}"
            verification_key = "{base64.b64encode(self.play.public).decode()}"
        """)
        return load_policy(file)

    def check(self, said: dict[str, Any], policy: Policy | None = None, nonce: str = NONCE) -> Attested:
        return check(said, Enrolment(self.phone.key, nonce, NOW), policy or self.policy())

    def android(self, nonce: str = NONCE, root: Root | None = None, **said: Any) -> dict[str, Any]:
        chain = android_chain(root or self.root, self.phone, nonce, **said)
        return {"format": "android-key", "chain": [base64.b64encode(each).decode() for each in chain]}

    def apple(self, nonce: str = NONCE, root: Root | None = None, **said: Any) -> dict[str, Any]:
        made = apple_object(root or self.root, self.phone, nonce, **said)
        return {"format": "apple-appattest", "attestation": base64.b64encode(made).decode()}

    def token(self, *given: Any, **said: Any) -> dict[str, Any]:
        return {"format": "play-integrity", "token": self.play.token(self.phone, NONCE, *given, **said)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def detail(attested: Attested, name: str) -> str:
    return {each.name: each.text for each in attested.details}[name]


def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        call()
    assert str(refused.value).endswith(".")
    return refused.value.reason


def test_hardware_keys_of_android(world: World) -> None:
    trusted, chip = world.check(world.android()), world.check(world.android(level=2))
    assert (trusted.level, chip.level, trusted.at) == ("android-tee", "android-strongbox", NOW)
    assert detail(chip, "start of the device") == "verified" and detail(chip, "bootloader") == "locked"
    assert (detail(chip, "app"), detail(chip, "patch level")) == (PACKAGE, "202605")
    assert [world.policy().vouches(each) for each in (trusted, chip)] == [False, True]


@pytest.mark.parametrize(
    ("said", "why"),
    [({"level": 0}, "software"), ({"boot": 2}, "maker signed"), ({"boot": 1}, "maker signed"),
     ({"locked": False}, "locked"), ({"origin": 2}, "not made there")],
)  # fmt: skip
def test_weaker_android_keys_get_the_level_of_a_key_and_the_reason(world: World, said: Any, why: str) -> None:
    found = world.check(world.android(**said))
    assert found.level == "key" and why in detail(found, "why no higher level")


def test_android_attestations_that_do_not_hold(world: World) -> None:
    assert reason_of(lambda: world.check(world.android("another"))) == "wrong-nonce"
    assert reason_of(lambda: world.check(world.android(package="org.example.other"))) == "wrong-app"
    assert reason_of(lambda: world.check(world.android(signer=bytes(32)))) == "wrong-app"
    assert reason_of(lambda: world.check(world.android(root=Root()))) == "wrong-root"
    assert reason_of(lambda: world.check(world.android(until=NOW - timedelta(days=1)))) == "expired"
    of_another = World(world.folder, root=world.root).android()
    assert reason_of(lambda: world.check(of_another)) == "wrong-key"
    serial = f"{world.root.middle.serial_number:x}"
    revoking = world.policy({"ab": "SUSPENDED", serial: "REVOKED"})
    assert reason_of(lambda: world.check(world.android(), revoking)) == "revoked"
    assert world.check(world.android(), world.policy({"ab": "REVOKED"})).level == "android-tee"


def test_nobody_goes_on_below_an_attested_key(world: World) -> None:
    """The holder of an attested key signs a certificate with a better description for a key of software."""
    from tests.provenance.vendors import certify

    extension = ("1.3.6.1.4.1.11129.2.1.17", key_description(NONCE.encode(), level=2))
    attested = new_key()
    for is_authority, reason in ((False, "wrong-root"), (True, "malformed")):
        middle = certify("attested", attested, world.root.middle_key, "middle", (extension,), is_authority)
        leaf = certify("leaf", world.phone.private, attested, "attested", (extension,))
        chain = [each.public_bytes(Encoding.DER) for each in (leaf, middle, world.root.middle)]
        said = {"format": "android-key", "chain": [base64.b64encode(each).decode() for each in chain]}
        assert reason_of(lambda said=said: world.check(said)) == reason  # type: ignore[misc]


def test_a_key_without_the_extension_is_none(world: World) -> None:
    chain = world.root.chain(world.phone.private)
    said = {"format": "android-key", "chain": [base64.b64encode(each).decode() for each in chain]}
    assert reason_of(lambda: world.check(said)) == "malformed"


@given(st.binary(max_size=300), st.integers(0, 200))
def test_any_extension_is_read_or_refused(content: bytes, cut: int) -> None:
    whole = key_description(b"nonce")
    for damaged in (content, whole[:cut], whole[:cut] + content, b"\xbf" + content):
        try:
            describe(damaged)
        except (ValueError, IndexError, LookupError, StopIteration) as error:
            assert not isinstance(error, StopIteration)


def test_app_attest(world: World) -> None:
    found = world.check(world.apple())
    assert (found.level, detail(found, "app"), detail(found, "environment")) == ("app-attest", APP, "production")
    assert world.policy().vouches(found)
    develop = world.apple(aaguid=b"appattestdevelop")
    assert reason_of(lambda: world.check(develop)) == "wrong-app"
    assert detail(world.check(develop, world.policy(more="development = true")), "environment") == "development"


def test_app_attestations_that_do_not_hold(world: World) -> None:
    assert reason_of(lambda: world.check(world.apple("another"))) == "wrong-nonce"
    assert reason_of(lambda: world.check(world.apple(), nonce="another")) == "wrong-nonce"  # replayed
    assert reason_of(lambda: world.check(world.apple(app="TEAM.org.example.other"))) == "wrong-app"
    assert reason_of(lambda: world.check(world.apple(counter=1))) == "counter-back"
    assert reason_of(lambda: world.check(world.apple(aaguid=bytes(16)))) == "wrong-app"
    assert reason_of(lambda: world.check(world.apple(root=Root()))) == "wrong-root"
    assert reason_of(lambda: world.check(world.apple(credential=bytes(32)))) == "wrong-key"
    assert reason_of(lambda: world.check(world.apple(fmt="packed"))) == "wrong-format"
    assert reason_of(lambda: world.check(World(world.folder, root=world.root).apple())) == "wrong-nonce"  # another key
    for content in ("", "AAAA", base64.b64encode(b"\xa0").decode(), "?", None, 7):
        assert reason_of(lambda: world.check({"format": "apple-appattest", "attestation": content})) == "malformed"  # noqa: B023


@pytest.mark.parametrize(
    ("verdicts", "level"),
    [(("MEETS_STRONG_INTEGRITY", "MEETS_DEVICE_INTEGRITY"), "play-strong"),
     (("MEETS_DEVICE_INTEGRITY",), "play-device"), (("MEETS_BASIC_INTEGRITY",), "key"), ((), "key")],
)  # fmt: skip
def test_play_integrity(world: World, verdicts: tuple[str, ...], level: str) -> None:
    found = world.check(world.token(verdicts))
    assert found.level == level
    assert (level == "key") == any(each.name == "why no higher level" for each in found.details)


def test_play_tokens_that_do_not_hold(world: World) -> None:
    late = NOW - timedelta(minutes=11)
    assert reason_of(lambda: world.check(world.token(), nonce="another")) == "wrong-nonce"
    assert reason_of(lambda: world.check(world.token(package="org.example.other"))) == "wrong-app"
    assert reason_of(lambda: world.check(world.token(recognised="UNRECOGNIZED_VERSION"))) == "not-genuine"
    assert reason_of(lambda: world.check(world.token(at=late))) == "stale"
    token = world.token()
    for stranger in (PlayConsole(), PlayConsole(bytes(32), world.play.signing)):
        other = World(world.folder, world.phone, world.root, stranger)
        assert reason_of(lambda other=other: world.check(other.token())) == "wrong-root"  # type: ignore[misc]
    unsigned = world.play.sealed("e30.e30.AAAA")
    wrong = ("a.b.c.d.e", "", "e30.AA.AA.AA.AA", unsigned, world.play.sealed("x"), token["token"] + ".x")
    for each in wrong:
        said = {"format": "play-integrity", "token": each}
        assert reason_of(lambda said=said: world.check(said)) == "malformed"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("digital_capture = 1", "list of text"),
        ('digital_capture = ["key"]', "attested levels are app-attest"),
        ("x = 1", "the file has x"),
        ("[", "TOML"),
        ("apple = 1", r"write \[apple\]"),
        ("[apple]", "app_ids"),
        ('[apple]\napp_ids = ["a"]', "names no file"),
        ('[apple]\napp_ids = ["a"]\nroots = "none.pem"', "holds no PEM certificate"),
        ('[apple]\napp_ids = ["a"]\nroots = "none.pem"\ndevelopment = 1', "true or false"),
        ('[android]\npackages = ["a"]\nsigners = ["00"]\nroots = "r"', "64 hex digits"),
        ('[android]\npackages = ["a"]\nsigners = ["x"]\nroots = "r"', "64 hex digits"),
        (f'[android]\npackages=["a"]\nsigners=["{"00" * 32}"]\nroots="r"\nrevocations="r"', "no revocation list"),
        ('[play]\npackages = ["a"]\ndecryption_key = "AA"\nverification_key = "AA"', "Play Console"),
    ],
)
def test_a_policy_that_is_none_says_what_to_write(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "attestation.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=says):
        load_policy(file)


def test_without_a_file_nothing_is_attested_and_nobody_vouches() -> None:
    policy = load_policy(None)
    assert not any(policy.vouches(Attested(level)) for level in ("key", "app-attest", "android-strongbox"))


def test_certificates_of_odd_kinds_are_refused(world: World) -> None:
    leaf, middle = android_chain(world.root, world.phone, NONCE)[:2]
    texts = "a003020102", "06082a8648ce3d030107", "06072a8648ce3d0201"
    version, curve, kind = (bytes.fromhex(text) for text in texts)
    top = load_pem_x509_certificate(world.root.pem).public_bytes(Encoding.DER)
    for chain, reason in (
        ([leaf.replace(version, version[:-1] + b"\x19"), middle], "malformed"),
        ([leaf, middle.replace(curve, curve[:-1] + b"\x7f"), top], "wrong-root"),
        ([leaf, middle.replace(kind, kind[:-1] + b"\x7f"), top], "wrong-root"),
    ):
        said = {"format": "android-key", "chain": [base64.b64encode(each).decode() for each in chain]}
        assert reason_of(lambda said=said: world.check(said)) == reason  # type: ignore[misc]


def test_a_token_whose_header_is_nested_too_deep_is_refused(world: World) -> None:
    head = base64.urlsafe_b64encode(b"[" * 39_999).decode()
    said = {"format": "play-integrity", "token": f"{head}.a.b.c.d"}
    assert reason_of(lambda: world.check(said)) == "malformed"
