"""devices that sign for captures, the nonces they sign, the counters of their statements"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "devices",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("thumbprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("key", sa.LargeBinary(length=64), nullable=False),
        sa.Column("attested", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("revoked_at", sa.String(length=27), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("owner", "thumbprint", name=op.f("uq_devices_owner_thumbprint")),
    )
    op.create_table(
        "device_nonces",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_device_nonces")),
    )
    op.create_index(op.f("ix_device_nonces_owner"), "device_nonces", ["owner"])
    op.create_index(op.f("ix_device_nonces_until_ms"), "device_nonces", ["until_ms"])
    op.create_table(
        "device_counters",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False),
        sa.Column("device_id", sa.String(length=32), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_device_counters_device_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_device_counters")),
    )
    op.create_index("ix_device_counters_device_id_counter", "device_counters", ["device_id", "counter"])


def downgrade() -> None:
    for table in ("device_counters", "device_nonces", "devices"):
        op.drop_table(table)
