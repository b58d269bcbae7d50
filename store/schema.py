"""Every table, once. The migrations in store/migrations lead here; a test holds the two against each other."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives out row numbers by itself only for columns declared INTEGER.
Number = BigInteger().with_variant(Integer, "sqlite")

captures = Table(
    "captures",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("owner", String(32), nullable=False),
    Column("owner_address", LargeBinary(20), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("created_at", String(27), nullable=False),  # RFC 3339 UTC, microseconds: sorts as text
    Column("request", Text, nullable=False),
    Column("finished", Boolean, nullable=False, default=False),
    # Work that is being done: who has it, until when, how often it was taken without adding a fact.
    Column("lease_token", String(64)),
    Column("lease_until_ms", BigInteger, nullable=False, default=0),
    Column("ring_at_ms", BigInteger, nullable=False, default=0),  # when the sweeper rings for it (again)
    Column("attempts", Integer, nullable=False, default=0),
    Column("problem", Text),  # a Conflict: nothing touches this capture until a person has looked
    UniqueConstraint("owner", "sha256"),
)
Index(
    "ix_captures_open",
    captures.c.ring_at_ms,
    sqlite_where=captures.c.finished.is_(False),
    postgresql_where=captures.c.finished.is_(False),
)

facts = Table(
    "facts",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False),
    Column("name", String(16), nullable=False),
    Column("value", Text, nullable=False),
    Column("created_at", String(27), nullable=False),
    UniqueConstraint("capture_id", "name"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("owner", String(32), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("request_digest", LargeBinary(32), nullable=False),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False),
    Column("created_at", String(27), nullable=False, index=True),  # a key is kept for a day
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),  # SHA-256; the key itself is never stored
    Column("name", Text, nullable=False),
    Column("owner", String(32), nullable=False),
    Column("owner_address", LargeBinary(20), nullable=False),
    Column("scopes", String(64), nullable=False),  # space-separated
    Column("rights", Text, nullable=False),  # defaults for uploads with this key
    Column("created_at", String(27), nullable=False),
    Column("revoked_at", String(27)),
    # What the operator set for this key; empty is what the settings say, 0 is no limit.
    Column("limit_bytes_a_day", BigInteger),
    Column("limit_captures_an_hour", BigInteger),
    Column("limit_uploads", BigInteger),
)

# Rows derived from the `fingerprint` fact, in the order of commit: what fingerprint/index.py maps into memory.
fingerprints = Table(
    "fingerprints",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False, unique=True),
    Column("sha256", LargeBinary(32), nullable=False, index=True),
    Column("pdq", LargeBinary(32), nullable=False),
    Column("quality", Integer, nullable=False),
    Column("iscc", LargeBinary(8)),  # the ISCC image code's 64 bits
    sqlite_autoincrement=True,  # a number is never given out twice: the index file is in their order
)

# Also derived from the `fingerprint` fact, apart because a row fills a page: reading the codes above stays quick.
local_features = Table(
    "local_features",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=False),  # of the table `fingerprints`
    Column("thumbnail_sha256", LargeBinary(32), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("points", LargeBinary, nullable=False),  # fingerprint/features.py packs them; empty for flat photos
)

# Numbers that left the table `fingerprints`, in the order in which they did: derived files let go of them.
removed_fingerprints = Table(
    "removed_fingerprints",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("fingerprint", BigInteger, nullable=False),
)

# Which capture's facts name which blob; a blob that nobody names any more is removed.
blob_uses = Table(
    "blob_uses",
    metadata,
    Column("sha256", LargeBinary(32), primary_key=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), primary_key=True, index=True),
)

# Derived from the `manifest` fact of published captures: whom anybody may find, and by which label. No other is here.
published_manifests = Table(
    "published_manifests",
    metadata,
    Column("capture_id", String(32), ForeignKey("captures.id"), primary_key=True),
    Column("label", Text, nullable=False, index=True),  # the active manifest's URN
)

# Captures that their owners had erased. `done`: nothing of it is left on the disk, and the log has its tombstone.
erasures = Table(
    "erasures",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False, unique=True),
    Column("erased_at", String(27), nullable=False),
    Column("done", Boolean, nullable=False, default=False),
)
Index(
    "ix_erasures_open",
    erasures.c.number,
    sqlite_where=erasures.c.done.is_(False),
    postgresql_where=erasures.c.done.is_(False),
)

# Rows derived from the `leaf` fact, and one for each later statement about rights, which has no capture_id here.
# `position` is empty until the sequencer gave the leaf its place in the log.
log_leaves = Table(
    "log_leaves",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), unique=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("position", BigInteger, unique=True),
)
Index(
    "ix_log_leaves_waiting",
    log_leaves.c.number,
    sqlite_where=log_leaves.c.position.is_(None),
    postgresql_where=log_leaves.c.position.is_(None),
)

# What owners stated about rights after their photos were sealed: the newest counts, and all stay.
rights_statements = Table(
    "rights_statements",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False, index=True),
    Column("rights", Text, nullable=False),
    Column("statement", Text, nullable=False),  # the ten words, as a leaf fact has them
    Column("leaf", Number, ForeignKey("log_leaves.number"), nullable=False, unique=True),
    Column("stated_at", String(27), nullable=False),
)

# Signed photos whose time-stamp is pending (derived from `manifest`), until they have the fact `timestamp`.
unstamped = Table(
    "unstamped",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False, unique=True),
    Column("sha256", LargeBinary(32), nullable=False),  # of the manifest store: what is to be stamped
)

# C2SP tlog-tiles: `hashes` is 1 to 256 hashes of 32 bytes. A partial tile is a prefix of the row.
log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary(8192), nullable=False),
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", String(27), nullable=False),
)

# What witnesses signed of a checkpoint (C2SP tlog-cosignature): one line of the note for each witness.
cosignatures = Table(
    "cosignatures",
    metadata,
    Column("size", BigInteger, ForeignKey("checkpoints.size"), primary_key=True, autoincrement=False),
    Column("key_id", String(8), primary_key=True),  # of the witness's key, as hex
    Column("line", Text, nullable=False),
)

# What newer trust lists say of a signer: dated, and beside the `credentials` fact, which stays. The newest row counts.
trust_verdicts = Table(
    "trust_verdicts",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False, index=True),
    Column("lists", String(64), nullable=False),  # the digest of the lists that were asked
    Column("value", Text, nullable=False),
    Column("created_at", String(27), nullable=False),
)

# The outbox of the anchorer: signed bytes are stored here before they are sent, and kept. `size` 0 is the deployment.
# Several with one nonce are replacements of each other: the chain takes one of them.
transactions = Table(
    "transactions",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("sender", String(42), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("contract", String(42), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary(32), nullable=False),
    Column("hash", String(66), nullable=False, unique=True),
    Column("raw", LargeBinary, nullable=False),
    Column("local", Boolean, nullable=False),  # of the embedded chain
    Column("state", String(10), nullable=False),  # signed, sent, included, final; reverted, replaced
    Column("block", BigInteger),
    Column("block_hash", String(66)),
    Column("block_time", BigInteger),
    Column("gas", BigInteger, nullable=False),  # what it may use, and once it is in a block what it used
    Column("created_at", String(27), nullable=False),
    Column("included_at", String(27)),
)
Index("ix_transactions_contract_size", transactions.c.contract, transactions.c.size)
Index("ix_transactions_state_size", transactions.c.state, transactions.c.size)
Index("ix_transactions_sender_nonce", transactions.c.sender, transactions.c.nonce)
Index("ix_transactions_sender_created_at", transactions.c.sender, transactions.c.created_at)

# One holder per name; `fence` grows with every change of hands.
leases = Table(
    "leases",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("until_ms", BigInteger, nullable=False),
)

# What happened to captures, for those who want to be told. `name`: the fact's, or `included`, `final`, `erased`
# (store/changes.py). `position`: on PostgreSQL the place in the order of commit, given afterwards.
changes = Table(
    "changes",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False, index=True),
    Column("owner", String(32), nullable=False),
    Column("name", String(16), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("position", BigInteger, unique=True),
    sqlite_autoincrement=True,  # a number is never given out twice: cursors are in their order
)
Index("ix_changes_owner_number", changes.c.owner, changes.c.number)
Index("ix_changes_owner_position", changes.c.owner, changes.c.position)
Index("ix_changes_unplaced", changes.c.number, postgresql_where=changes.c.position.is_(None))

# Who is told: an owner's webhooks, and the browsers that take push messages. `position`: of the last change that was
# turned into deliveries. `secret` is encrypted (notify/seal.py).
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(8), nullable=False),  # webhook, push
    Column("owner", String(32), nullable=False, index=True),
    Column("key_id", String(32), ForeignKey("api_keys.id"), nullable=False),
    Column("url", Text, nullable=False),
    Column("events", Text, nullable=False),  # space-separated
    Column("secret", LargeBinary, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("failures", Integer, nullable=False, default=0),  # since the last success
    Column("failing_since", String(27)),
    Column("due_ms", BigInteger, nullable=False, default=0),
    Column("problem", Text),
    Column("delivered_at", String(27)),
    Column("disabled_at", String(27)),
    Column("lease_holder", String(64)),
    Column("lease_until_ms", BigInteger, nullable=False, default=0),
)

# What is still to be delivered, or could not be: a row goes when the receiver has said that it has it.
deliveries = Table(
    "deliveries",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("subscription_id", String(32), ForeignKey("subscriptions.id"), nullable=False),
    Column("message_id", String(64), nullable=False, unique=True),
    Column("position", BigInteger, nullable=False),
    Column("type", String(32), nullable=False),
    Column("capture_id", String(32), ForeignKey("captures.id"), index=True),  # none: a test
    Column("happened_at", String(27), nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("due_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("problem", Text),
    Column("failed_at", String(27)),
)
Index("ix_deliveries_subscription_id_due_ms", deliveries.c.subscription_id, deliveries.c.due_ms)

# Which capture was made from which, as its uploader named them (the same as in `captures.request`) or its owner said
# on the chain, to be asked the other way round. Goes with either.
lineage = Table(
    "lineage",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("child_id", String(32), ForeignKey("captures.id"), nullable=False),
    Column("parent_id", String(32), ForeignKey("captures.id"), nullable=False),
    UniqueConstraint("child_id", "parent_id"),
)
Index("ix_lineage_parent_id_number", lineage.c.parent_id, lineage.c.number)

# What a work passes on to each of its ancestors, as the rights contract has it (store/shares.py): `ancestor` is the
# upper 22 bytes of that work's id, `share` of 10^18.
work_shares = Table(
    "work_shares",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False),
    Column("ancestor", LargeBinary(22), nullable=False),
    Column("share", BigInteger, nullable=False),
    UniqueConstraint("capture_id", "ancestor"),
)
Index("ix_work_shares_ancestor_number", work_shares.c.ancestor, work_shares.c.number)

# What owners had erased, as a keyed digest that tells nothing to whoever has not the key file (docs/why-018).
erased_digests = Table("erased_digests", metadata, Column("tag", LargeBinary(32), primary_key=True))

# What a key used up in the day (bytes) or the hour (captures) that it used last.
quota_use = Table(
    "quota_use",
    metadata,
    Column("key_id", String(32), ForeignKey("api_keys.id"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("period", String(13), nullable=False),  # the beginning of an RFC 3339 time: its text order is time order
    Column("used", BigInteger, nullable=False),
)

# Uploads that come in pieces (store/uploads.py); their bytes are files. `writer`: who may append.
uploads = Table(
    "uploads",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(32), nullable=False, index=True),
    Column("length", BigInteger),
    Column("offset", BigInteger, nullable=False),  # what is on the disk for good
    Column("metadata", Text, nullable=False),
    Column("partial", Boolean, nullable=False),
    Column("writer", String(16)),
    Column("expires_at", String(27), nullable=False, index=True),
    Column("capture_id", String(32)),
)
# Devices that may sign for captures. A revoked one stays, so that it cannot come back and its captures can be told.
devices = Table(
    "devices",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", String(32), nullable=False),
    Column("name", Text, nullable=False),
    Column("thumbprint", LargeBinary(32), nullable=False),  # RFC 7638
    Column("key", LargeBinary(64), nullable=False),  # P-256: x and y
    Column("attested", Text, nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("revoked_at", String(27)),
    UniqueConstraint("owner", "thumbprint"),
)

# What signatures must hold, once: only the digest is stored. Used ones stay for a day, to be told from unknown ones.
device_nonces = Table(
    "device_nonces",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("owner", String(32), nullable=False, index=True),
    Column("until_ms", BigInteger, nullable=False, index=True),
    Column("used", Boolean, nullable=False),
)

# Counters of the offline statements that came, once for each photo: they lead to no capture, so erasure leaves them.
device_counters = Table(
    "device_counters",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("device_id", String(32), ForeignKey("devices.id"), nullable=False),
    Column("counter", BigInteger, nullable=False),
)
Index("ix_device_counters_device_id_counter", device_counters.c.device_id, device_counters.c.counter)

# What is to happen at the rights contract (store/orders.py). `same`: of two equal wishes there is one.
orders = Table(
    "orders",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("id", String(24), nullable=False, unique=True),
    Column("capture_id", String(32), nullable=False, index=True),
    Column("owner", String(32), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("same", Text),
    Column("asked", Text, nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("state", String(8), nullable=False),
    Column("transactions", Text, nullable=False),
    Column("raw", LargeBinary),
    Column("result", Text),
    Column("problem", Text),
    UniqueConstraint("capture_id", "same"),
)
Index(
    "ix_orders_open", orders.c.number, sqlite_where=orders.c.state == "open", postgresql_where=orders.c.state == "open"
)

# Every transaction that an account of ours sent to the rights contract: a chain that lost its newest blocks gets them
# again. `account`: whose nonce it is, and on which chain (CAIP-10, at most 7 + 32 + 1 + 42 characters). `abandoned`: it
# is sent no more, because another may have done what it was for; its hash stays known.
relayed = Table(
    "relayed",
    metadata,
    Column("account", String(82), primary_key=True),
    Column("nonce", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(66), nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("order_id", String(24), index=True),  # none for the contract's creation
    Column("replaced", Text, nullable=False, server_default="[]"),  # hashes of those with lower fees
    Column("abandoned", Boolean, nullable=False, server_default=false()),
)

# What happened to works at the rights contract without an order of ours (store/chain_events.py). `place`: of the entry
# among the contract's in its transaction; `block` is empty while the chain has taken it back.
chain_events = Table(
    "chain_events",
    metadata,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("capture_id", String(32), ForeignKey("captures.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("transaction", String(66), nullable=False),
    Column("place", Integer, nullable=False),
    Column("block", BigInteger),
    Column("told", Text, nullable=False),
    Column("seen_at", String(27), nullable=False),
    UniqueConstraint("transaction", "place"),
)
Index("ix_chain_events_block", chain_events.c.block)
Index("ix_chain_events_capture_id_kind", chain_events.c.capture_id, chain_events.c.kind)

# The last block in which the contract was read; its name has the chain's number in front.
chain_reading = Table(
    "chain_reading",
    metadata,
    Column("contract", String(64), primary_key=True),
    Column("block", BigInteger, nullable=False),
)

# The accounts that owners showed to control, beside those that the service keeps for them.
wallets = Table(
    "wallets",
    metadata,
    Column("owner", String(32), primary_key=True),
    Column("address", String(42), nullable=False),
    Column("bound_at", String(27), nullable=False),
)
