"""remembered erasures, quotas"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_LIMITS = ("limit_bytes_a_day", "limit_captures_an_hour", "limit_uploads")


def upgrade() -> None:
    op.create_table(
        "erased_digests",
        sa.Column("tag", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("tag", name=op.f("pk_erased_digests")),
    )
    op.create_table(
        "quota_use",
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("period", sa.String(length=13), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_quota_use_key_id")),
        sa.PrimaryKeyConstraint("key_id", "kind", name=op.f("pk_quota_use")),
    )
    for name in _LIMITS:
        op.add_column("api_keys", sa.Column(name, sa.BigInteger()))
    op.create_index(op.f("ix_idempotency_created_at"), "idempotency", ["created_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_idempotency_created_at"), "idempotency")
    for name in _LIMITS:
        op.drop_column("api_keys", name)
    op.drop_table("quota_use")
    op.drop_table("erased_digests")
