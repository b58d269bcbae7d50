"""The rights record within a picture: XMP, as IPTC's photo metadata standard and PLUS name the fields.

For small pictures, which are ours to write. A signed photo is the upload's own bytes, and has the same in its manifest.
"""

from xml.etree import ElementTree

from pipeline.record import AiTraining
from rights.dialects import xml_text
from rights.record import RightsRecord

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": _RDF,
    "dc": "http://purl.org/dc/elements/1.1/",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
}
for _prefix, _uri in _NAMESPACES.items():
    ElementTree.register_namespace(_prefix, _uri)

# PLUS's vocabulary: a prohibition that points at its constraint is what "ask first" comes to. "No" is to all mining, as
# in the other languages, not to training alone; who publishes a page wants it found.
_DATA_MINING: dict[AiTraining, str] = {
    "allowed": "DMI-ALLOWED",
    "not_allowed": "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING",
    "ask": "DMI-PROHIBITED-SEECONSTRAINT",
}
_VOCABULARY = "http://ns.useplus.org/ldf/vocab/"

_SOI, _APP0, _APP1 = b"\xff\xd8", b"\xff\xe0", b"\xff\xe1"
_XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"  # XMP part 3, section 1.1.3: JPEG
_LONGEST_SEGMENT = 65_533  # bytes behind the two of its length


def xmp(record: RightsRecord) -> bytes:
    """The XMP packet of a record: who is to be credited, the licence, where to get one, and whether AI may be trained.

    With Web Statement of Rights and Licensor URL it is what Google asks of licensable images (IPTC, quick guide).
    """
    root = ElementTree.Element(_name("x:xmpmeta"))
    about = ElementTree.SubElement(ElementTree.SubElement(root, _name("rdf:RDF")), _name("rdf:Description"))
    about.set(_name("rdf:about"), "")
    if record.creator:
        _item(about, "dc:creator", "rdf:Seq").text = xml_text(record.creator)
    if record.copyright_notice:
        _spoken(about, "dc:rights", record.copyright_notice)
    if record.credit:
        _text(about, "photoshop:Credit", record.credit)
    _spoken(about, "xmpRights:UsageTerms", record.licence_title)
    _text(about, "xmpRights:WebStatement", record.licence_url)
    licensor = _item(about, "plus:Licensor", "rdf:Seq")
    licensor.set(_name("rdf:parseType"), "Resource")
    if holder := record.credit or record.creator:
        _text(licensor, "plus:LicensorName", holder)
    _text(licensor, "plus:LicensorURL", record.acquire_page)
    _text(about, "plus:DataMining", _VOCABULARY + _DATA_MINING[record.ai_training])
    if record.ai_training == "ask":
        _spoken(about, "plus:OtherConstraints", f"AI training only with the rights holder's permission: {record.page}")
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{text}<?xpacket end="r"?>'.encode()


def with_xmp(jpeg: bytes, packet: bytes) -> bytes:
    """The same JPEG with this XMP in front of its picture. Raises ValueError for no JPEG, or too long a packet."""
    content = _XMP_HEADER + packet
    if not jpeg.startswith(_SOI) or len(content) > _LONGEST_SEGMENT:
        raise ValueError(f"no JPEG, or {len(packet)} bytes of XMP")
    behind = 2
    if jpeg[2:4] == _APP0:  # JFIF says that it comes first
        behind = 4 + int.from_bytes(jpeg[4:6], "big")
    return jpeg[:behind] + _APP1 + (len(content) + 2).to_bytes(2, "big") + content + jpeg[behind:]


def _name(short: str) -> str:
    prefix, _, name = short.partition(":")
    return f"{{{_NAMESPACES[prefix]}}}{name}"


def _text(parent: ElementTree.Element, name: str, value: str) -> None:
    ElementTree.SubElement(parent, _name(name)).text = xml_text(value)


def _item(parent: ElementTree.Element, name: str, kind: str) -> ElementTree.Element:
    """The one item of a list of this kind."""
    items = ElementTree.SubElement(ElementTree.SubElement(parent, _name(name)), _name(kind))
    return ElementTree.SubElement(items, _name("rdf:li"))


def _spoken(parent: ElementTree.Element, name: str, value: str) -> None:
    """XMP's language alternative, in no language in particular."""
    item = _item(parent, name, "rdf:Alt")
    item.set("{http://www.w3.org/XML/1998/namespace}lang", "x-default")
    item.text = xml_text(value)
