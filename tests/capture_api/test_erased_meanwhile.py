"""A photo that is sent again at the moment at which the same bytes of an earlier capture are removed."""

import hashlib

import pytest

from capture_api import create_app
from settings import load_settings
from tests.photos import jpeg
from tests.service import Running
from wiring import Services


def test_bytes_that_an_erasure_takes_before_the_commit_are_kept_again(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = Services(load_settings(service.environ))
    taken = 1

    def has_blob(sha256: bytes) -> bool:
        """As the blob store says, after an erasure got there first."""
        nonlocal taken
        if taken:
            taken -= 1
            services.blobs.remove(sha256)
        return services.blobs.has(sha256)

    monkeypatch.setattr(services.captures, "_has_blob", has_blob)
    client = create_app(services).test_client()
    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "image/jpeg"}
    photo, other = jpeg(1471), jpeg(1472)
    assert client.post("/v1/captures", data=photo, headers=headers | {"Prefer": "wait=30"}).status_code == 201
    assert services.blobs.has(hashlib.sha256(photo).digest())
    taken = 2  # another erasure at once: this is refused whole, and may be sent again
    assert client.post("/v1/captures", data=other, headers=headers).status_code == 503
    assert not services.blobs.has(hashlib.sha256(other).digest())
    assert list((service.home / "blobs/incoming").iterdir()) == []
    answer = client.post("/v1/captures", data=other, headers=headers | {"Prefer": "wait=30"})
    assert (answer.status_code, answer.json and answer.json["status"]) == (201, "anchored")
    services.close()
