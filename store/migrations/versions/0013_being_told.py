"""changes in the order of commit; webhooks and push subscriptions, and what is to be delivered to them"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def _number() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("number", kind, autoincrement=True, nullable=False)


def upgrade() -> None:
    op.create_table(
        "changes",
        _number(),
        sa.Column("capture_id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_changes_capture_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_changes")),
        sa.UniqueConstraint("position", name=op.f("uq_changes_position")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_changes_capture_id"), "changes", ["capture_id"])
    op.create_index("ix_changes_owner_number", "changes", ["owner", "number"])
    op.create_index("ix_changes_owner_position", "changes", ["owner", "position"])
    unplaced = sa.text("position is null")
    op.create_index("ix_changes_unplaced", "changes", ["number"], postgresql_where=unplaced)
    _subscriptions()
    _note_what_happened()


def _subscriptions() -> None:
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.String(length=27), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.String(length=27), nullable=True),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("delivered_at", sa.String(length=27), nullable=True),
        sa.Column("disabled_at", sa.String(length=27), nullable=True),
        sa.Column("lease_holder", sa.String(length=64), nullable=True),
        sa.Column("lease_until_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name=op.f("fk_subscriptions_key_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
    )
    op.create_index(op.f("ix_subscriptions_owner"), "subscriptions", ["owner"])
    op.create_table(
        "deliveries",
        _number(),
        sa.Column("subscription_id", sa.String(length=32), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("capture_id", sa.String(length=32), nullable=True),
        sa.Column("happened_at", sa.String(length=27), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("failed_at", sa.String(length=27), nullable=True),
        sa.ForeignKeyConstraint(["subscription_id"], ["subscriptions.id"], name=op.f("fk_deliveries_subscription_id")),
        sa.ForeignKeyConstraint(["capture_id"], ["captures.id"], name=op.f("fk_deliveries_capture_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("message_id", name=op.f("uq_deliveries_message_id")),
    )
    op.create_index(op.f("ix_deliveries_capture_id"), "deliveries", ["capture_id"])
    op.create_index("ix_deliveries_subscription_id_due_ms", "deliveries", ["subscription_id", "due_ms"])


def _note_what_happened() -> None:
    """Without this, apps would be told nothing of what was registered before."""
    op.execute(
        "insert into changes (capture_id, owner, name, created_at)"
        " select facts.capture_id, captures.owner, facts.name, facts.created_at from facts"
        " join captures on captures.id = facts.capture_id"
        " where not exists (select 1 from erasures where erasures.capture_id = captures.id) order by facts.number"
    )
    op.execute(
        "insert into changes (capture_id, owner, name, created_at)"
        " select captures.id, captures.owner, 'erased', erasures.erased_at from erasures"
        " join captures on captures.id = erasures.capture_id order by erasures.number"
    )


def downgrade() -> None:
    for table in ("deliveries", "subscriptions", "changes"):
        op.drop_table(table)
