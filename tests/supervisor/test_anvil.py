"""The embedded chain as a program: found, started, killed at the worst moment, and started again."""

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.errors import Unavailable
from supervisor import anvil
from tests.chain_fixture import KEY, Node, node
from tests.service import ROOT, free_port

__all__ = ["node"]


def test_a_machine_without_anvil_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="run `make setup`, or set CAPTURE_CHAIN_URL"):
        anvil.anvil_binary(tmp_path)


def test_the_binary_is_native_and_found_in_either_place(node: Node, tmp_path: Path) -> None:
    binary = anvil.anvil_binary()
    assert binary.read_bytes()[:4] in (b"\x7fELF", b"\xcf\xfa\xed\xfe")
    below = tmp_path / "node_modules/@foundry-rs/anvil/node_modules" / binary.relative_to(ROOT / "node_modules")
    below.parent.mkdir(parents=True)
    below.symlink_to(binary)
    assert anvil.anvil_binary(tmp_path) == below


def test_the_words_for_it(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = anvil.arguments(state, 8545)
    assert "--load-state" not in first
    assert first[first.index("--state-interval") + 1] == "1"
    state.write_bytes(b" " * 25_000_000)
    later = anvil.arguments(state, 8545)
    assert later[later.index("--load-state") + 1] == str(state)
    assert later[later.index("--dump-state") + 1] != str(state)
    assert later[later.index("--state-interval") + 1] == "5"  # large states are saved less often


def test_it_has_no_account_and_answers_no_web_page(node: Node) -> None:
    assert node.ask("eth_accounts")["result"] == []
    assert node.ask("eth_chainId")["result"] == hex(anvil.CHAIN_ID)
    preflight = [
        "curl", "-s", "-i", "-X", "OPTIONS", "-H", "Origin: https://evil.example", "-H",
        "Access-Control-Request-Method: POST", "-H", "Access-Control-Request-Headers: content-type", node.url,
    ]  # fmt: skip
    if not any((Path(folder) / "curl").exists() for folder in os.environ["PATH"].split(":")):
        pytest.skip("there is no curl on this machine")
    assert "access-control-allow-origin" not in subprocess.run(preflight, capture_output=True, text=True).stdout.lower()


def test_ready_says_whether_a_chain_answers(node: Node) -> None:
    assert anvil.ready(node.url)
    node.stop()
    assert not anvil.ready(node.url)
    assert not anvil.ready(f"http://127.0.0.1:{free_port()}")


def test_it_works_within_its_memory_limit_and_keeps_its_process_id(node: Node) -> None:
    """The supervisor limits the process that it started: that must be anvil in the end."""
    if not Path("/proc").exists():
        pytest.skip("this system has no /proc")
    resource.prlimit(node.pid, resource.RLIMIT_DATA, (anvil.MAX_DATA_BYTES, anvil.MAX_DATA_BYTES))
    assert Path(f"/proc/{node.pid}/exe").resolve() == anvil.anvil_binary().resolve()
    assert _deploy(node)


def test_sigterm_saves_everything(node: Node) -> None:
    sent = _deploy(node)
    node.stop(signal.SIGTERM)
    node.start()
    found = node.chain().inclusion(sent)
    assert found
    assert (found.block, found.block_time) == (1, _time_of(node, 1))
    assert node.chain().head() is not None


def test_kill_keeps_what_was_saved(node: Node) -> None:
    sent = _deploy(node)
    _wait_for_save(node)
    node.stop(signal.SIGKILL)
    node.start()
    assert node.chain().inclusion(sent) is not None


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_half_a_file_does_not_stop_the_next_start(node: Node, share: float) -> None:
    """What a kill in the middle of saving leaves: anvil writes its state in place."""
    sent = _deploy(node)
    node.stop(signal.SIGTERM)
    node.start()
    _wait_for_save(node)
    node.stop(signal.SIGKILL)
    written = node.state.with_name("state.json.next")
    content = written.read_bytes()
    written.write_bytes(content[: int(len(content) * share)])
    assert not anvil.recover(node.state)
    written.write_bytes(content[: int(len(content) * share)])
    node.start()
    assert node.chain().inclusion(sent) is not None  # from the start before


def test_kills_at_any_moment(node: Node) -> None:
    """Again and again while it saves: it always starts, and never goes back behind its last clean end."""
    sent = _deploy(node)
    node.stop(signal.SIGTERM)
    for number in range(6):
        node.start()
        time.sleep(1.0 + number * 0.002)
        node.stop(signal.SIGKILL)
    node.start()
    assert node.chain().inclusion(sent) is not None


def test_recover_takes_the_newer_file_only_when_it_is_whole(tmp_path: Path) -> None:
    state, written = tmp_path / "state.json", tmp_path / "state.json.next"
    assert anvil.recover(state)  # nothing there
    written.write_text('{"n": 1}')
    assert anvil.recover(state)
    assert json.loads(state.read_text()) == {"n": 1}
    assert not written.exists()
    for broken in ('{"n": 2', "", "null", "\0" * 9):
        written.write_text(broken)
        assert not anvil.recover(state)
        assert json.loads(state.read_text()) == {"n": 1}


def _deploy(node: Node) -> str:
    chain = node.chain(KEY)
    chain.fund_locally()
    signed = chain.sign_deploy(0)
    chain.send(signed.raw)
    assert chain.wait([signed.hash], 5)
    return signed.hash


def _time_of(node: Node, block: int) -> int:
    return int(node.ask("eth_getBlockByNumber", hex(block), False)["result"]["timestamp"], 16)


def _wait_for_save(node: Node) -> None:
    end = time.monotonic() + 10
    best = 0
    while best < 1:
        assert time.monotonic() < end, "nothing was saved"
        time.sleep(0.1)
        try:
            saved = json.loads(node.state.with_name("state.json.next").read_bytes())
        except (FileNotFoundError, ValueError):
            continue
        best = int(str(saved["best_block_number"]), 0)
