"""What machines find at fixed addresses, before they know of a photo."""

from xml.etree import ElementTree

from tests.service import Running

NS = {"r": "https://rslstandard.org/rsl"}


def test_what_crawlers_look_for_first(service: Running) -> None:
    robots = service.ask("GET", "/robots.txt", key=None)
    assert robots.headers["Content-Type"].startswith("text/plain")
    lines = robots.body.decode().splitlines()
    assert "Content-Usage: train-ai=n, ai-use=n, search=y" in lines
    # A preference for /a/ that says nothing of training: each photo's own header does.
    assert [line for line in lines if line.startswith("Content-Usage: /a/")] == ["Content-Usage: /a/ search=y"]
    licence = next(line for line in lines if line.startswith("License: ")).removeprefix(f"License: {service.base}")
    answer = service.ask("GET", licence, key=None)
    assert answer.headers["Content-Type"].split(";")[0] == "application/rsl+xml"
    content = ElementTree.fromstring(answer.body).find("r:content", NS)
    assert content is not None
    assert content.findtext("r:license/r:prohibits", namespaces=NS) == "ai-all"
    for page in ("/", "/verify", "/docs", "/work/x", "/offline"):
        assert service.ask("GET", page, key=None).headers["Content-Usage"] == "train-ai=n, ai-use=n, search=y", page
    rules = service.ask("GET", "/.well-known/tdmrep.json", key=None)
    assert rules.headers["Content-Type"] == "application/json"
    assert rules.json == [{"location": "/a/*", "tdm-reservation": 1}]
