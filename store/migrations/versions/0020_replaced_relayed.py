"""transactions to the rights contract that others with higher fees replaced"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("relayed", sa.Column("replaced", sa.Text(), server_default="[]", nullable=False))


def downgrade() -> None:
    with op.batch_alter_table("relayed") as table:
        table.drop_column("replaced")
