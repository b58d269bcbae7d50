"""cosignatures; inclusion facts without what the log's tiles say anyway"""

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
BATCH = 10_000


def upgrade() -> None:
    op.create_table(
        "cosignatures",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key_id", sa.String(length=8), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["checkpoints.size"], name=op.f("fk_cosignatures_size")),
        sa.PrimaryKeyConstraint("size", "key_id", name=op.f("pk_cosignatures")),
    )
    _forget_stored_proofs()


def _forget_stored_proofs() -> None:
    """Proof and checkpoint were written into every fact; both are computed from the log now."""
    query = sa.text(
        "select number, value from facts where name = 'inclusion' and number > :after order by number limit :batch"
    )
    after = 0
    while rows := op.get_bind().execute(query, {"after": after, "batch": BATCH}).all():
        _rewrite(rows)
        after = rows[-1].number


def _rewrite(rows: Sequence[sa.Row[Any]]) -> None:
    values = [(row.number, json.loads(row.value)) for row in rows]
    op.get_bind().execute(
        sa.text("update facts set value = :value where number = :number"),
        [{"number": number, "value": f'{{"index":{fact["index"]},"tree_size":{fact["tree_size"]}}}'}
         for number, fact in values],
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("cosignatures")
