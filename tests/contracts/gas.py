"""Gas of the contracts' transactions, measured on a real EVM; run as a program, it writes contracts/gas.json."""

import json
import tempfile
from pathlib import Path

from tests.chain_fixture import Node, running
from tests.contracts.brute_force import SparseLog, consistency_proof, inclusion_proof
from tests.contracts.held import Held
from tests.contracts.rights_gas import measure_rights
from tests.service import ROOT

SNAPSHOT = ROOT / "contracts" / "gas.json"
LARGE = 2**20
BATCH = 1000
# No size near 2^20 has a longer proof to 1,000 leaves more than one leaf below: 22 hashes, 40 to be computed.
WORST = LARGE - 1
RING = 256


def measure(node: Node) -> dict[str, int]:
    """What each kind of transaction uses, with the 21,000 of every transaction and the calldata."""
    log = SparseLog([])
    fresh = Held(node)
    gas = {"deploy": int(fresh.deployment["gasUsed"], 16)}
    gas["append the first tree"] = append(fresh, log, WORST)
    gas["append 1,000 at 2^20, longest proof, new slot"] = append(fresh, log, WORST + BATCH)
    gas["append 1,000 at 2^20, mean of the next 20, new slot"] = mean(fresh, log)
    full = Held(node)
    for size in range(1, RING):
        append(full, log, size)
    append(full, log, WORST)
    gas["append 1,000 at 2^20, longest proof, ring full"] = append(full, log, WORST + BATCH)
    gas["append 1,000 at 2^20, mean of the next 20, ring full"] = mean(full, log)
    gas["verifyInclusion at 2^20, as a transaction"] = inclusion(full, log, WORST + BATCH)
    gas["offerWriter"] = used(full.transact("offerWriter", full.chain.sender))
    gas["acceptWriter"] = used(full.transact("acceptWriter"))
    return gas


def append(held: Held, log: SparseLog, size: int) -> int:
    """Gas of one append that the contract took."""
    return used(held.append(size, log.mth(0, size), consistency_proof(held.number("size"), size, log.mth)))


def mean(held: Held, log: SparseLog) -> int:
    """The mean over 20 batches from where the log is."""
    start = held.number("size")
    return sum(append(held, log, start + BATCH * number) for number in range(1, 21)) // 20


def inclusion(held: Held, log: SparseLog, size: int) -> int:
    """Gas of a proof of a leaf on the longest path."""
    proof = inclusion_proof(1, size, log.mth)
    return used(held.transact("verifyInclusion", log.mth(1, 2), 1, size, proof))


def used(receipt: dict[str, str]) -> int:
    """Gas of a transaction that was not refused."""
    assert receipt["status"] == "0x1"
    return int(receipt["gasUsed"], 16)


def main() -> None:
    """Write the snapshot."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as node:
        SNAPSHOT.write_text(json.dumps(measure(node) | measure_rights(node), indent=1) + "\n")
    print(SNAPSHOT.read_text(), end="")


if __name__ == "__main__":
    main()
