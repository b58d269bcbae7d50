"""Which engine answers for which port: settings become services. The only place that picks engines."""

import secrets
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import Unavailable
from pipeline.ports import Picture, Signed, SigningOrder
from pipeline.record import Credentials, Fingerprint, Leaf, Rights, Verdict
from settings import Engines, Settings, worker_name
from store.blobs import BlobStore
from store.captures import CaptureRecords
from store.database import Database
from store.erasure import Erasures, Grave
from store.fingerprints import FingerprintRows
from store.keys import ApiKeys
from store.local_features import LocalFeatures
from store.log import LogRecords
from store.trust import TrustVerdicts

if TYPE_CHECKING:
    from fingerprint.band_index import BandIndex
    from fingerprint.index import ScanIndex
    from fingerprint.inverted import InvertedFile
    from ledger.anchor import Anchorer
    from ledger.checkpoint import CheckpointSigner
    from ledger.cosigning import Cosigning, Witness
    from provenance.keys import Identity
    from provenance.trust import TrustLists
    from store.bell import Bell

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
    def captures(self) -> CaptureRecords:
        # Asked when there is a fact to commit, so that a process that forks need not open the blob store.
        return CaptureRecords(self.database, lambda sha256: self.blobs.has(sha256))

    @cached_property
    def erasures(self) -> Erasures:
        return Erasures(self.database, lambda sha256: self.blobs.remove(sha256))

    @cached_property
    def trust_verdicts(self) -> TrustVerdicts:
        return TrustVerdicts(self.database)

    @cached_property
    def keys(self) -> ApiKeys:
        return ApiKeys(self.database)

    @cached_property
    def log(self) -> LogRecords:
        return LogRecords(self.database)

    @cached_property
    def index(self) -> "ScanIndex | BandIndex":
        """Codes of whole pictures: mapped files of this machine, or the database that all machines share."""
        if self.settings.index_url:
            from fingerprint.band_index import BandIndex
            from store.bands import PostgresBands

            return BandIndex(PostgresBands(self.database))
        from fingerprint.index import ScanIndex

        return ScanIndex(self.settings.home / "index", FingerprintRows(self.database))

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

    @cached_property
    def identity(self) -> "Identity":
        from provenance.keys import Identity

        return Identity.load_or_make(self.settings.keys / "c2pa")

    @cached_property
    def trust(self) -> "TrustLists":
        """Whom we trust: our own root and the operator's lists. Raises Unavailable, naming the file."""
        from provenance.trust import TrustLists

        root = self.settings.keys / "c2pa" / "root.pem"  # read alone: loading the keys with it takes 16 ms
        pem = root.read_text("ascii") if root.exists() else self.identity.root_pem
        return TrustLists.load(pem, self.settings.trust_places)

    @cached_property
    def anchorer(self) -> "Anchorer":
        """The only thing here that loads web3: nothing but the ledger worker and the command line asks for it."""
        from ledger.anchor import Anchorer
        from ledger.chain import Chain
        from store.outbox import Outbox

        engines = self.engines
        chain = Chain(engines.chain_url, self.chain_key(), self.settings.chain_contract, engines.chain_is_local)
        return Anchorer(chain, Outbox(self.database), self.log, holder=worker_name("ledger", 1))

    def chain_key(self) -> bytes:
        """The writer's private key, 32 bytes: the operator's file, or one made at the first start (mode 0600)."""
        from ledger.accounts import read_or_make_key

        return read_or_make_key(self.settings.chain_key_file or self.settings.keys / "chain" / "writer.key")

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
        """Raise Unavailable when the chain does not answer. Asked without web3, which the API never loads."""
        from ledger.verify import NotChecked
        from ledger.verify_chain import QUANTITY, ask

        try:
            ask(self.engines.chain_url, QUANTITY, "eth_chainId")
        except (ValueError, NotChecked) as error:
            raise Unavailable("the chain did not answer") from error

    def close(self) -> None:
        """Give back what was opened. Must be called before a fork."""
        for name in ("database", "bell"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        for name in ("captures", "erasures", "keys", "log", "index", "points", "domains", "trust_verdicts"):
            self.__dict__.pop(name, None)


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

    def judge(self, fingerprint: Fingerprint, picture: Any, sha256: bytes, before: int | None) -> Verdict:
        from fingerprint.match import Library, judge

        here = self._services
        library = Library(
            here.index, here.points, LocalFeatures(here.database), lambda digest: b"".join(here.blobs.read(digest))
        )
        return judge(fingerprint, picture, sha256, library, before)

    def sign(self, photo: Path, signed: Path, order: SigningOrder) -> Signed:
        from provenance.manifest import sign
        from rights.preferences import metadata_assertion, training_mining_assertion

        assertions = {
            "cawg.metadata": metadata_assertion(order.rights),
            "cawg.training-mining": training_mining_assertion(order.rights),
        }
        here = self._services
        return sign(photo, signed, order, assertions, here.identity, here.settings.tsa_url)

    def terms_id(self, rights: Rights) -> bytes:
        from rights.terms import terms_id

        return terms_id(rights)

    def commit(self, words: Mapping[str, bytes | int]) -> tuple[tuple[bytes, ...], bytes]:
        from ledger.leaf import leaf_digest, statement

        written = statement(**words)  # type: ignore[arg-type]
        return written, leaf_digest(written)

    def tombstone(self, grave: Grave) -> Leaf:
        from ledger.leaf import leaf_digest, tombstone

        words = tombstone(
            salt=secrets.token_bytes(32), leaf=grave.leaf, position=grave.position, capture_id=grave.capture_id,
            owner=grave.owner_address, erased_at=grave.erased_at,
        )  # fmt: skip
        return Leaf(statement=words, digest=leaf_digest(words))
