"""Android Key Attestation: the device's own key, with a chain from the secure hardware that made it to Google's root.

The leaf's extension 1.3.6.1.4.1.11129.2.1.17 tells the challenge, where the key lives, how the device was started and
which app asked (https://source.android.com/docs/security/features/keystore/attestation). Its challenge is the nonce.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.x509 import Certificate, ExtensionNotFound, ObjectIdentifier, UnrecognizedExtension

from pipeline.device import Attested, Detail, Level
from provenance.devices.attestation import Enrolment
from provenance.devices.chain import check_chain, read_chain
from provenance.devices.der import OCTETS, SEQUENCE, context, inside, values
from provenance.devices.errors import Refused
from provenance.devices.keys import raw
from provenance.devices.policy import Android

FORMAT = "android-key"
EXTENSION = ObjectIdentifier("1.3.6.1.4.1.11129.2.1.17")
LEVELS: dict[int, Level] = {0: "key", 1: "android-tee", 2: "android-strongbox"}
PLACES = {0: "software", 1: "trusted environment", 2: "StrongBox"}
BOOT = {0: "verified", 1: "self-signed", 2: "unverified", 3: "failed"}
_ORIGIN, _ROOT_OF_TRUST, _PATCH_LEVEL, _APPLICATION = 702, 704, 706, 709
_GENERATED = 0


@dataclass(frozen=True, slots=True)
class Description:
    """What the extension says. `level`: the lower of the two that it names. `boot`: None when it says nothing."""

    challenge: bytes
    level: int
    packages: tuple[str, ...]
    signers: tuple[bytes, ...]
    boot: int | None
    locked: bool
    generated: bool
    patch_level: str


def check(content: Sequence[bytes], enrolment: Enrolment, known: Android) -> Attested:
    """The level that the hardware earns the key. Raises Refused with the reason."""
    chain = read_chain(content)
    check_chain(chain, known.roots, enrolment.now)
    revoked = [known.revoked[each.serial_number] for each in chain if each.serial_number in known.revoked]
    if revoked:
        raise Refused("revoked", f"A certificate of the attestation is on the revocation list: {revoked[0]}.")
    if any(_extension(each) is not None for each in chain[1:]):  # whoever has an attested key could go on below it
        raise Refused("malformed", "A certificate above the key's own has the attestation extension.")
    if raw(chain[0].public_key()) != enrolment.key:
        raise Refused("wrong-key", "The attested key is another one than the key to be enrolled.")
    return _attested(_described(chain[0]), enrolment, known)


def _attested(said: Description, enrolment: Enrolment, known: Android) -> Attested:
    if said.challenge != enrolment.nonce.encode():
        raise Refused("wrong-nonce", "The attestation's challenge is not the nonce that this request is signed with.")
    if not (set(said.packages) & set(known.packages) and set(said.signers) & set(known.signers)):
        raise Refused("wrong-app", f"The key belongs to the app {', '.join(said.packages) or 'of no name'}, which is "
                      "none of those that the operator named, or is signed by somebody else.")  # fmt: skip
    lower = _shortcoming(said)
    details = [
        Detail("place of the key", PLACES.get(said.level, "unknown")),
        Detail("start of the device", BOOT.get(-1 if said.boot is None else said.boot, "not told")),
        Detail("bootloader", "locked" if said.locked else "not locked"),
        Detail("app", ", ".join(said.packages)),
        Detail("patch level", said.patch_level),
    ]
    level = "key" if lower else LEVELS[said.level]
    return Attested(level, FORMAT, enrolment.now, (*details, *([Detail("why no higher level", lower)] * bool(lower))))


def _shortcoming(said: Description) -> str:
    if said.level not in (1, 2):
        return "the key is kept by software, which can be copied with it"
    if not said.generated:
        return "the key was brought into the hardware, not made there"
    if said.boot != 0 or not said.locked:
        return "the device was not started with software that its maker signed, or its bootloader is not locked"
    return ""


def _extension(certificate: Certificate) -> bytes | None:
    try:
        found = certificate.extensions.get_extension_for_oid(EXTENSION).value
    except (ExtensionNotFound, ValueError):
        return None
    return found.value if isinstance(found, UnrecognizedExtension) else None


def _described(certificate: Certificate) -> Description:
    content = _extension(certificate)
    try:
        if content is None:
            raise ValueError("there is none")
        return describe(content)
    except (ValueError, IndexError, LookupError) as error:
        raise Refused("malformed", f"The attestation extension cannot be read: {error}.") from None


def describe(content: bytes) -> Description:
    """The KeyDescription in these bytes. Raises ValueError, IndexError or LookupError for what is none."""
    fields = [value for _, value in values(inside(content, SEQUENCE))]
    levels = int.from_bytes(fields[1], "big"), int.from_bytes(fields[3], "big")
    software, hardware = (dict(values(each)) for each in (fields[6], fields[7]))
    # Only what the hardware itself enforces counts; which app asked, it cannot know: Android says that.
    application = software.get(context(_APPLICATION)) or hardware.get(context(_APPLICATION))
    packages, signers = _application(inside(application, OCTETS)) if application else ((), ())
    root = hardware.get(context(_ROOT_OF_TRUST))
    trust = [value for _, value in values(inside(root, SEQUENCE))] if root else []
    origin, patch = hardware.get(context(_ORIGIN)), hardware.get(context(_PATCH_LEVEL))
    return Description(
        challenge=fields[4],
        level=min(levels),
        packages=packages,
        signers=signers,
        boot=int.from_bytes(trust[2], "big") if trust else None,
        locked=bool(trust) and trust[1] != b"\0",
        generated=origin is not None and _number(origin) == _GENERATED,
        patch_level=str(_number(patch)) if patch else "not told",
    )


def _application(content: bytes) -> tuple[tuple[str, ...], tuple[bytes, ...]]:
    (_, packages), (_, signers) = values(inside(content, SEQUENCE))
    names = [next(values(each))[1].decode("utf-8") for _, each in values(packages)]
    return tuple(names), tuple(signer for _, signer in values(signers))


def _number(content: bytes) -> int:
    return int.from_bytes(next(values(content))[1], "big")
