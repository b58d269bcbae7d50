"""Addresses that nobody can be asked at: a sentence, and no request."""

import pytest

from ledger.fetch import fetch
from pipeline.errors import Unavailable


@pytest.mark.parametrize("url", ["", "http://", "http://[", "ftp://log.example", "file:///etc/hostname", "log.example"])
def test_what_is_no_address_is_named(url: str) -> None:
    with pytest.raises(Unavailable, match="is no address that begins with http"):
        fetch(url)
