"""whose transactions to the rights contract they were, and on which chain: both are in what was signed"""

import sqlalchemy as sa
from alembic import op

from pipeline.errors import Conflict

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.add_column("relayed", sa.Column("account", sa.String(length=82), nullable=True))
    op.add_column("relayed", sa.Column("abandoned", sa.Boolean(), nullable=False, server_default=sa.false()))
    connection = op.get_bind()
    named = sa.text("update relayed set account = :account where nonce = :nonce")
    for row in connection.execute(sa.text("select nonce, hash, raw from relayed")).all():
        try:
            account = _account(bytes(row.raw))
        except Exception as error:  # of several libraries, each with errors of its own
            raise Conflict(
                f"the transaction {row.hash} with the nonce {row.nonce}, in the table `relayed`, is damaged "
                f"({type(error).__name__}): restore the newest backup of the database, or delete this row when a block "
                "of the chain has the transaction"
            ) from error
        connection.execute(named, {"account": account, "nonce": row.nonce})
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
    # An earlier version has one account, that of the newest order's last transaction, and sends all that it has again.
    op.execute("delete from relayed where account <> (select account from relayed left join orders"
               " on orders.id = relayed.order_id order by coalesce(orders.number, 0) desc, case when"
               " orders.transactions like '%' || relayed.hash || '\"]' then 0 else 1 end limit 1)")  # fmt: skip
    op.execute("delete from relayed where abandoned")
    with op.batch_alter_table("relayed") as table:
        table.drop_column("abandoned")
        table.drop_constraint(op.f("pk_relayed"), type_="primary")
        table.drop_column("account")
        table.create_primary_key(op.f("pk_relayed"), ["nonce"])
