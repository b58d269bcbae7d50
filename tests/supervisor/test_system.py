"""What `capture up` does not start with."""

import shutil
from pathlib import Path

from ledger.accounts import first_contract
from ledger.signer import LocalSigner
from pipeline.record import Asset, Request, Rights
from settings import load_settings
from store.captures import CaptureRecords
from store.orders import Relayed
from tests.service import Running
from wiring import Services


def _start(running: Running) -> str:
    """What it says instead of starting; nothing when it starts."""
    try:
        running.start()
    except RuntimeError as error:
        return str(error)
    running.stop()
    return ""


def test_a_relay_key_under_which_no_work_would_be_found_is_refused(tmp_path: Path) -> None:
    running = Running(tmp_path / "data")
    services = Services(load_settings(running.environ))
    services.database.migrate()
    old, key = services.relay_key(), running.home / "keys" / "chain" / "relay.key"
    contract, sender = first_contract(old), f"eip155:31337:{LocalSigner(old).address}"
    asset = Asset(bytes(32), "image/jpeg", 1)
    CaptureRecords(services.database).register("a", "ada", bytes(20), Request(Rights()), asset)
    order = services.orders.add("a", "ada", "asset", {})
    services.orders.signed(None, Relayed(sender, 0, "0x0", b"0"))
    kept = shutil.move(key, tmp_path / "old.key")
    services.check_rights_contract()  # there is no work yet: another contract is as good
    services.orders.signed(order, Relayed(sender, 1, "0x1", b"1"))
    services.orders.done(services.orders.get(order.id), {"asset": "0x1"})
    services.close()

    said = _start(running)
    assert f"works are in the contract {contract}" in said
    assert f"CAPTURE_RIGHTS_CONTRACT={contract}" in said
    assert str(key) in said
    for good in ({"CAPTURE_RIGHTS_CONTRACT": contract}, {"CAPTURE_RELAY_KEY_FILE": str(kept)}):
        Services(load_settings(running.environ | good)).check_rights_contract()
