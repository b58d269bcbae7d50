"""Settings from the environment, parsed and checked before anything starts. Standard library only."""

import dataclasses
import difflib
import importlib.util
import ipaddress
import json
import os
import socket
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pipeline.parents import UndeclaredPolicy

MAX_AT_ONCE = 480  # requests inside the API: 200 slow phones and as many event streams hold a thread each
MAX_UPLOAD_BYTES = 120_000_000  # a 48 MP ProRAW is 75 to 100 MB; a 12 MP JPEG is 3 to 8 MB

T = TypeVar("T", int, None)


class SettingError(Exception):
    """A setting is unknown or malformed. The text says what to write instead."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, from the environment. A URL that is None means the embedded engine."""

    home: Path
    host: str
    port: int
    database_url: str
    blobs_url: str
    queue_url: str | None
    chain_url: str | None
    chain_key_file: Path | None
    chain_password_file: Path | None
    chain_signer: Path | None
    chain_contract: str | None
    chain_confirmations: int | None
    chain_max_fee_gwei: int | None
    chain_daily_gas: int | None
    index_url: str | None
    signer_url: str | None
    signer_password_file: Path | None
    leaf_days: int | None
    public_url: str | None
    tsa_url: str | None
    tsa_roots_file: Path | None
    log_origin: str | None
    witnesses: tuple[tuple[str, str], ...]
    photo_workers: int
    rate_limits: tuple[int, int]
    c2pa_trust: tuple[Path, ...] = ()
    webhook_networks: tuple[str, ...] = ()
    quotas: tuple[int, int, int] = (0, 0, 0)
    attestation_file: Path | None = None
    rights_contract: str | None = None
    relay_key_file: Path | None = None
    undeclared_parents: UndeclaredPolicy = "note"

    @property
    def run(self) -> Path:
        """Where the running service keeps sockets, process ids and the addresses of its embedded engines."""
        return self.home / "run"

    @property
    def keys(self) -> Path:
        """Private keys, mode 0700."""
        return self.home / "keys"

    @property
    def trust_places(self) -> tuple[Path, ...]:
        """Where trust lists for Content Credentials are: the folder of `capture trust add`, then those set."""
        return (self.home / "trust", *self.c2pa_trust)

    @property
    def api_key_file(self) -> Path:
        """The owner's key, written at the first start."""
        return self.home / "api-key"

    @property
    def signer_socket(self) -> str | None:
        """The socket of a signing process that somebody else runs."""
        url = self.signer_url or ""
        return url.removeprefix("unix://") if url.startswith("unix://") else None

    @property
    def claim_keys(self) -> Path:
        """The folder of the certificates and keys that sign photos."""
        return self.keys / "c2pa"

    @property
    def audit(self) -> Path:
        """The signing process's log of what it signed."""
        return self.home / "audit"

    @property
    def log_vkey_file(self) -> Path:
        """The log's public key, for verifiers."""
        return self.keys / "log" / "log.vkey"


_KNOWN = {
    "CAPTURE_HOME": "a folder",
    "CAPTURE_LISTEN": "an address and a port such as 127.0.0.1:8000",
    "CAPTURE_DATABASE_URL": "a database such as sqlite:////srv/capture/capture.db",
    "CAPTURE_BLOBS_URL": "a store such as file:///srv/capture/blobs or s3://bucket/prefix",
    "CAPTURE_QUEUE_URL": "a Valkey or Redis such as redis://localhost:6379/0 or unix:///run/valkey.sock",
    "CAPTURE_CHAIN_URL": "an EVM JSON-RPC address such as https://rpc.example, or several with commas between",
    "CAPTURE_CHAIN_KEY_FILE": "a file with the writer's private key as 64 hex digits or as a keystore, mode 0600",
    "CAPTURE_CHAIN_PASSWORD_FILE": "a file with the keystore's password, mode 0600",
    "CAPTURE_CHAIN_SIGNER": "the socket of a program that keeps the key, such as unix:///run/capture-signer.sock",
    "CAPTURE_C2PA_TRUST": "folders or PEM files with trust lists, separated by : as in /etc/capture/trust:/srv/own.pem",
    "CAPTURE_CHAIN_CONTRACT": "the log contract's address, 0x and 40 hex digits, as `capture chain deploy` printed it",
    "CAPTURE_RIGHTS_CONTRACT": "the rights contract's address, as `capture chain deploy-rights` printed it",
    "CAPTURE_RELAY_KEY_FILE": "a file with the private key of the account that pays for rights, mode 0600",
    "CAPTURE_CHAIN_CONFIRMATIONS": "a whole number from 1 to 100000, or nothing where the chain has final blocks",
    "CAPTURE_CHAIN_MAX_FEE_GWEI": "a whole number from 1 to 1000000: the most that one gas may ever cost",
    "CAPTURE_CHAIN_DAILY_GAS": "a whole number from 300000 on: the gas that anchoring may use in 24 hours",
    "CAPTURE_INDEX_URL": "the same PostgreSQL as in CAPTURE_DATABASE_URL, or leave it unset",
    "CAPTURE_SIGNER_URL": "a signing process's socket such as unix:///run/capture/signer.sock, or a token as "
    "pkcs11:token=capture?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/capture/pin",
    "CAPTURE_SIGNER_PASSWORD_FILE": "a file with the password that encrypts the claim signing keys, mode 0600",
    "CAPTURE_LEAF_DAYS": "a whole number from 1 to 5400: the days that a certificate for signing photos is valid",
    "CAPTURE_PUBLIC_URL": "where others reach this service, such as https://capture.example",
    "CAPTURE_TSA_URL": "an RFC 3161 time-stamping authority such as https://tsa.example",
    "CAPTURE_TSA_ROOTS": "a PEM file with the root certificates of the time-stamping authority",
    "CAPTURE_LOG_ORIGIN": "the log's name as a URL without scheme, such as log.example.org/capture",
    "CAPTURE_WITNESSES": "each witness's https URL and its key, such as https://witness.example witness.example+…+…",
    "CAPTURE_ATTESTATION": "a TOML file that says whose devices are attested, as docs/devices.md shows",
    "CAPTURE_PHOTO_WORKERS": "a whole number from 1 to 64",
    "CAPTURE_QUOTAS": "an API key's bytes a day, captures an hour and uploads at once, 0 for no limit: "
    "20000000000 2000 16",
    "CAPTURE_RATE_LIMITS": "how many lookups, and how many photos, one address may send a minute without a key: 120 20",
    "CAPTURE_UNDECLARED_PARENTS": "note, hold or refuse: what becomes of a photo that shows others' photos and does "
    "not name them as its parents",
    "CAPTURE_WEBHOOK_NETWORKS": "networks of your own that webhooks may go to, such as 10.1.0.0/16 192.168.7.5/32",
}


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Parse every CAPTURE_ variable. Raises SettingError for the first that is unknown or malformed."""
    for name in environ:
        if name.startswith("CAPTURE_") and name not in _KNOWN:
            near = difflib.get_close_matches(name, _KNOWN, 1, cutoff=0.8)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(_KNOWN)}"
            raise SettingError(f"{name} is not a setting; {hint}")
    home = Path(environ.get("CAPTURE_HOME") or "data").absolute()
    if set("?#") & set(str(home)):
        raise SettingError("CAPTURE_HOME contains ? or #, which mean something else in URLs; write another folder")
    host, port = _listen(environ)
    database_url = _database(environ, "CAPTURE_DATABASE_URL", ("sqlite", "postgresql"))
    settings = Settings(
        home=home,
        host=host,
        port=port,
        database_url=database_url or f"sqlite:///{home}/capture.db",
        blobs_url=_url(environ, "CAPTURE_BLOBS_URL", ("file", "s3")) or (home / "blobs").as_uri(),
        queue_url=_url(environ, "CAPTURE_QUEUE_URL", ("redis", "rediss", "unix")),
        chain_url=_urls(environ, "CAPTURE_CHAIN_URL", ("http", "https")),
        chain_key_file=_file(environ, "CAPTURE_CHAIN_KEY_FILE"),
        chain_password_file=_file(environ, "CAPTURE_CHAIN_PASSWORD_FILE"),
        chain_signer=_socket(environ, "CAPTURE_CHAIN_SIGNER"),
        chain_contract=_address(environ, "CAPTURE_CHAIN_CONTRACT"),
        chain_confirmations=_whole(environ, "CAPTURE_CHAIN_CONFIRMATIONS", None, 1, 100_000),
        chain_max_fee_gwei=_whole(environ, "CAPTURE_CHAIN_MAX_FEE_GWEI", None, 1, 1_000_000),
        chain_daily_gas=_whole(environ, "CAPTURE_CHAIN_DAILY_GAS", None, 300_000, 10**15),
        index_url=_database(environ, "CAPTURE_INDEX_URL", ("postgresql",)),
        signer_url=_signer(environ),
        signer_password_file=_file(environ, "CAPTURE_SIGNER_PASSWORD_FILE"),
        leaf_days=_whole(environ, "CAPTURE_LEAF_DAYS", None, 1, 5400),
        public_url=(_url(environ, "CAPTURE_PUBLIC_URL", ("http", "https")) or "").rstrip("/") or None,
        tsa_url=_url(environ, "CAPTURE_TSA_URL", ("http", "https")),
        tsa_roots_file=_file(environ, "CAPTURE_TSA_ROOTS"),
        log_origin=_origin(environ),
        witnesses=_witnesses(environ),
        photo_workers=_whole(environ, "CAPTURE_PHOTO_WORKERS", 2, 1, 64),
        rate_limits=_rate_limits(environ),
        c2pa_trust=_places(environ, "CAPTURE_C2PA_TRUST"),
        webhook_networks=_networks(environ),
        quotas=_quotas(environ),
        attestation_file=_file(environ, "CAPTURE_ATTESTATION"),
        rights_contract=_address(environ, "CAPTURE_RIGHTS_CONTRACT"),
        relay_key_file=_file(environ, "CAPTURE_RELAY_KEY_FILE"),
        undeclared_parents=_policy(environ),
    )
    if settings.chain_url and not settings.chain_key_file and not settings.chain_signer:
        raise SettingError(f"CAPTURE_CHAIN_URL needs CAPTURE_CHAIN_KEY_FILE: {_KNOWN['CAPTURE_CHAIN_KEY_FILE']}")
    if settings.chain_key_file and settings.chain_signer:
        raise SettingError("CAPTURE_CHAIN_KEY_FILE and CAPTURE_CHAIN_SIGNER are two keys: leave one unset")
    if settings.index_url and settings.index_url != settings.database_url:
        raise _wrong("CAPTURE_INDEX_URL", environ)  # its triggers keep it in the transaction of the fingerprint
    return settings


def _wrong(name: str, environ: Mapping[str, str]) -> SettingError:
    shown = "(not shown)" if "URL" in name or "KEY" in name else repr(environ[name])  # URLs may carry passwords
    return SettingError(f"{name} is {shown}; write {_KNOWN[name]}")


def _listen(environ: Mapping[str, str]) -> tuple[str, int]:
    host, separator, port = (environ.get("CAPTURE_LISTEN") or "127.0.0.1:8000").rpartition(":")
    if not separator or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise _wrong("CAPTURE_LISTEN", environ)
    return host.strip("[]"), int(port)


def _url(environ: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    value = environ.get(name)
    if not value:
        return None
    try:
        parts = urlsplit(value)
        scheme = parts.scheme.split("+")[0]
        on_socket = scheme == "postgresql" and "host=" in parts.query
        whole = bool(parts.path.strip("/") if scheme in ("file", "sqlite", "unix") or on_socket else parts.hostname)
        relative = scheme == "file" and parts.netloc != ""  # file://data is a folder on a host called data
    except ValueError:
        raise _wrong(name, environ) from None
    if scheme not in schemes or not whole or relative or ":memory:" in value:
        raise _wrong(name, environ)
    return value


def _database(environ: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    """PostgreSQL is spoken to by psycopg, which SQLAlchemy wants to be told."""
    value = _url(environ, name, schemes)
    if value is None or not value.startswith("postgresql"):
        return value
    if importlib.util.find_spec("psycopg") is None:
        raise SettingError(f"{name} needs the package psycopg: run `.venv/bin/pip install 'psycopg[binary]'` first")
    return value.replace("postgresql://", "postgresql+psycopg://", 1)


def _urls(environ: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str | None:
    """One URL or several, separated by commas; a comma within one is written %2C."""
    for url in (environ.get(name) or "").split(","):
        _url({name: url.strip() or ("x" if environ.get(name) else "")}, name, schemes)
    return environ.get(name) or None


def _file(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    if value and not Path(value).is_file():
        raise SettingError(f"{name} names no file; write {_KNOWN[name]}")
    return Path(value).absolute() if value else None


def _socket(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    if value and not value.startswith("unix:///"):
        raise _wrong(name, environ)
    return Path(value.removeprefix("unix://")) if value else None


def _signer(environ: Mapping[str, str]) -> str | None:
    value = environ.get("CAPTURE_SIGNER_URL")
    if value and not value.startswith(("unix:///", "pkcs11:")):
        raise _wrong("CAPTURE_SIGNER_URL", environ)
    return value or None


def _places(environ: Mapping[str, str], name: str) -> tuple[Path, ...]:
    """Files and folders that are there, as in PATH."""
    places = tuple(Path(part).absolute() for part in (environ.get(name) or "").split(os.pathsep) if part)
    if not all(place.exists() for place in places):
        raise _wrong(name, environ)
    return places


def _address(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name)
    if value and not (value.startswith("0x") and len(value) == 42 and _is_hex(value[2:])):
        raise _wrong(name, environ)
    return value or None


def _is_hex(text: str) -> bool:
    return all(character in "0123456789abcdefABCDEF" for character in text)


def _origin(environ: Mapping[str, str]) -> str | None:
    value = environ.get("CAPTURE_LOG_ORIGIN")
    if value and ("://" in value or "+" in value or any(c.isspace() for c in value) or len(value) > 200):
        raise _wrong("CAPTURE_LOG_ORIGIN", environ)
    return value or None


def _witnesses(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Pairs of a URL and a verifier key, all separated by white space."""
    words = (environ.get("CAPTURE_WITNESSES") or "").split()
    pairs = tuple(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or not all(url.startswith(("https://", "http://")) and "+" in vkey for url, vkey in pairs):
        raise _wrong("CAPTURE_WITNESSES", environ)
    return pairs


def _rate_limits(environ: Mapping[str, str]) -> tuple[int, int]:
    """Lookups, and photos to compare, that one address may send a minute without a key."""
    words = (environ.get("CAPTURE_RATE_LIMITS") or "120 20").split()
    if len(words) != 2 or not all(word.isascii() and word.isdigit() and len(word) < 10 for word in words):
        raise _wrong("CAPTURE_RATE_LIMITS", environ)
    return int(words[0]), int(words[1])


def _policy(environ: Mapping[str, str]) -> UndeclaredPolicy:
    value = environ.get("CAPTURE_UNDECLARED_PARENTS") or "note"
    for policy in typing.get_args(UndeclaredPolicy):
        if value == policy:
            return typing.cast(UndeclaredPolicy, policy)
    raise _wrong("CAPTURE_UNDECLARED_PARENTS", environ)


def _networks(environ: Mapping[str, str]) -> tuple[str, ...]:
    words = (environ.get("CAPTURE_WEBHOOK_NETWORKS") or "").split()
    try:
        return tuple(str(ipaddress.ip_network(word)) for word in words)
    except ValueError:
        raise _wrong("CAPTURE_WEBHOOK_NETWORKS", environ) from None


def _quotas(environ: Mapping[str, str]) -> tuple[int, int, int]:
    """Bytes a day, captures an hour, and uploads at once of one API key; 0 is no limit."""
    words = (environ.get("CAPTURE_QUOTAS") or "20000000000 2000 16").split()
    if len(words) != 3 or not all(word.isascii() and word.isdigit() and len(word) < 19 for word in words):
        raise _wrong("CAPTURE_QUOTAS", environ)
    return int(words[0]), int(words[1]), int(words[2])


def _whole(environ: Mapping[str, str], name: str, default: T, low: int, high: int) -> int | T:
    value = environ.get(name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
        raise _wrong(name, environ)
    return int(value)


@dataclass(frozen=True, slots=True)
class Engines:
    """The addresses of queue, chain and signer: set by URL, or embedded and told by the supervisor."""

    queue_url: str
    chain_url: str
    chain_is_local: bool
    signer: str = ""

    def write(self, settings: Settings) -> None:
        """Tell the other processes, in one step."""
        temporary = settings.run / "engines.json.new"
        temporary.write_text(json.dumps(dataclasses.asdict(self)))
        temporary.replace(settings.run / "engines.json")

    @classmethod
    def read(cls, settings: Settings) -> "Engines":
        """What the supervisor told. Raises SettingError when nothing runs here."""
        try:
            return cls(**json.loads((settings.run / "engines.json").read_text()))
        except FileNotFoundError:
            raise SettingError(f"nothing runs in {settings.home}: start it with `capture up`") from None


def worker_name(kind: str, number: int) -> str:
    """A worker's name, the same after a restart, so that the new one can free what the dead one held."""
    return f"{socket.gethostname()[:24]}-{kind}-{number}"
