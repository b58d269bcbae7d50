"""finality: an `anchor` fact is written when its block is final; until then the outbox tells"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    with op.batch_alter_table("transactions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("local", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("block_hash", sa.String(length=66), nullable=True))
        batch_op.add_column(sa.Column("gas", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("included_at", sa.String(length=27), nullable=True))
    with op.batch_alter_table("transactions", schema=None) as batch_op:
        batch_op.alter_column("local", existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
        batch_op.alter_column("gas", existing_type=sa.BigInteger(), existing_nullable=False, server_default=None)
        batch_op.create_index("ix_transactions_state_size", ["state", "size"], unique=False)
        batch_op.create_index("ix_transactions_sender_nonce", ["sender", "nonce"], unique=False)
    op.execute("update transactions set included_at = created_at where state = 'included'")
    op.execute("update transactions set local = (chain_id = 31337)")
    _take_back_what_was_not_final()


def _take_back_what_was_not_final() -> None:
    """Facts were written at inclusion, which a chain may take back. They come again when their block is final."""
    captures = sa.table("captures", sa.column("id"), sa.column("finished"))
    facts = sa.table("facts", sa.column("capture_id"), sa.column("name"), sa.column("value"))
    early = (
        facts.c.name == "anchor",
        facts.c.value.contains('"local":false', autoescape=True),
        facts.c.value.contains('"state":"included"', autoescape=True),
    )
    whose = sa.select(facts.c.capture_id).where(*early)
    op.execute(captures.update().where(captures.c.id.in_(whose)).values(finished=sa.false()))
    op.execute(facts.delete().where(*early))


def downgrade() -> None:
    with op.batch_alter_table("transactions", schema=None) as batch_op:
        batch_op.drop_index("ix_transactions_sender_nonce")
        batch_op.drop_index("ix_transactions_state_size")
        for name in ("included_at", "gas", "block_hash", "local"):
            batch_op.drop_column(name)
