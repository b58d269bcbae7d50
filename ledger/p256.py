"""Checks signatures by ECDSA on the curve P-256 with SHA-256: for verify.py, with nothing but Python 3.9 or later."""

import hashlib
from typing import Optional, Tuple  # noqa: UP035 - for strangers' older Pythons

Point = Optional[Tuple[int, int]]  # noqa: UP006, UP045 - None is the point at infinity

# SP 800-186, section 3.2.1.3: the field, the order, the point that generates the group, and b.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


def is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this key (x and y, 64 bytes) made this signature (r and s, 64 bytes): FIPS 186-5, section 6.4.2."""
    if not len(key) == len(signature) == 64:
        return False
    x, y, r, s = (int.from_bytes(part[at : at + 32], "big") for part in (key, signature) for at in (0, 32))
    on_curve = x < P and y < P and (y * y - x**3 + 3 * x - B) % P == 0
    if not (on_curve and 0 < r < N and 0 < s < N):
        return False
    w, z = pow(s, -1, N), int.from_bytes(hashlib.sha256(message).digest(), "big")
    found = add(times(z * w % N, G), times(r * w % N, (x, y)))
    return found is not None and found[0] % N == r


def add(a: Point, b: Point) -> Point:
    """The sum of two points."""
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    rise, run = (3 * a[0] ** 2 - 3, 2 * a[1]) if a == b else (b[1] - a[1], b[0] - a[0])
    slope = rise * pow(run, -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def times(factor: int, point: Point) -> Point:
    """The point, added to itself so often. Not in constant time: nothing here is secret."""
    if factor == 0:
        return None
    return add(times(factor // 2, add(point, point)), point if factor % 2 else None)
