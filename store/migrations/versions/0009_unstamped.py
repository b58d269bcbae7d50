"""signed photos that wait for their time-stamp"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "unstamped",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_unstamped_capture_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_unstamped")),
        sa.UniqueConstraint("capture_id", name=op.f("uq_unstamped_capture_id")),
    )


def downgrade() -> None:
    op.drop_table("unstamped")
