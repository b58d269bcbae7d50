"""A manifest store as boxes (ISO 19566-5, JUMBF), to hand out one manifest of it. No C2PA library is loaded.

A store is a superbox: a description, then one superbox for each manifest, the active one last (C2PA 2.4, 11.1.4.2).
"""

import struct
from collections.abc import Iterator

from pipeline.errors import Rejected

_HEADER_BYTES = 8
_LABEL_AT = 25  # of a description box: header, type (16 bytes), toggles, and then the label up to a zero byte


def active_manifest(store: bytes, label: str) -> bytes:
    """A store with nothing in it but this store's active manifest, byte for byte.

    What the manifest's ingredients refer to is left behind. Raises Rejected when the store is damaged, or when its
    active manifest has another label.
    """
    description, *manifests = _boxes(_content(store))
    if not manifests or _label(manifests[-1]) != label:
        raise Rejected(f"the store's active manifest is not {label}")
    inside = description + manifests[-1]
    return struct.pack(">I4s", _HEADER_BYTES + len(inside), b"jumb") + inside


def _content(box: bytes) -> bytes:
    if len(box) < _HEADER_BYTES or struct.unpack(">I4s", box[:_HEADER_BYTES]) != (len(box), b"jumb"):
        raise Rejected("this is no JUMBF superbox")
    return box[_HEADER_BYTES:]


def _boxes(content: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        (size,) = struct.unpack(">I", content[at : at + 4]) if len(content) - at >= _HEADER_BYTES else (0,)
        if size < _HEADER_BYTES or at + size > len(content):
            raise Rejected("a box of the manifest store is cut off")
        yield content[at : at + size]
        at += size


def _label(superbox: bytes) -> str:
    description = next(_boxes(_content(superbox)), b"")
    return description[_LABEL_AT:].split(b"\0")[0].decode("utf-8", "replace")
