"""erasure"""

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

revision = "0004"
down_revision = "0003"

_NAMED_BY = {"asset": ("sha256",), "fingerprint": ("thumbnail_sha256",),
             "manifest": ("sha256", "signed_sha256", "thumbnail_sha256")}  # fmt: skip
_BATCH = 1000


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "removed_fingerprints",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("fingerprint", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_removed_fingerprints")),
    )
    op.create_table(
        "blob_uses",
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_blob_uses_capture_id")),
        sa.PrimaryKeyConstraint("sha256", "capture_id", name=op.f("pk_blob_uses")),
    )
    op.create_index(op.f("ix_blob_uses_capture_id"), "blob_uses", ["capture_id"])
    op.create_table(
        "erasures",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("erased_at", sa.String(length=27), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_erasures_capture_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_erasures")),
        sa.UniqueConstraint("capture_id", name=op.f("uq_erasures_capture_id")),
    )
    op.create_index(
        "ix_erasures_open",
        "erasures",
        ["number"],
        sqlite_where=sa.text("done IS 0"),
        postgresql_where=sa.text("done IS false"),
    )
    _note_who_names_what(op.get_bind())


def _note_who_names_what(connection: Connection) -> None:
    """Without this, the blobs of what was registered before would look like nobody's."""
    query = sa.text(
        "select number, capture_id, name, value from facts"
        " where number > :after and name in ('asset', 'fingerprint', 'manifest') order by number limit :most"
    )
    insert = sa.text("insert into blob_uses (sha256, capture_id) values (:sha256, :capture_id) on conflict do nothing")
    after = 0
    while rows := connection.execute(query, {"after": after, "most": _BATCH}).all():
        after = rows[-1].number
        for _, capture_id, name, value in rows:
            fact = json.loads(value)
            for digest in filter(None, (fact.get(key) for key in _NAMED_BY[name])):
                connection.execute(insert, {"sha256": bytes.fromhex(digest), "capture_id": capture_id})


def downgrade() -> None:
    for table in ("erasures", "blob_uses", "removed_fingerprints"):
        op.drop_table(table)
