"""what the rights contract said of works without an order of ours, and how far it was read"""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    op.create_table(
        "chain_events",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("transaction", sa.String(length=66), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=True),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_chain_events_capture_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_chain_events")),
        sa.UniqueConstraint("transaction", "place", name=op.f("uq_chain_events_transaction_place")),
    )
    op.create_index("ix_chain_events_block", "chain_events", ["block"])
    op.create_index("ix_chain_events_capture_id_kind", "chain_events", ["capture_id", "kind"])
    op.create_table(
        "chain_reading",
        sa.Column("contract", sa.String(length=64), nullable=False),
        sa.Column("block", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contract", name=op.f("pk_chain_reading")),
    )


def downgrade() -> None:
    op.drop_table("chain_reading")
    op.drop_table("chain_events")
