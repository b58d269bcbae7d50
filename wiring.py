"""Which engine answers for which port: settings become services. The only place that picks engines."""

import dataclasses
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.device import Device
from pipeline.errors import Unavailable
from pipeline.parents import UndeclaredPolicy
from pipeline.ports import Picture, Public, Signed, SigningOrder
from pipeline.record import Capture, Credentials, Fingerprint, Leaf, Rights, Timestamp, Verdict
from settings import Engines, SettingError, Settings, worker_name
from store.amendments import Amendments
from store.bands import PostgresBands
from store.blobs import BlobStore
from store.captures import CaptureRecords
from store.catalogue import Catalogue
from store.chain_events import ChainEvents
from store.changes import Changes
from store.database import Database
from store.deliveries import Deliveries
from store.devices import Devices
from store.erasure import Erasures, Grave
from store.fingerprints import FingerprintRows
from store.keys import ApiKeys
from store.known import Known, tags_under
from store.lineage import Lineage
from store.local_features import LocalFeatures
from store.log import LogRecords
from store.orders import Orders
from store.published import PublishedBands, PublishedFeatures, PublishedManifests, PublishedRows
from store.quotas import Quotas
from store.shares import WorkShares
from store.statements import RightsStatements
from store.subscriptions import Subscriptions
from store.trust import TrustVerdicts
from store.uploads import UploadStore
from store.wallets import Wallets

if TYPE_CHECKING:
    from fingerprint.band_index import BandIndex
    from fingerprint.index import ScanIndex
    from fingerprint.inverted import InvertedFile
    from ledger.anchor import Anchorer
    from ledger.asking import Works
    from ledger.checkpoint import CheckpointSigner
    from ledger.cosigning import Cosigning, Witness
    from ledger.relay import Relay
    from ledger.signer import Signer
    from ledger.standing import Standings
    from notify.keys import NotifyKeys
    from provenance.certificates import LeafPolicy
    from provenance.devices.policy import Policy
    from provenance.keys import Identity, KeyFolder
    from provenance.timestamp import Authority
    from provenance.trust import TrustLists
    from store.bell import Bell
    from store.slots import Slots

SEQUENCE_LIMIT = 10_000  # leaves in one transaction: about 0.2 s, while uploads wait to be written


class Services:
    """Everything that a door may use. Each engine is opened when it is first needed, so that the API never loads
    web3 and a photo worker never opens the chain."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def engines(self) -> Engines:
        return Engines.read(self.settings)

    @cached_property
    def database(self) -> Database:
        return Database(self.settings.database_url)

    @cached_property
    def blobs(self) -> BlobStore:
        return BlobStore(self.settings.blobs_url)

    @cached_property
    def uploads(self) -> UploadStore:
        return UploadStore(self.database, self.settings.home / "uploads")

    @cached_property
    def captures(self) -> CaptureRecords:
        # Asked when there is a fact to commit, so that a process that forks need not open the blob store.
        return CaptureRecords(self.database, lambda sha256: self.blobs.has(sha256))

    @cached_property
    def erasures(self) -> Erasures:
        return Erasures(self.database, lambda sha256: self.blobs.remove(sha256), self._erased_tags)

    @cached_property
    def known(self) -> Known:
        return Known(self.database, self._erased_tags)

    @cached_property
    def _erased_tags(self) -> Callable[[str, bytes], bytes]:
        return tags_under(self.settings.keys / "erased.key")

    @cached_property
    def amendments(self) -> Amendments:
        return Amendments(self.database)

    @cached_property
    def lineage(self) -> Lineage:
        return Lineage(self.database)

    @cached_property
    def work_shares(self) -> WorkShares:
        return WorkShares(self.database)

    @cached_property
    def chain_events(self) -> ChainEvents:
        return ChainEvents(self.database)

    @cached_property
    def quotas(self) -> Quotas:
        return Quotas(self.database)

    @cached_property
    def slots(self) -> "Slots":
        from store.slots import Slots

        return Slots(self.bell.connection)

    @cached_property
    def trust_verdicts(self) -> TrustVerdicts:
        return TrustVerdicts(self.database)

    @cached_property
    def keys(self) -> ApiKeys:
        return ApiKeys(self.database)

    @cached_property
    def changes(self) -> Changes:
        return Changes(self.database)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        return Subscriptions(self.database)

    @cached_property
    def deliveries(self) -> Deliveries:
        return Deliveries(self.database)

    @cached_property
    def notify_keys(self) -> "NotifyKeys":
        """What seals subscriptions' secrets, and who sends push messages: made when they are first asked for."""
        from ledger.keyfile import read_private, write_once
        from notify.keys import NotifyKeys

        settings = self.settings
        return NotifyKeys(settings.keys / "notify", read_private, write_once, settings.public_url)

    @cached_property
    def devices(self) -> Devices:
        return Devices(self.database)

    @cached_property
    def attestation(self) -> "Policy":
        """Whose attestations count, and for what. Raises SettingError, naming what is wrong in the file."""
        from provenance.devices.policy import load_policy

        try:
            return load_policy(self.settings.attestation_file)
        except ValueError as error:
            raise SettingError(f"CAPTURE_ATTESTATION: {error}") from None

    @cached_property
    def log(self) -> LogRecords:
        return LogRecords(self.database)

    @cached_property
    def index(self) -> "ScanIndex | BandIndex":
        """Codes of whole pictures: mapped files of this machine, or the database that all machines share."""
        return self._index(FingerprintRows, PostgresBands)

    @cached_property
    def published_index(self) -> "ScanIndex | BandIndex":
        """The same for strangers, who find what is published and nothing else."""
        return self._index(PublishedRows, PublishedBands)

    def _index(self, rows: type[FingerprintRows], bands: type[PostgresBands]) -> "ScanIndex | BandIndex":
        if self.settings.index_url:
            from fingerprint.band_index import BandIndex

            return BandIndex(bands(self.database))
        from fingerprint.index import ScanIndex

        return ScanIndex(self.settings.home / "index", rows(self.database))

    @cached_property
    def published(self) -> PublishedManifests:
        return PublishedManifests(self.database)

    @cached_property
    def points(self) -> "InvertedFile":
        """Local features: one set of mapped files a machine, whatever the database is."""
        from fingerprint.inverted import InvertedFile

        return InvertedFile(self.settings.home / "index", LocalFeatures(self.database))

    @cached_property
    def bell(self) -> "Bell":
        from store.bell import Bell

        return Bell(self.engines.queue_url)

    @cached_property
    def domains(self) -> "Domains":
        return Domains(self)

    @cached_property
    def checkpoint_signer(self) -> "CheckpointSigner":
        from ledger.checkpoint import CheckpointSigner

        return CheckpointSigner.load_or_make(self.settings.keys / "log", self.settings.log_origin)

    @cached_property
    def witnesses(self) -> "tuple[Witness, ...]":
        """Who is asked to cosign our checkpoints. Raises Rejected for a key that is none."""
        from ledger.cosigning import Witness

        return tuple(Witness.parse(url, vkey) for url, vkey in self.settings.witnesses)

    def cosigning(self) -> "Cosigning":
        """What keeps the witnesses up to date, to be run beside the ledger's work."""
        from ledger.cosigning import Cosigning

        return Cosigning(self.witnesses, self.log)

    @property
    def identity(self) -> "Identity":
        """Who signs photos now, asked of the signing process; the key stays there. Raises Unavailable."""
        from provenance.signer import identity_of

        return identity_of(Path(self.settings.signer_socket or self.engines.signer))

    def leaf_policy(self) -> "LeafPolicy":
        """How long certificates for signing photos live, and where they say that the revocation list is."""
        from provenance.certificates import STAMPED_LIFE, UNSTAMPED_LIFE, LeafPolicy

        settings = self.settings
        life = STAMPED_LIFE if settings.tsa_url else UNSTAMPED_LIFE
        life = timedelta(days=settings.leaf_days) if settings.leaf_days else life
        return LeafPolicy(life, f"{settings.public_url}/keys/crl.der" if settings.public_url else None)

    def claim_keys(self) -> "KeyFolder":
        """The keys themselves: for the operator's commands, and nothing else. Raises SettingError."""
        from provenance.hsm import Pkcs11Token
        from provenance.keyfiles import read_password
        from provenance.keys import KeyFolder

        settings = self.settings
        if settings.signer_socket:
            raise SettingError("the keys are with the signing process of CAPTURE_SIGNER_URL: run this where it runs")
        password = read_password(settings.signer_password_file) if settings.signer_password_file else None
        token = Pkcs11Token.open(settings.signer_url) if settings.signer_url else None
        return KeyFolder(settings.claim_keys, self.leaf_policy(), password, token)

    def check_signer(self) -> None:
        """Raise Unavailable when the signing process does not answer, or its certificate has ended."""
        self.identity.check()

    @cached_property
    def time_authority(self) -> "Authority | None":
        """Who is asked for time-stamps, or None. Raises Unavailable when the file with its roots is no such file."""
        from provenance.timestamp import Authority, read_roots

        url, file = self.settings.tsa_url, self.settings.tsa_roots_file
        if not url:
            return None
        try:
            return Authority(tsa_post(url), read_roots(file.read_bytes()) if file else ())
        except (OSError, ValueError):
            raise Unavailable(f"the time-stamping authority: {file} (CAPTURE_TSA_ROOTS) holds no certificate") from None

    @cached_property
    def trust(self) -> "TrustLists":
        """Whom we trust: our own root and the operator's lists. Raises Unavailable, naming the file."""
        from provenance.trust import TrustLists

        identity = self.identity
        return TrustLists.load(identity.root_pem, self.settings.trust_places, identity.crl_pem)

    @cached_property
    def anchorer(self) -> "Anchorer":
        """The only thing here that loads web3: nothing but the ledger worker and the command line asks for it."""
        from ledger.anchor import Anchorer
        from ledger.chain import Chain
        from store.outbox import Outbox

        engines, settings = self.engines, self.settings
        chain = Chain(
            engines.chain_url, self.chain_signer(), settings.chain_contract, engines.chain_is_local,
            confirmations=settings.chain_confirmations, max_fee_wei=self.chain_max_fee_wei(),
        )  # fmt: skip
        outbox, holder = Outbox(self.database), worker_name("ledger", 1)
        return Anchorer(
            chain, outbox, self.log, holder, daily_gas=settings.chain_daily_gas, meanwhile=self._sequence_waiting
        )

    def chain_signer(self) -> "Signer":
        """Who signs as the log's writer: another program, the operator's key file, or one made at the first start."""
        from ledger.signer import LocalSigner, SocketSigner

        settings = self.settings
        if settings.chain_signer:
            return SocketSigner(settings.chain_signer)
        return LocalSigner(self._chain_key())

    def _chain_key(self) -> bytes:
        from ledger.accounts import read_or_make_key

        file = self.settings.chain_key_file or self.settings.keys / "chain" / "writer.key"
        return read_or_make_key(file, self.settings.chain_password_file)

    def chain_max_fee_wei(self) -> int | None:
        """The most that one gas may cost; None when the operator sets no limit."""
        gwei = self.settings.chain_max_fee_gwei
        return gwei * 10**9 if gwei else None

    def _sequence_waiting(self) -> None:
        if self.log.waiting(1):
            self.sequence()

    @property
    def log_contract(self) -> str:
        """The address of the log's contract."""
        from ledger.accounts import checksummed, first_contract

        given = self.settings.chain_contract
        return checksummed(bytes.fromhex(given[2:])) if given else first_contract(self._chain_key())

    @property
    def has_rights(self) -> bool:
        """Whether works can be made on the chain: always on the embedded one, elsewhere when a contract is named."""
        return bool(self.settings.rights_contract) or self.engines.chain_is_local

    @property
    def rights_contract(self) -> str:
        """The address of the rights contract: what the operator set, or the relay account's first."""
        from ledger.accounts import first_contract

        return self.settings.rights_contract or first_contract(self.relay_key())

    def check_rights_contract(self) -> None:
        """Raise SettingError when works are in a contract on the embedded chain that is not the relay account's own.

        Nobody named it, so another and empty one would be created, in which no work is found.
        """
        from ledger.accounts import first_contract_of

        if self.settings.chain_url or self.settings.rights_contract:
            return
        made = [first_contract_of(bytes.fromhex(account[-40:])) for account in self.orders.creators()]
        if made and self.rights_contract not in made:
            raise SettingError(
                f"works are in the contract {made[-1]}, which another account created than that of the key in "
                f"{self._relay_file}: put the old key back there (CAPTURE_RELAY_KEY_FILE), or set "
                f"CAPTURE_RIGHTS_CONTRACT={made[-1]}"
            )

    @cached_property
    def works(self) -> "Works":
        """What the rights contract answers; asked without web3."""
        from ledger.asking import Works, nodes

        return Works(nodes(self.engines.chain_url), self.rights_contract)

    @cached_property
    def standings(self) -> "Standings":
        """How works stand at the rights contract, remembered for a second."""
        from ledger.standing import Standings

        return Standings(self.works)

    @cached_property
    def relay(self) -> "Relay":
        """The account that carries wishes to the rights contract. Loads web3: for the ledger worker."""
        from ledger.relay import Relay

        engines, settings = self.engines, self.settings
        return Relay(
            engines.chain_url, self.relay_key(), self.rights_contract, engines.chain_is_local,
            confirmations=settings.chain_confirmations, max_fee_wei=self.chain_max_fee_wei(),
        )  # fmt: skip

    def relay_key(self) -> bytes:
        """The key of the account that pays for rights; made at the first start."""
        from ledger.accounts import read_or_make_key

        return read_or_make_key(self._relay_file, self.settings.chain_password_file)

    @property
    def _relay_file(self) -> Path:
        return self.settings.relay_key_file or self.settings.keys / "chain" / "relay.key"

    @cached_property
    def statements(self) -> RightsStatements:
        return RightsStatements(self.database)

    @cached_property
    def wallets(self) -> Wallets:
        return Wallets(self.database)

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue(self.database)

    @cached_property
    def orders(self) -> Orders:
        return Orders(self.database)

    @cached_property
    def log_place(self) -> dict[str, Any]:
        """What photos say about where their log is anchored."""
        from ledger.place import log_place

        origin = self.checkpoint_signer.origin
        try:
            engines = self.engines
        except SettingError:  # nobody started the chain, or told which it is: the log has its name all the same
            return {"origin": origin}
        memory = self.settings.run / "chain-id"
        return log_place(origin, self.log_contract, engines.chain_url, engines.chain_is_local, memory)

    def sequence(self) -> int:
        """Give all waiting leaves their places in the log; how many."""
        from ledger.sequence import sequence

        return sequence(self.log, self.checkpoint_signer, SEQUENCE_LIMIT)

    def add_key(
        self, name: str, scopes: frozenset[str], rights: Rights, keep: Callable[[str], None] = lambda key: None
    ) -> str:
        """Make an API key for a new owner, who gets an address of its own on the chain."""
        from ledger.accounts import owner_address

        seed = self.settings.keys / "owners.seed"
        return self.keys.add(name, scopes, rights, lambda owner: owner_address(seed, owner), keep)

    def check_chain(self) -> None:
        """Raise Unavailable when no node of the chain answers. Asked without web3, which the API never loads."""
        from ledger.verify import NotChecked
        from ledger.verify_chain import QUANTITY, ask

        for url in self.engines.chain_url.split(","):
            with suppress(ValueError, NotChecked):
                ask(url.strip(), QUANTITY, "eth_chainId")
                return
        raise Unavailable("the chain did not answer")

    def close(self) -> None:
        """Give back what was opened. Must be called before a fork."""
        for name in ("database", "bell"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        for name in [
            "captures",
            "erasures",
            "keys",
            "devices",
            "log",
            "index",
            "published_index",
            "published",
            "points",
            "domains",
            "trust_verdicts",
            "changes",
            "subscriptions",
            "deliveries",
            "known",
            "amendments",
            "lineage",
            "work_shares",
            "chain_events",
            "catalogue",
            "quotas",
            "slots",
            "orders",
        ]:
            self.__dict__.pop(name, None)


def tsa_post(url: str, timeout_s: float | None = None) -> Callable[[bytes], bytes]:
    """How a time-stamping authority is asked (RFC 3161, section 3.4). Raises Unavailable without an answer."""
    from ledger.fetch import fetch
    from provenance.timestamp import MAX_REPLY_BYTES, QUERY_TYPE, TIMEOUT_S

    def post(query: bytes) -> bytes:
        answer = fetch(url, query, timeout_s=timeout_s or TIMEOUT_S, max_bytes=MAX_REPLY_BYTES, media_type=QUERY_TYPE)
        if answer.status != 200:
            raise Unavailable(f"it answered with status {answer.status}")
        return answer.body

    return post


class Domains:
    """What the five domains do for the stages (port: pipeline.ports.Domains). They never import each other."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def inspect(self, photo: Path, media_type: str) -> Credentials:
        from provenance.inspect import inspect

        return inspect(photo, media_type, self._services.trust)

    def decode(self, photo: Path) -> Picture:
        from fingerprint.decode import decode

        return decode(photo)

    def fingerprint(self, picture: Any) -> Fingerprint:
        from fingerprint.hashes import fingerprint

        return fingerprint(picture)

    def judge(
        self, fingerprint: Fingerprint, picture: Any, sha256: bytes, before: int | None, published: bool = False
    ) -> Verdict:
        """With `published`: as if nothing were registered but what strangers may see."""
        from fingerprint.match import Library, judge

        here = self._services
        index, features = (here.published_index, PublishedFeatures) if published else (here.index, LocalFeatures)
        library = Library(index, here.points, features(here.database), lambda digest: b"".join(here.blobs.read(digest)))
        return judge(fingerprint, picture, sha256, library, before)

    def sign(self, photo: Path, signed: Path, order: SigningOrder) -> Signed:
        from provenance.manifest import sign

        here = self._services
        rights = self._rights_assertions(order)
        authority = here.time_authority
        if authority and here.captures.unstamped(1):
            # It did not answer a moment ago: the sweeper asks it, with pauses, and no photo waits for it meanwhile.
            made = sign(photo, signed, order, rights, here.identity, None, here.log_place)
            return dataclasses.replace(made, timestamp="pending")
        return sign(photo, signed, order, rights, here.identity, authority, here.log_place)

    def sign_public(self, signed: Path, public: Path, order: SigningOrder, full: Signed) -> Public:
        from provenance.rendition import sign_public

        here = self._services
        rights = self._rights_assertions(order)
        # An authority that failed a moment ago is not waited for again: what is stamped later is this file's parent.
        authority = here.time_authority if full.timestamp == "embedded" else None
        return sign_public(signed, public, order, full, rights, here.identity, authority, here.log_place)

    def timestamp(self, sha256: bytes) -> Timestamp:
        """A time-stamp over this digest. Raises Unavailable when there is no authority, or it gives none."""
        if authority := self._services.time_authority:
            return authority.stamp(sha256)
        raise Unavailable("the time-stamping authority, which CAPTURE_TSA_URL does not name")

    def _rights_assertions(self, order: SigningOrder) -> dict[str, dict[str, Any]]:
        from rights.preferences import metadata_assertion, training_mining_assertion

        return {
            "cawg.metadata": metadata_assertion(order.rights),
            "cawg.training-mining": training_mining_assertion(order.rights),
        }

    def terms_id(self, rights: Rights) -> bytes:
        from rights.terms import terms_id

        return terms_id(rights)

    def commit(self, words: Mapping[str, bytes | int]) -> tuple[tuple[bytes, ...], bytes]:
        from ledger.leaf import leaf_digest, statement

        written = statement(**words)  # type: ignore[arg-type]
        return written, leaf_digest(written)

    @property
    def undeclared_policy(self) -> UndeclaredPolicy:
        return self._services.settings.undeclared_parents

    def vouches(self, device: Device | None, verdict: Verdict) -> bool:
        known_copy = verdict.kind in ("exact_copy", "near_copy", "contains", "contained_in")
        return device is not None and not known_copy and self._services.attestation.vouches(device.attested)

    def restate(self, capture: Capture, rights: Rights, previous: bytes, at: datetime) -> Leaf:
        from ledger.leaf import leaf_digest, rights_statement

        words = rights_statement(
            salt=secrets.token_bytes(32), upload=capture.fact("asset").sha256,
            manifest=capture.fact("manifest").sha256, previous=previous, owner=capture.owner_address,
            terms=self.terms_id(rights), stated_at=int(at.timestamp()),
        )  # fmt: skip
        return Leaf(statement=words, digest=leaf_digest(words))

    def tombstone(self, grave: Grave) -> Leaf:
        from ledger.leaf import leaf_digest, tombstone

        words = tombstone(
            salt=secrets.token_bytes(32), leaf=grave.leaf, position=grave.position, capture_id=grave.capture_id,
            owner=grave.owner_address, erased_at=grave.erased_at,
        )  # fmt: skip
        return Leaf(statement=words, digest=leaf_digest(words))
