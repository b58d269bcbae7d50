"""Files of points by cell: what is written is what is read."""

from pathlib import Path

import numpy as np
import pytest

from fingerprint import blocks
from fingerprint.blocks import Block, Columns
from fingerprint.features import CELLS
from tests.fingerprint.point_rows import PLACES


def test_a_block_in_memory_holds_every_point_in_its_cell() -> None:
    cells = np.array([5, 0, CELLS - 1, 5, 7], np.uint16)
    code = np.arange(10, dtype=np.uint64).reshape(5, 2)
    columns = Columns(code, np.arange(5, dtype=np.uint32), np.arange(5, dtype=np.uint8), np.arange(5, dtype=np.uint8))
    block = blocks.in_memory(10, 14, cells, columns)
    begin, lengths = block.rows(np.array([0, 5, 6, 7, CELLS - 1]))
    assert lengths.tolist() == [1, 2, 0, 1, 1]
    held = [block.columns.number[at : at + n].tolist() for at, n in zip(begin, lengths, strict=True)]
    assert held == [[1], [0, 3], [], [4], [2]]


def test_a_written_block_is_what_was_in_memory(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    cells = random.choice(PLACES, 300).astype(np.uint16)
    columns = Columns(
        random.integers(0, 2**64, (300, 2), np.uint64),
        random.integers(0, 9, 300).astype(np.uint32),
        random.integers(0, 256, 300).astype(np.uint8),
        random.integers(0, 256, 300).astype(np.uint8),
    )
    block = blocks.in_memory(1, 9, cells, columns)
    blocks.write(tmp_path / "one", 1, 9, 2**63, [(0, block)])
    again = Block.open(tmp_path / "one")
    assert (again.first, again.last, again.witness) == (1, 9, 2**63)
    assert np.array_equal(again.starts, block.starts)
    for name, column in vars(block.columns).items():
        assert np.array_equal(getattr(again.columns, name), column), name
    with pytest.raises(ValueError, match="read-only"):
        again.columns.code[0] = 0
