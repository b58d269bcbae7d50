"""One manifest out of a store, on stores made by hand; tests/capture_api/test_bindings.py does it with signed ones."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Rejected
from provenance.active import active_manifest


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def superbox(label: str, *inside: bytes) -> bytes:
    return box(b"jumb", box(b"jumd", bytes(16) + b"\x03" + label.encode() + b"\0") + b"".join(inside))


FIRST, SECOND = superbox("urn:c2pa:1", box(b"json", b"{}")), superbox("urn:c2pa:2", box(b"cbor", b"\xa0" * 300))
STORE = superbox("c2pa", FIRST, SECOND)


def test_the_last_manifest_is_the_active_one() -> None:
    assert active_manifest(STORE, "urn:c2pa:2") == superbox("c2pa", SECOND)
    assert active_manifest(superbox("c2pa", FIRST), "urn:c2pa:1") == superbox("c2pa", FIRST)


@pytest.mark.parametrize("damaged", [b"", STORE[:-1], STORE + b"\0", superbox("c2pa"), b"\0" * 8, STORE[8:]])
def test_a_damaged_store_is_refused(damaged: bytes) -> None:
    with pytest.raises(Rejected):
        active_manifest(damaged, "urn:c2pa:2")


def test_another_manifest_than_the_active_one_is_refused() -> None:
    with pytest.raises(Rejected, match="not urn:c2pa:1"):
        active_manifest(STORE, "urn:c2pa:1")


@given(st.integers(0, len(STORE) - 1), st.integers(0, 255))
def test_a_changed_byte_never_ends_in_anything_but_an_answer(at: int, value: int) -> None:
    changed = STORE[:at] + bytes([value]) + STORE[at + 1 :]
    with contextlib.suppress(Rejected):
        assert active_manifest(changed, "urn:c2pa:2").endswith(changed[-300:])
