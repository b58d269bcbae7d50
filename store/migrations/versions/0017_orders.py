"""what is to happen at the rights contract"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("same", sa.Text(), nullable=True),
        sa.Column("asked", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("transactions", sa.Text(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_orders")),
        sa.UniqueConstraint("id", name=op.f("uq_orders_id")),
        sa.UniqueConstraint("capture_id", "same", name=op.f("uq_orders_capture_id_same")),
    )
    op.create_index(op.f("ix_orders_capture_id"), "orders", ["capture_id"])
    is_open = sa.text("state = 'open'")
    op.create_index("ix_orders_open", "orders", ["number"], sqlite_where=is_open, postgresql_where=is_open)
    op.create_table(
        "relayed",
        sa.Column("nonce", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.String(length=66), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("order_id", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_relayed")),
    )
    op.create_index(op.f("ix_relayed_order_id"), "relayed", ["order_id"])


def downgrade() -> None:
    op.drop_table("relayed")
    op.drop_table("orders")
