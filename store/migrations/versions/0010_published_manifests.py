"""published manifests"""

import json

import sqlalchemy as sa
from alembic import op
from sqlalchemy.engine import Connection

revision = "0010"
down_revision = "0009"

_BATCH = 1000


def upgrade() -> None:
    op.create_table(
        "published_manifests",
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_published_manifests_capture_id")),
        sa.PrimaryKeyConstraint("capture_id", name=op.f("pk_published_manifests")),
    )
    op.create_index(op.f("ix_published_manifests_label"), "published_manifests", ["label"])
    _note_what_was_published(op.get_bind())


def _note_what_was_published(connection: Connection) -> None:
    """Without this, what was registered before could not be found by strangers."""
    query = sa.text(
        "select facts.number, captures.id, captures.request, facts.value from facts"
        " join captures on captures.id = facts.capture_id"
        " where facts.number > :after and facts.name = 'manifest' order by facts.number limit :most"
    )
    insert = sa.text("insert into published_manifests (capture_id, label) values (:id, :label)")
    after = 0
    while rows := connection.execute(query, {"after": after, "most": _BATCH}).all():
        after = rows[-1].number
        for _, capture_id, request, value in rows:
            if json.loads(request).get("published", True):
                connection.execute(insert, {"id": capture_id, "label": json.loads(value)["label"]})


def downgrade() -> None:
    op.drop_table("published_manifests")
