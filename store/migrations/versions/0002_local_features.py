"""local features"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("fingerprints", sa.Column("iscc", sa.LargeBinary(length=8), nullable=True))
    op.create_table(
        "local_features",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("thumbnail_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("points", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_local_features")),
    )
    _keep_the_registered_findable()


def _keep_the_registered_findable() -> None:
    """Photos registered before have no points, but a thumbnail: as whole pictures they are compared as they were."""
    found = op.get_bind().execute(
        sa.text(
            "select r.number, f.value, m.value from fingerprints r"
            " join facts f on f.capture_id = r.capture_id and f.name = 'fingerprint'"
            " join facts m on m.capture_id = r.capture_id and m.name = 'manifest'"
        )
    )
    insert = sa.text("insert into local_features values (:number, :thumbnail, :width, :height, :points)")
    for number, fingerprint, manifest in found.all():
        thumbnail = bytes.fromhex(json.loads(manifest)["thumbnail_sha256"])
        size = json.loads(fingerprint)["dimensions"]
        op.get_bind().execute(insert, {"number": number, "thumbnail": thumbnail, **size, "points": b""})


def downgrade() -> None:
    op.drop_table("local_features")
    op.drop_column("fingerprints", "iscc")
