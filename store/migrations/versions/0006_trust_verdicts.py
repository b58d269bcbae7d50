"""trust verdicts"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "trust_verdicts",
        sa.Column("number", number, autoincrement=True, nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("lists", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_trust_verdicts_capture_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_trust_verdicts")),
    )
    op.create_index(op.f("ix_trust_verdicts_capture_id"), "trust_verdicts", ["capture_id"])


def downgrade() -> None:
    op.drop_table("trust_verdicts")
