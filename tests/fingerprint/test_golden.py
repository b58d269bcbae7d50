"""The fingerprints of yesterday are those of today."""

from tests.golden.make_fingerprint import GOLDEN, PHOTOS, as_text, golden


def test_fingerprints_are_as_they_were() -> None:
    found = golden()
    assert set(found) == set(PHOTOS)
    assert as_text(found) == GOLDEN.read_text()
