"""what works pass on to their ancestors, to be asked the other way round; and the parents named on the chain only"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    table = op.create_table(
        "work_shares",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("ancestor", sa.LargeBinary(length=22), nullable=False),
        sa.Column("share", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_work_shares_capture_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_work_shares")),
        sa.UniqueConstraint("capture_id", "ancestor", name=op.f("uq_work_shares_capture_id_ancestor")),
    )
    op.create_index("ix_work_shares_ancestor_number", "work_shares", ["ancestor", "number"])
    connection = op.get_bind()
    derived = sa.text("select capture_id, asked, result from orders where kind = 'derive' and state = 'done'"
                      " and capture_id not in (select capture_id from erasures) order by number")  # fmt: skip
    newest = {order.capture_id: order for order in connection.execute(derived) if "shares" in (order.result or "")}
    for order in newest.values():  # the same might have been asked for twice, and be done twice
        words = {int(word) for word in json.loads(order.result or "{}").get("shares", [])}
        rows = [
            {"capture_id": order.capture_id, "ancestor": (word >> 80).to_bytes(22), "share": word & (1 << 80) - 1}
            for word in sorted(words)
        ]
        if rows:
            connection.execute(table.insert(), rows)
            parents = {int(parent["asset"], 16) for parent in json.loads(order.asked)["parents"]}
            _link(connection, order.capture_id, parents & {word >> 80 << 80 for word in words})


def _link(connection: Any, child: str, parents: set[int]) -> None:
    """The parents named on the chain are parents, whether or not the upload named them."""
    link = sa.text("insert into lineage (child_id, parent_id) select cast(:child as varchar), capture_id"
                   " from log_leaves where position = :place and capture_id is not null and capture_id <> :child"
                   " and capture_id not in (select capture_id from erasures)"
                   " and capture_id not in (select parent_id from lineage where child_id = :child)")  # fmt: skip
    for parent in sorted(parents):
        connection.execute(link, {"child": child, "place": parent >> 80 & (1 << 48) - 1})


def downgrade() -> None:
    op.drop_table("work_shares")
