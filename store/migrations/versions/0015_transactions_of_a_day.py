"""transactions of an account by their time: a day's gas is counted without looking at all that was ever sent"""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_index("ix_transactions_sender_created_at", "transactions", ["sender", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_transactions_sender_created_at", table_name="transactions")
