"""What `capture verify` asks others, when ledger/verify.py has checked what needs nobody: the chain and the log."""

import hashlib
import http.client
import json
import re
import time
from typing import Any

from ledger.checkpoint import Checkpoint, from_base64
from ledger.fetch import fetch
from ledger.outside import APPENDED, MAX_ANSWER_BYTES, SIZE_CALL, Contradiction, OutsideLog
from ledger.verify import NotChecked, need, open_note
from pipeline.errors import Rejected, Unavailable

# Of contracts/Log.sol, compiled: today's, then those whose logs live on. They keep the same history by the same rules.
RUNTIMES_SHA256 = (
    "5e7a8648dcd4d4161c7f5c2488b08b48547ddc178c87316c02e20b3d2b15d2d7",
    "c23c1b5e763dd0fcbadd3f944c35097427a95a5cc53a0bdce0d3bfafe0778cf0",  # looked for the newest root, too
    "a9b2dad4a66ed643016b592a203feed44589ffca3d9f2e866c2ab50838ef5160",  # found old roots by halving only
)
DEVELOPMENT = (1337, 31337)  # what development chains call themselves
TIMEOUT_S = 20

# The form of an anchor, and of a chain's answers: a text stands for the pattern of a text.
QUANTITY, ADDRESS = "0x[0-9a-fA-F]{1,64}", "0x[0-9a-fA-F]{40}"
ANCHOR = {"chain_id": int, "contract": ADDRESS, "transaction": "0x[0-9a-fA-F]{64}", "block": int, "block_time": int,
          "tree_size": int, "local": bool}  # fmt: skip
SENT = {"status": QUANTITY, "blockNumber": QUANTITY,
        "logs": [{"address": ADDRESS, "topics": ["0x[0-9a-f]{64}"], "data": "0x[0-9a-f]*"}]}  # fmt: skip


def check_chain(receipt: Any, rpc: str | None = None, contract: str | None = None) -> str:
    """The transaction wrote this size and root into the contract, whose code accepts only a log that grows.

    `receipt`: the values of one whose form is checked. Returns a sentence; raises ValueError with what does not hold,
    NotChecked with why nothing can be said.
    """
    anchor, size = receipt.get("anchor"), receipt["inclusion"]["tree_size"]
    if anchor is None:
        raise NotChecked("the receipt has no anchor yet: ask for it again later")
    check_form(anchor, ANCHOR, "the anchor")
    need(anchor["tree_size"] == size, "its anchor and its proof are of different tree sizes: ask for the receipt again")
    remark = "; local chain: not independent proof" if anchor["local"] or anchor["chain_id"] in DEVELOPMENT else ""
    if not rpc:
        raise NotChecked(f"give a node's address with --rpc to ask the chain{remark}")
    address = anchor["contract"].lower()
    need(contract is None or contract.lower() == address, "the receipt names another contract than the given one")
    _check_transaction(rpc, anchor, size, from_base64(open_note(receipt["checkpoint"])[2]))
    _check_contract(rpc, address, size)
    unknown = "" if contract else "; compare its address with the one that the log's operator publishes"
    return f"the contract {address} holds this root since {utc(anchor['block_time'])}{unknown}{remark}"


def _check_transaction(rpc: str, anchor: dict[str, Any], size: int, root: bytes) -> None:
    block = hex(anchor["block"])
    need(ask(rpc, QUANTITY, "eth_chainId") == hex(anchor["chain_id"]), "the node serves another chain")
    sent = ask(rpc, SENT, "eth_getTransactionReceipt", anchor["transaction"])
    need(sent["status"] == "0x1", "the transaction did not succeed")
    need(sent["blockNumber"] == block, "the transaction is in another block than the receipt says")
    written = (anchor["contract"].lower(), [APPENDED, f"0x{size:064x}"], "0x" + root.hex())
    events = [(log["address"].lower(), log["topics"], log["data"]) for log in sent["logs"]]
    need(written in events, "the transaction did not write this size and root into the contract")
    header = ask(rpc, {"timestamp": QUANTITY}, "eth_getBlockByNumber", block, False)
    need(header["timestamp"] == hex(anchor["block_time"]), "the block's time is not the one in the receipt")


def _check_contract(rpc: str, address: str, size: int) -> None:
    code = bytes.fromhex(_now(rpc, "0x([0-9a-f]{2})*", "eth_getCode", address)[2:])
    digest = hashlib.sha256(code).hexdigest()
    need(digest in RUNTIMES_SHA256, f"the contract's code is not the known one: its SHA-256 is {digest}")
    held = int(_now(rpc, QUANTITY, "eth_call", {"to": address, "data": SIZE_CALL}), 16)
    need(held >= size, f"the contract's log has only {held} entries")


def _now(rpc: str, form: Any, method: str, of: Any) -> Any:
    """Ask about the newest block, once more where it failed: nodes let go of the state when the next block comes."""
    try:
        return ask(rpc, form, method, of, "latest")
    except NotChecked:
        return ask(rpc, form, method, of, "latest")


def check_log(note: str, url: str | None, key: str | None) -> str:
    """The log of today, at a URL, begins with the tree of this checkpoint. Returns and raises as `check_chain`."""
    if not url or not key:
        raise NotChecked("give the log's address with --log, and its key with --key")
    lines = open_note(note, key)
    size, root = int(lines[1]), from_base64(lines[2])
    log = OutsideLog(url, key.strip())
    try:
        newest = _newest(log)
        need(newest.size >= size, f"the log now shows {newest.size} entries, and had {size}: keep both checkpoints")
        log.check_prefix(size, root, newest)
    except Unavailable as reason:
        raise NotChecked(str(reason)) from None
    except Rejected as reason:
        raise ValueError(f"what {log.url} shows is not this log's: {reason}") from None
    except Contradiction as reason:
        raise ValueError(f"the log does not begin with this checkpoint any more, {reason}: keep both") from None
    return f"the log, now of {newest.size} entries, begins with the {size} of this checkpoint"


def _newest(log: OutsideLog) -> Checkpoint:
    try:
        return log.checkpoint()[1]
    except ValueError as error:  # of the address, before anything is asked
        raise NotChecked(f"{log.url!a:.80} is no address of a log: {error}") from None


def utc(seconds: int) -> str:
    """A time for people."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(min(seconds, 253402300799)))  # to the year 9999


def ask(rpc: str, form: Any, method: str, *params: Any) -> Any:
    """One JSON-RPC call. Raises NotChecked without an answer, ValueError when it has not the form."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    try:
        content = fetch(rpc, body, timeout_s=TIMEOUT_S, max_bytes=MAX_ANSWER_BYTES, media_type="application/json").body
        answer = parse(content.decode())
    except (Unavailable, OSError, ValueError, http.client.HTTPException, RecursionError) as error:
        raise NotChecked(f"the node did not answer {method}: {ascii(str(error))[:200]}") from None
    if not isinstance(answer, dict) or "result" not in answer:
        raise NotChecked(f"the node refused {method}: {ascii(answer)[:200]}")
    check_form(answer["result"], form, f"the chain's answer to {method}")
    return answer["result"]


def parse(text: str) -> Any:
    """The values in JSON text. Raises ValueError."""
    outside = re.sub(r'"(?:[^"\\]|\\.)*"?', "", text)  # of strings, which may hold any brackets
    if outside.count("[") + outside.count("{") > 500:
        # Far more than a node's answer has: interpreters die of text that is nested too deeply.
        raise ValueError("it has more than 500 brackets")
    return json.loads(text)


def check_form(value: Any, form: Any, name: str) -> None:
    """Raise ValueError unless a value has this form; after this, its types, lengths and ranges can be relied on."""
    if isinstance(form, dict):
        need(isinstance(value, dict), f"{name} is no object")
        for key, inner in form.items():
            check_form(value.get(key), inner, f"{name}.{key}")
    elif isinstance(form, list):
        need(isinstance(value, list) and len(value) <= 64, f"{name} is no list of at most 64 values")
        for item in value:
            check_form(item, form[0], name)
    elif form is int:
        need(type(value) is int and 0 <= value < 2**63, f"{name} is no whole number below 2^63")
    elif form is bool:
        need(isinstance(value, bool), f"{name} is neither true nor false")
    else:
        need(isinstance(value, str) and bool(re.fullmatch(form, value)), f"{name} has not the form {form}")
