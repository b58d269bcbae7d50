"""As much of DER (X.690) as attestations need: values one after the other, each with its tag and content."""

from collections.abc import Iterator

SEQUENCE, SET, OCTETS, INTEGER, ENUMERATED, BOOLEAN = 0x30, 0x31, 0x04, 0x02, 0x0A, 0x01
_CONTEXT, _CONSTRUCTED, _LONG = 0x80, 0x20, 0x1F


def values(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each value; a context tag comes as `context`. Raises ValueError when one is cut off."""
    at = 0
    while at < len(content):
        tag, at = _tag(content, at)
        size, at = _length(content, at)
        if at + size > len(content):
            raise ValueError("a value is cut off")
        yield tag, content[at : at + size]
        at += size


def inside(content: bytes, tag: int) -> bytes:
    """The content of the only value, which has this tag. Raises ValueError."""
    found = list(values(content))
    if len(found) != 1 or found[0][0] != tag:
        raise ValueError(f"this is not one value of tag {tag}")
    return found[0][1]


def context(number: int) -> int:
    """How `values` gives the context tag of this number."""
    return -1 - number


def _tag(content: bytes, at: int) -> tuple[int, int]:
    first = content[at]
    if first & _LONG != _LONG:
        return (context(first & _LONG) if first & 0xC0 == _CONTEXT else first), at + 1
    number = 0
    while True:
        at += 1
        number = number << 7 | _byte(content, at) & 0x7F
        if not content[at] & 0x80:
            return context(number), at + 1
        if number > 1 << 21:
            raise ValueError("a tag is too long")


def _length(content: bytes, at: int) -> tuple[int, int]:
    first = _byte(content, at)
    if first < 0x80:
        return first, at + 1
    count = first & 0x7F
    if not 1 <= count <= 4 or at + 1 + count > len(content):
        raise ValueError("a length is malformed")
    return int.from_bytes(content[at + 1 : at + 1 + count], "big"), at + 1 + count


def _byte(content: bytes, at: int) -> int:
    if at >= len(content):
        raise ValueError("a value is cut off")
    return content[at]
