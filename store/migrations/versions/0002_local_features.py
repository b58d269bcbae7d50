"""local features"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("fingerprints", sa.Column("iscc", sa.LargeBinary(length=8), nullable=True))
    op.create_table(
        "local_features",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("thumbnail_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("points", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_local_features")),
    )


def downgrade() -> None:
    op.drop_table("local_features")
    op.drop_column("fingerprints", "iscc")
