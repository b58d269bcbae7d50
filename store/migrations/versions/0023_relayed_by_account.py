"""whose transactions to the rights contract they were, and on which chain: both are in what was signed"""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("relayed", sa.Column("account", sa.String(length=82), nullable=True))
    connection = op.get_bind()
    named = sa.text("update relayed set account = :account where nonce = :nonce")
    for row in connection.execute(sa.text("select nonce, raw from relayed")).all():
        connection.execute(named, {"account": _account(bytes(row.raw)), "nonce": row.nonce})
    with op.batch_alter_table("relayed") as table:
        table.alter_column("account", existing_type=sa.String(length=82), nullable=False)
        table.drop_constraint(op.f("pk_relayed"), type_="primary")
        table.create_primary_key(op.f("pk_relayed"), ["account", "nonce"])


def _account(raw: bytes) -> str:
    from eth_account import Account  # two seconds, which only a service with works has to pay
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    chain_id = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()["chainId"]
    return f"eip155:{chain_id}:{Account.recover_transaction(raw)}"


def downgrade() -> None:
    # An earlier version has one account: that of the newest order's transaction.
    op.execute("delete from relayed where account <> (select account from relayed left join orders"
               " on orders.id = relayed.order_id order by coalesce(orders.number, 0) desc limit 1)")  # fmt: skip
    with op.batch_alter_table("relayed") as table:
        table.drop_constraint(op.f("pk_relayed"), type_="primary")
        table.drop_column("account")
        table.create_primary_key(op.f("pk_relayed"), ["nonce"])
