"""accounts of owners' own"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "wallets",
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("address", sa.String(length=42), nullable=False),
        sa.Column("bound_at", sa.String(length=27), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_wallets")),
    )


def downgrade() -> None:
    op.drop_table("wallets")
