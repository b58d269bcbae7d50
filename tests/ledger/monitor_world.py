"""A log on a socket that may lie, on a real chain, and monitors that follow it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ledger.monitor import Monitor, State
from ledger.outside import OutsideContract, OutsideLog
from store.log import LogRecords
from tests.ledger.log_world import signer
from tests.ledger.witness_world import running


class Served:
    """What the door shows: a log's records, and what is changed of them on the way out."""

    def __init__(self, records: LogRecords) -> None:
        self.records = records
        self.change: Callable[[str, bytes], bytes | None] = lambda path, content: content
        self.asked: list[str] = []

    def answer(self, path: str) -> bytes | None:
        """The content at a path of C2SP tlog-tiles; None when there is none."""
        self.asked.append(path)
        try:
            content = self._find(path.removeprefix("/log/"))
        except LookupError:
            return None
        return self.change(path, content)

    def _find(self, path: str) -> bytes:
        if path == "checkpoint":
            return self.records.newest_checkpoint().encode()
        _, level, place = path.split("/", 2)
        index, _, width = place.partition(".p/")
        number = int(index.replace("x", "").replace("/", ""))
        return self.records.tile(int(level), number, int(width or 256))


@contextmanager
def served(records: LogRecords) -> Iterator[tuple[str, Served]]:
    """A log's address, and what it shows, while the block lasts."""
    shown = Served(records)

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = shown.answer(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Door)) as url:
        yield f"{url}/log", shown


class Watcher:
    """A monitor with its state file and the events that it told, since it was made."""

    def __init__(
        self, file: Path, log: str, rpc: str, contract: str, deadline_s: float = 60, from_block: int | None = 0
    ) -> None:
        key, outside = str(signer().vkey), OutsideContract(rpc, contract)
        state = State.load(file, key, outside.address, outside.chain_id())
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.monitor = Monitor(
            OutsideLog(log, key), outside, state, self._tell, lambda: state.save(file), deadline_s, from_block
        )

    def _tell(self, event: str, **fields: Any) -> None:
        self.events.append((event, fields))

    def look(self) -> list[str]:
        """Look once; the names of the events that were told meanwhile."""
        before = len(self.events)
        self.well = self.monitor.look()
        return [event for event, _ in self.events[before:]]
