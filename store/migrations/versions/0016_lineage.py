"""which capture was made from which"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "lineage",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("child_id", sa.String(length=32), nullable=False),
        sa.Column("parent_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["child_id"], ["captures.id"], name=op.f("fk_lineage_child_id")),
        sa.ForeignKeyConstraint(["parent_id"], ["captures.id"], name=op.f("fk_lineage_parent_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_lineage")),
        sa.UniqueConstraint("child_id", "parent_id", name=op.f("uq_lineage_child_id_parent_id")),
    )
    op.create_index("ix_lineage_parent_id_number", "lineage", ["parent_id", "number"])


def downgrade() -> None:
    op.drop_table("lineage")
