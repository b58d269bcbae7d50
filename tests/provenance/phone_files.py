"""Files as phones write them: moving photos, gain maps and portraits, put together byte by byte from the formats."""

import io
import struct

import pillow_heif
from PIL import Image, ImageCms

from tests.photos import jpeg

pillow_heif.register_heif_opener()

XMP = b"http://ns.adobe.com/xap/1.0/\0"
PAIR_ID, BURST_ID = "6F9619FF-8B86-D011-B42D-00C04FC964FF", "2E9F1A77-1111-4222-8333-444455556666"
VIDEO = struct.pack(">I4s4sI4s", 20, b"ftyp", b"mp42", 0, b"isom") + struct.pack(">I4s", 5000, b"mdat") + bytes(4992)


def segment(marker: int, body: bytes) -> bytes:
    """One JPEG segment."""
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def with_segments(photo: bytes, *segments: bytes) -> bytes:
    """A JPEG with these segments right behind its JFIF header, which comes first."""
    assert photo[2:4] == b"\xff\xe0"
    at = 4 + int.from_bytes(photo[4:6], "big")
    return photo[:at] + b"".join(segments) + photo[at:]


def xmp(text: str) -> bytes:
    """An XMP segment with this in its description."""
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f"{text}</rdf:RDF></x:xmpmeta>"
    )
    return segment(0xE1, XMP + packet.encode())


def motion_xmp(length: int, padding: int = 0) -> bytes:
    """What Motion Photo 1.0 states: the items of the container, the video last."""
    return xmp(
        '<rdf:Description xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1">'
        '<Container:Directory><rdf:Seq><rdf:li rdf:parseType="Resource"><Container:Item Item:Mime="image/jpeg" '
        f'Item:Semantic="Primary" Item:Length="0" Item:Padding="{padding}"/></rdf:li><rdf:li rdf:parseType="Resource">'
        f'<Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="{length}"/>'
        "</rdf:li></rdf:Seq></Container:Directory></rdf:Description>"
    )


def motion_photo(seed: int, stated: int = len(VIDEO), video: bytes = VIDEO) -> bytes:
    """A JPEG with a video behind it."""
    return with_segments(jpeg(seed, 640, 480), motion_xmp(stated)) + video


def old_motion_photo(seed: int) -> bytes:
    """As the first Pixels wrote it: the offset from the file's end."""
    said = f'<rdf:Description GCamera:MicroVideo="1" GCamera:MicroVideoOffset="{len(VIDEO)}"/>'
    return with_segments(jpeg(seed, 640, 480), xmp(said)) + VIDEO


def samsung_motion_photo(seed: int) -> bytes:
    """A trailer with a mark before the video and a directory behind it."""
    return jpeg(seed, 640, 480) + b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data" + VIDEO + b"SEFH" + bytes(24) + b"SEFT"


def with_pictures(seed: int, *others: tuple[int, bytes]) -> bytes:
    """A multi-picture JPEG (CIPA DC-007): the others, each with its MP type, behind the first."""
    main = jpeg(seed, 640, 480)
    count = 1 + len(others)
    # header 8, directory 2 + 3 entries of 12 + 4, then the table
    table = 8 + 2 + 36 + 4
    body_bytes = 4 + table + 16 * count
    start = 4 + int.from_bytes(main[4:6], "big") + 4 + 4  # of the MP header in the file
    entries = [struct.pack(">IIIHH", 0x030000, len(main) + body_bytes + 4, 0, 0, 0)]
    at = len(main) + body_bytes + 4
    for kind, other in others:
        entries.append(struct.pack(">IIIHH", kind, len(other), at - start, 0, 0))
        at += len(other)
    directory = struct.pack(">H", 3)
    directory += struct.pack(">HHI4s", 0xB000, 7, 4, b"0100")
    directory += struct.pack(">HHII", 0xB001, 4, 1, count)
    directory += struct.pack(">HHII", 0xB002, 7, 16 * count, table)
    body = b"MPF\0" + b"MM\0*" + struct.pack(">I", 8) + directory + bytes(4) + b"".join(entries)
    assert len(body) == body_bytes
    return with_segments(main, segment(0xE2, body)) + b"".join(other for _, other in others)


def gain_map(seed: int) -> bytes:
    """A small picture that says of itself that it is a gain map."""
    said = '<rdf:Description xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    return with_segments(jpeg(seed, 160, 120), xmp(said))


def depth(seed: int) -> bytes:
    """A small picture that Apple's phones mark as a depth map."""
    kind = "<apdi:AuxiliaryImageType>urn:com:apple:photo:2018:aux:depth</apdi:AuxiliaryImageType>"
    said = f"<rdf:Description>{kind}</rdf:Description>"
    return with_segments(jpeg(seed, 160, 120), xmp(said))


def apple_note(**texts: str) -> bytes:
    """An Apple maker note with a pair's and a burst's identifier."""
    tags = {"burst": 0x000B, "pair": 0x0011}
    entries, values = b"", b""
    at = 14 + 2 + 12 * len(texts) + 4
    for name, text in sorted(texts.items()):
        value = text.encode() + b"\0"
        entries += struct.pack(">HHII", tags[name], 2, len(value), at + len(values))
        values += value
    return b"Apple iOS\0\0\x01MM" + struct.pack(">H", len(texts)) + entries + bytes(4) + values


def apple_photo(seed: int, kind: str = "JPEG") -> bytes:
    """A photo with such a note, turned, and in Display P3's name."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769)[0x927C] = apple_note(pair=PAIR_ID, burst=BURST_ID)
    out = io.BytesIO()
    image = Image.open(io.BytesIO(jpeg(seed, 640, 480)))
    image.save(out, kind, exif=exif.tobytes(), icc_profile=profile("Display P3"))
    return out.getvalue()


def profile(name: str) -> bytes:
    """An sRGB profile under another name of at most 12 letters."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    old = "sRGB built-in".encode("utf-16-be")
    assert old in made
    return made.replace(old, name.ljust(13, "\0").encode("utf-16-be"))
