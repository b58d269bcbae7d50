"""What `capture up` starts, in which order, and what it says."""

import os
import shutil
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from pipeline.durable import write_durably
from pipeline.record import Rights
from settings import MAX_AT_ONCE, Engines, SettingError, Settings, worker_name
from store.keys import SCOPES
from supervisor import anvil, home, signer, valkey
from supervisor.supervise import Child, StartFailed, Supervisor
from wiring import Services

MAX_CONNECTIONS = 4096  # waiting ones cost little; as few as threads, and idle browsers keep everybody out
HEADERS_TIMEOUT_MS = 10_000
BLOCKING_THREADS = MAX_AT_ONCE + 32  # a slow phone holds one for as long as it sends; these refuse, and answer probes
HTTP_BUFFER_BYTES = 65_536


def up(settings: Settings) -> None:
    """Run the whole service until Ctrl-C or SIGTERM. Raises AlreadyRunning, StartFailed, SettingError."""
    os.umask(0o077)  # photos, salts and keys: nobody else on this machine reads what we write
    settings.home.mkdir(parents=True, exist_ok=True)
    with home.lock(settings.run), ExitStack() as held:
        supervisor = Supervisor(lambda ids: home.remember(settings.run, ids))
        for name in home.end_left_over(settings.run):
            supervisor.log("supervisor", "warning", f"{name} was left over from a service that was killed; ended")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.stop_soon())
        try:
            _start(settings, supervisor, held)
            supervisor.wait()
        finally:
            supervisor.stop()
            supervisor.log("supervisor", "info", "stopped")


def _start(settings: Settings, supervisor: Supervisor, held: ExitStack) -> None:
    _check_port(settings, held)
    metrics = settings.run / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)  # counts begin with the service, as Prometheus expects
    metrics.mkdir()
    services = Services(settings)
    _prepare(services)
    services.close()
    chain_port = _chain_port(settings, held)
    engines = _engines(settings, chain_port)
    engines.write(settings)
    for child in _children(settings, engines, chain_port, metrics):
        supervisor.start(child)
    _greet(settings, engines)


def _prepare(services: Services) -> None:
    """The first start's work, which is also every start's: tables, keys, the owner's key, the index."""
    settings = services.settings
    if settings.signer_socket:
        services.check_signer()
    if settings.chain_url and not settings.chain_contract:
        raise SettingError(
            "CAPTURE_CHAIN_URL needs CAPTURE_CHAIN_CONTRACT: `capture chain deploy` makes and prints one"
        )
    services.database.migrate()
    settings.keys.mkdir(mode=0o700, exist_ok=True)
    services.check_rights_contract()
    _ = services.checkpoint_signer, services.witnesses, services.notify_keys.sender, services.attestation
    services.index.rebuild()
    services.points.check()  # before the first verdict: a backup may have been put back under files of another time
    if not services.keys.all():
        _make_owner_key(services)


def _make_owner_key(services: Services) -> None:
    file = services.settings.api_key_file
    # The file first: a key whose text was lost in a crash could never be used.
    services.add_key("owner", frozenset(SCOPES), Rights(), lambda key: write_durably(file, key + "\n"))


def _engines(settings: Settings, chain_port: int) -> Engines:
    return Engines(
        queue_url=settings.queue_url or valkey.url(settings.home),
        chain_url=settings.chain_url or f"http://127.0.0.1:{chain_port}",
        chain_is_local=settings.chain_url is None,
        signer=settings.signer_socket or str(signer.path_of(settings.home)),
    )


def _children(settings: Settings, engines: Engines, chain_port: int, metrics: Path) -> list[Child]:
    environ = {"PROMETHEUS_MULTIPROC_DIR": str(metrics), "PYTHONUNBUFFERED": "1"}
    # A photo is one core's work: on small matrices numpy's threads wait for each other and double the CPU time.
    environ["OPENBLAS_NUM_THREADS"] = "1"
    children = []
    if settings.signer_socket is None:
        signer.make_folder(Path(engines.signer))
        command = signer.command(settings, Path(engines.signer))
        children.append(Child("signer", command, environ, ready=lambda: signer.answers(Services(settings))))
    if settings.queue_url is None:
        command = valkey.command(settings.home)
        children.append(Child("queue", command, ready=lambda: valkey.ready(settings.home)))
    if settings.chain_url is None:
        children.append(_chain(settings, engines, chain_port))
    children.append(Child("ledger", _worker("ledger", 1), environ))
    children += [
        Child(worker_name("photos", number), _worker("photos", number), environ)
        for number in range(1, settings.photo_workers + 1)
    ]
    children.append(Child("sweeper", _worker("sweep", 1), environ))
    children.append(Child("api", _granian(settings), environ, ready=_answers(settings)))
    return children


def _chain(settings: Settings, engines: Engines, port: int) -> Child:
    folder = settings.home / "chain"
    folder.mkdir(exist_ok=True)
    return Child(
        "chain",
        anvil.anvil_command(folder / "state.json", port),
        ready=lambda: anvil.ready(engines.chain_url),
        max_data_bytes=anvil.MAX_DATA_BYTES,
    )


def _worker(kind: str, number: int) -> list[str]:
    return [sys.executable, "-m", "workers.main", kind, worker_name(kind, number)]


def _granian(settings: Settings) -> list[str]:
    return [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--host", settings.host, "--port", str(settings.port),
        "--workers", "1", "--blocking-threads", str(BLOCKING_THREADS), "--http", "1", "--no-ws",
        "--http1-buffer-size", str(HTTP_BUFFER_BYTES), "--backpressure", str(MAX_CONNECTIONS),
        "--backlog", str(MAX_CONNECTIONS), "--http1-header-read-timeout", str(HEADERS_TIMEOUT_MS),
        "--log-level", "warning", "wsgi:app",
    ]  # fmt: skip


def _check_port(settings: Settings, held: ExitStack) -> None:
    """Raise StartFailed when somebody listens there: the server itself would quietly share the port with them."""
    if not _reserve(settings.port, held):
        raise StartFailed(f"another service has port {settings.port} of this machine: set CAPTURE_LISTEN to another")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            place = f"{settings.host}:{settings.port}"
            raise StartFailed(f"cannot listen on {place} ({error.strerror}): set CAPTURE_LISTEN to another") from None


def address(settings: Settings) -> str:
    """Where a browser on this machine finds the service."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{host}:{settings.port}"


def _answers(settings: Settings) -> Callable[[], bool]:
    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"{address(settings)}/healthz", timeout=2) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    return ready


def _chain_port(settings: Settings, held: ExitStack) -> int:
    """A port for the embedded chain that is free, and ours while `held` is: that of the last start where it can be."""
    file = settings.run / "chain-port"
    port = int(file.read_text()) if file.exists() else 8545
    while not (_free_port(port) and _reserve(port, held)):
        port = _free_port(0)
    file.write_text(str(port))
    return port


def _reserve(port: int, held: ExitStack) -> bool:
    """Keep other services of this machine from a port on which nobody listens yet; False when one keeps it from us.

    Two that start at once both find it free. The chain of one then ends, and the other's answers in its place: one
    service would write into the chain of another. Only Linux has names that end with their process.
    """
    if sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0capture/port/{port}")
    except OSError:
        name.close()
        return False
    held.enter_context(name)
    return True


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
        return int(probe.getsockname()[1])


def _greet(settings: Settings, engines: Engines) -> None:
    key, base = settings.api_key_file, address(settings)
    local = " (local chain: not independent proof)" if engines.chain_is_local else ""
    lines = [
        f"Capture runs at {base}",
        f"API key:  {key}",
        f"Chain:    {engines.chain_url if engines.chain_is_local else 'as set in CAPTURE_CHAIN_URL'}{local}",
        f"Try:      curl -H \"Authorization: Bearer $(cat {key})\" -H 'Content-Type: image/jpeg' "
        f"-H 'Prefer: wait=20' --data-binary @photo.jpg {base}/v1/captures",
        "Stop with Ctrl-C.",
    ]
    if settings.host not in ("127.0.0.1", "localhost", "::1"):
        lines[1:1] = [
            "This address is open to the network without encryption: keys and photos can be read on the way.",
            f"Put TLS in front, for example: caddy reverse-proxy --from your.name --to {base}",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()
