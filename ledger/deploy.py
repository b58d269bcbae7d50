"""Creating the log contract on a chain that is not ours: the operator's one act, which costs money."""

import re

from ledger.chain import Chain
from ledger.signer import Signer
from pipeline.errors import Rejected, Unavailable

DEPLOY_WAIT_S = 300
_ADDRESS = re.compile(r"https?://[!#-\[\]-~]+")  # printable ASCII without what JSON would have to escape


def deploy(
    rpc_url: str, key: bytes | Signer, wait_s: float = DEPLOY_WAIT_S, endpoint: str = "", max_fee_wei: int | None = None
) -> str:
    """Create the log contract on a chain that is not ours and return its address; `endpoint` as in `sign_deploy`.

    Raises Unavailable when it is in no block after `wait_s`; the message says what to look for before trying again.
    Raises Rejected when the endpoint is no address.
    """
    if endpoint and not _ADDRESS.fullmatch(endpoint):
        raise Rejected(f"{endpoint!r} is no address: give one that begins with https:// and has no space or quote")
    chain = Chain(rpc_url, key, None, local=False, max_fee_wei=max_fee_wei)
    signed = chain.sign_deploy(chain.nonce(), endpoint)
    chain.send(signed.raw)
    if chain.wait([signed.hash], wait_s) is None:
        raise Unavailable(
            f"the chain at {chain.host} took {signed.hash} into no block yet: it will create {signed.contract}; "
            "look for it before you deploy again"
        )
    return signed.contract
