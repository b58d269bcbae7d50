"""XMP in small pictures: what the record says, whatever people call themselves, and the same pixels."""

import io
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from pipeline.record import Rights
from rights.dialects import xml_text
from rights.xmp import with_xmp, xmp
from tests.photos import encoded, jpeg, picture
from tests.rights.test_dialects import HOSTILE, recorded, rights_values

PREFIXES = {
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/xap/1.0/rights/": "xmpRights",
    "http://ns.useplus.org/ldf/xmp/1.0/": "plus",
    "http://www.w3.org/1999/02/22-rdf-syntax-ns#": "rdf",
}


def fields(packet: bytes) -> dict[str, str]:
    """Every property of a packet with its text, lists as their one item."""
    found = {}
    for element in ElementTree.fromstring(packet.strip(b"\0")).iter():
        uri, _, name = element.tag[1:].partition("}")
        texts = [each.text or "" for each in element.iter() if len(each) == 0]
        if PREFIXES.get(uri, "rdf") != "rdf" and len(texts) == 1:
            found[f"{PREFIXES[uri]}:{name}"] = texts[0]
    return found


@given(rights_values)
@example(Rights(creator=HOSTILE[0], credit=HOSTILE[5], copyright_notice=HOSTILE[7], ai_training="ask"))
def test_a_packet_says_what_the_record_says(rights: Rights) -> None:
    record = recorded(rights)
    said = fields(xmp(record))
    stated = {"dc:creator": rights.creator, "photoshop:Credit": rights.credit, "dc:rights": rights.copyright_notice}
    for name, value in stated.items():
        assert said.get(name) == (read(value) if value else None)
    assert said["xmpRights:WebStatement"] == read(record.licence_url)
    assert said["xmpRights:UsageTerms"] == read(record.licence_title)
    assert said["plus:LicensorURL"] == record.acquire_page
    asked = {
        "allowed": "DMI-ALLOWED",
        "not_allowed": "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING",
        "ask": "DMI-PROHIBITED-SEECONSTRAINT",
    }
    assert said["plus:DataMining"] == "http://ns.useplus.org/ldf/vocab/" + asked[rights.ai_training]
    assert ("plus:OtherConstraints" in said) == (rights.ai_training == "ask")


def read(text: str) -> str:
    """A text as an XML reader gives it back."""
    return xml_text(text).replace("\r\n", "\n").replace("\r", "\n")


@given(st.integers(0, 3))
def test_the_picture_stays_the_same(seed: int) -> None:
    plain = jpeg(seed, 64, 48)
    shown = with_xmp(plain, xmp(recorded(Rights(creator="Ada"))))
    assert Image.open(io.BytesIO(shown)).tobytes() == Image.open(io.BytesIO(plain)).tobytes()
    assert fields(Image.open(io.BytesIO(shown)).info["xmp"])["dc:creator"] == "Ada"
    assert len(shown) - len(plain) < 2_000


def test_what_cannot_have_it_is_refused() -> None:
    for plain, packet in ((encoded(picture(1, 8, 8), "PNG"), b"x"), (b"", b"x"), (jpeg(1, 8, 8), b"x" * 65_505)):
        with pytest.raises(ValueError, match="no JPEG"):
            with_xmp(plain, packet)
    longest = with_xmp(jpeg(1, 8, 8), b" " * 65_504)
    assert Image.open(io.BytesIO(longest)).size == (8, 8)
