"""what owners state about rights after their photos were sealed"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    with op.batch_alter_table("log_leaves") as table:
        table.alter_column("capture_id", existing_type=sa.String(length=32), nullable=True)
    op.create_table(
        "rights_statements",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("statement", sa.Text(), nullable=False),
        sa.Column("leaf", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("stated_at", sa.String(length=27), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_rights_statements_capture_id")),
        sa.ForeignKeyConstraint(["leaf"], ["log_leaves.number"], name=op.f("fk_rights_statements_leaf")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_rights_statements")),
        sa.UniqueConstraint("leaf", name=op.f("uq_rights_statements_leaf")),
    )
    op.create_index(op.f("ix_rights_statements_capture_id"), "rights_statements", ["capture_id"])


def downgrade() -> None:
    op.drop_table("rights_statements")
    op.execute("delete from log_leaves where capture_id is null")
    with op.batch_alter_table("log_leaves") as table:
        table.alter_column("capture_id", existing_type=sa.String(length=32), nullable=False)
