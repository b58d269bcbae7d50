"""The place goes out of every kind of file, in place: nothing else changes, and no reader finds it any more."""

import io
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, PngImagePlugin

from provenance.exif import read_shot
from provenance.location import Irremovable, tells_location, without_location
from tests.photos import SHARED, encoded, jpeg, picture
from tests.provenance.test_exif import BERLIN, exif

KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"]
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
XMP = f"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {RDF}><rdf:Description rdf:about="" dc:format="image/jpeg"
 exif:GPSLatitude="52,31.208333N" drone-dji:GpsLongitude='13.41' photoshop:City="Berlin" Iptc4xmpCore:Location="Mitte"
 xmpRights:WebStatement="https://example.org/">
<exif:GPSAltitude>341/10</exif:GPSAltitude><photoshop:State/>
<Iptc4xmpExt:LocationCreated><rdf:Bag><rdf:li rdf:parseType="Resource">
<Iptc4xmpExt:Sublocation>Mitte</Iptc4xmpExt:Sublocation></rdf:li></rdf:Bag></Iptc4xmpExt:LocationCreated>
<dc:title>A street in Berlin</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"""
RAW_PROFILE = b"\nexif\n 9\n" + exif(gps=BERLIN).tobytes().hex().encode()  # as an older program writes it
GONE = (b"52,31", b"13.41", b"341/10", b"Mitte", b'"Berlin"', b"City", b"Location")
STAYS = (b"A street in Berlin", b"https://example.org/", b'dc:format="image/jpeg"')


def located(kind: str, gps: dict[int, Any] | None = None, **more: Any) -> bytes:
    """A photo of this kind whose EXIF says where and when it was taken."""
    tags = exif(gps=BERLIN if gps is None else gps).tobytes()
    if kind != "HEIF":
        return encoded(picture(10, 320, 240), kind, exif=tags, **more)
    image, out = pillow_heif.from_pillow(picture(10, 320, 240)), io.BytesIO()
    image.info["exif"] = tags
    image.save(out)
    return out.getvalue()


SMALL = {kind: located(kind) for kind in ("JPEG", "WEBP", "PNG")}
EXIF_BYTES = {  # what the containers say, read by hand
    "JPEG": int.from_bytes(SMALL["JPEG"][(_at := SMALL["JPEG"].index(b"Exif\0\0")) - 2 : _at]) - 8,
    "WEBP": int.from_bytes(SMALL["WEBP"][(_at := SMALL["WEBP"].index(b"EXIF") + 4) : _at + 4], "little"),
    "PNG": int.from_bytes(SMALL["PNG"][(_at := SMALL["PNG"].index(b"eXIf")) - 4 : _at]) + 4,  # and its checksum
}


def opened(content: bytes) -> Image.Image:
    if content[4:8] == b"ftyp" and b"avif" not in content[:40]:
        return pillow_heif.open_heif(io.BytesIO(content)).to_pillow()
    return Image.open(io.BytesIO(content))


@pytest.mark.parametrize("kind", KINDS)
def test_the_place_goes_and_everything_else_stays(tmp_path: Path, kind: str) -> None:
    before = located(kind)
    after = without_location(before)
    assert len(after) == len(before) and 30 < sum(a != b for a, b in zip(after, before, strict=True)) < 200
    (tmp_path / "photo").write_bytes(before)
    told = read_shot(tmp_path / "photo")
    (tmp_path / "photo").write_bytes(after)
    left = read_shot(tmp_path / "photo")
    assert told.latitude and (left.latitude, left.longitude) == (None, None)
    assert (left.taken_at, left.device, left.width) == (told.taken_at, told.device, told.width)
    assert np.array_equal(np.asarray(opened(after)), np.asarray(opened(before)))
    tags = opened(after).getexif()
    assert not tags.get_ifd(ExifTags.IFD.GPSInfo) and ExifTags.Base.GPSInfo not in tags
    assert without_location(after) == after


@pytest.mark.parametrize("kind", KINDS)
def test_a_photo_that_tells_no_place_is_left_alone(kind: str) -> None:
    zeroed: dict[int, Any] = dict.fromkeys((ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude), (0.0, 0.0, 0.0))
    for photo in (located(kind, {}), located(kind, zeroed), located(kind, {ExifTags.GPS.GPSAltitude: 34.0})):
        assert without_location(photo) == photo and not tells_location(photo)


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_exif_that_ends_after_its_last_entry_is_cleaned(tmp_path: Path, order: str) -> None:
    """Some programs leave out where the next directory is; readers do not mind, and read the place."""
    angle = struct.pack(f"{order}6I", 52, 1, 31, 1, 25, 2)
    entries = [(1, 2, 2, b"N"), (2, 5, 3, None), (3, 2, 2, b"E"), (4, 5, 3, None)]
    gps = struct.pack(f"{order}H", 4) + b"".join(
        struct.pack(f"{order}HHI", *entry[:3]) + (entry[3].ljust(4, b"\0") if entry[3] else struct.pack(f"{order}I", 8))
        for entry in entries
    )
    mark = b"II*\0" if order == "<" else b"MM\0*"
    tiff = mark + struct.pack(f"{order}I", 8 + 24 + len(gps) + 4) + angle + gps + bytes(4)
    tiff += struct.pack(f"{order}HHHII", 1, 0x8825, 4, 1, 8 + 24)
    photo = jpeg(10, 320, 240)
    segment = b"\xff\xe1" + (8 + len(tiff)).to_bytes(2) + b"Exif\0\0" + tiff
    content = photo[:2] + segment + photo[2:]
    (tmp_path / "photo").write_bytes(content)
    assert read_shot(tmp_path / "photo").latitude == "52,31.208333N"
    cleaned = without_location(content)
    (tmp_path / "photo").write_bytes(cleaned)
    assert read_shot(tmp_path / "photo").latitude is None
    assert (len(cleaned), cleaned[2 + len(segment) :]) == (len(content), photo[2:])


def test_a_big_tiffs_place_cannot_be_taken_out() -> None:
    assert without_location(plain := located("TIFF", gps={}, big_tiff=True)) == plain
    with pytest.raises(Irremovable):
        without_location(located("TIFF", big_tiff=True))


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_directory_of_a_thumbnail_keeps_its_place(order: str) -> None:
    """The entry that goes is followed by others, and by the place of the next directory."""
    content = exif_by_hand(order)
    after = without_location(content)
    number, mark = struct.unpack_from(f"{order}H", after, 8)[0], struct.unpack_from(f"{order}I", after, 8 + 2 + 24)[0]
    assert (number, mark) == (2, 90)
    tags = [struct.unpack_from(f"{order}H", after, at)[0] for at in (10, 22)]
    assert tags == [0x010F, 0x9999] and not any(after[60:90])
    assert after[90:] == content[90:]


def exif_by_hand(order: str) -> bytes:
    """A maker, the GPS directory at 60, another entry, and a next directory at 90."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    entries = [(0x010F, 2, 4, 7), (0x8825, 4, 1, 60), (0x9999, 4, 1, 5)]
    first = struct.pack(f"{order}H", 3) + b"".join(struct.pack(f"{order}HHII", *e) for e in entries)
    gps = struct.pack(f"{order}HHHII", 1, 2, 5, 1, 78) + bytes(4) + struct.pack(f"{order}II", 52, 1)
    content = head + first + struct.pack(f"{order}I", 90)
    return content.ljust(60, b"\0") + gps.ljust(30, b"\0") + struct.pack(f"{order}HI", 0, 0) + b"rest"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_xmp_loses_places_and_keeps_the_rest(kind: str) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", XMP)
    how: dict[str, dict[str, Any]] = {
        "PNG": {"pnginfo": text}, "TIFF": {"tiffinfo": {700: XMP.encode()}}, "JPEG": {"xmp": XMP.encode()},
        "WEBP": {"xmp": XMP.encode()},
    }  # fmt: skip
    before = encoded(picture(11, 64, 48), kind, **how[kind])
    after = without_location(before)
    assert len(after) == len(before)
    assert all(word in before and word not in after for word in GONE)
    assert all(word in after for word in STAYS)
    assert tells_location(before) and not tells_location(after)
    assert np.array_equal(np.asarray(opened(after)), np.asarray(opened(before)))


def test_iptc_loses_places_and_keeps_the_rest() -> None:
    def record(number: int, value: bytes) -> bytes:
        return bytes([0x1C, 2, number]) + len(value).to_bytes(2) + value

    records = record(0, b"\0\4") + record(90, b"Berlin") + record(80, b"Ada Lovelace") + record(101, b"Germany")
    resource = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(records).to_bytes(4) + records
    segment = b"\xff\xed" + (len(resource) + 2).to_bytes(2) + resource
    before = jpeg(12, 64, 48)
    before = before[:2] + segment + before[2:]
    after = without_location(before)
    assert after == before.replace(b"Berlin", b"      ").replace(b"Germany", b"       ")


PLACES = b"\x1c\x02\x5a\0\x06Berlin\x1c\x02\x50\0\x03Ada"  # IPTC records: a city, and who took the photo


def test_iptc_goes_out_of_a_tiffs_own_tag() -> None:
    """TIFF and DNG have the records without Photoshop's resource around them."""
    before = encoded(picture(12, 64, 48), "TIFF", tiffinfo={33723: PLACES})
    assert without_location(before) == before.replace(b"Berlin", b"      ") != before


def test_iptc_goes_out_of_a_resource_that_has_a_name() -> None:
    resource = b"Photoshop 3.0\0" + b"8BIM\x04\x04\x02ab\0" + len(PLACES).to_bytes(4) + PLACES
    before = with_segment(b"\xed", resource)
    assert without_location(before) == before.replace(b"Berlin", b"      ") != before


def with_segment(marker: bytes, *bodies: bytes) -> bytes:
    photo = jpeg(12, 64, 48)
    return photo[:2] + b"".join(b"\xff" + marker + (2 + len(b)).to_bytes(2) + b for b in bodies) + photo[2:]


@pytest.mark.parametrize("word", ["exif:GPSLatitude", "52,31.208333N", 'City="Berlin"', "Mitte</Iptc4xmpExt"])
def test_xmp_that_goes_on_in_another_segment_is_looked_at_whole(word: str) -> None:
    """A writer cuts it anywhere, also in the middle of a name."""
    xmp = XMP.encode()
    cut = xmp.index(word.encode()) + len(word) // 2
    head = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32 + len(xmp).to_bytes(4)
    first, second = (head + (0).to_bytes(4) + xmp[:cut], head + cut.to_bytes(4) + xmp[cut:])
    after = without_location(with_segment(b"\xe1", second, first))  # in any order
    begins = [after.index(head) + len(head) + 4, after.rindex(head) + len(head) + 4]
    whole = after[begins[1] : begins[1] + cut] + after[begins[0] : begins[0] + len(xmp) - cut]
    assert after == with_segment(b"\xe1", head + cut.to_bytes(4) + whole[cut:], head + bytes(4) + whole[:cut])
    assert not any(name in whole for name in GONE) and all(name in whole for name in STAYS)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("count", [1, 2])
def test_a_place_in_a_directory_of_another_picture_is_found(order: str, count: int) -> None:
    """As DNGs have them: one or several directories below the first."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8)
    first = struct.pack(f"{order}HHHIII", 1, 0x014A, 4, count, 34 if count == 1 else 26, 0)
    below = struct.pack(f"{order}HHHIII", 1, 0x8825, 4, 1, 52, 0)
    gps = struct.pack(f"{order}HHHIII", 1, 2, 5, 1, 70, 0) + struct.pack(f"{order}II", 52, 1)
    after = without_location(head + first + struct.pack(f"{order}II", 34, 34) + below + gps)
    assert after == (head + first + struct.pack(f"{order}II", 34, 34)).ljust(52 + len(gps), b"\0")


def test_the_name_of_a_place_without_coordinates_goes_too() -> None:
    named, nameless = (
        located("JPEG", {ExifTags.GPS.GPSAreaInformation: b"ASCII\0\0\0" + n}) for n in (b"Mitte", b"  ")
    )
    assert b"Mitte" in named and b"Mitte" not in without_location(named)
    assert without_location(nameless) == nameless


def test_a_place_under_quicktimes_key_goes_too() -> None:
    track = b"\0\0\0\x24com.apple.quicktime.location.ISO6709\0\0\0\1+52.5206+013.4100+034.5/\0\0+1.5"
    before = jpeg(13, 64, 48) + track
    assert without_location(before) == before.replace(b"+52.5206+013.4100+034.5/", b" " * 24) != before


def test_a_moving_photos_place_goes_too() -> None:
    box = struct.pack(">I4sHH", 30, b"\xa9xyz", 18, 0x15C7) + b"+52.5200+013.4050/"
    before = jpeg(13, 64, 48) + box
    after = without_location(before)
    assert b"52.5" not in after and after[: -len(box)] == before[: -len(box)] and after[-26:-22] == b"free"


def png_with(name: bytes, body: bytes) -> bytes:
    photo = encoded(picture(14, 64, 48), "PNG")
    chunk = len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)
    return photo[:33] + chunk + photo[33:]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP.encode())),
        (b"zTXt", b"XML:com.adobe.xmp\0\0" + zlib.compress(XMP.encode())),
        (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(RAW_PROFILE)),
        (b"tEXt", b"Raw profile type exif\0" + RAW_PROFILE),
        (b"iTXt", b"Raw profile type exif\0\0\0\0\0" + RAW_PROFILE),
        (b"tEXt", b"Raw profile type iptc\0\niptc\n 9\n" + b"1c025a00064265726c696e"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_out_in_place_is_told(name: bytes, body: bytes) -> None:
    with pytest.raises(Irremovable):
        without_location(png_with(name, body))
    harmless = png_with(name, b"Comment" + b"\0\1\0\0\0"[: 5 if name == b"iTXt" else 2] + zlib.compress(b"nothing"))
    assert without_location(harmless) == harmless


def test_gps_directories_that_make_no_sense_are_told() -> None:
    for at, value in ((60, 500), (60 + 6, 10**6), (60 + 10, 10**6)):
        content = bytearray(exif_by_hand("<"))
        struct.pack_into("<H" if value == 500 else "<I", content, at, value)
        with pytest.raises(Irremovable):
            without_location(bytes(content))


@given(st.binary(max_size=400), st.sampled_from([b"", b"II*\0", b"MM\0*", b"\x89PNG\r\n\x1a\n", b"8BIM\x04\x04\0\0"]))
@settings(deadline=None)
def test_no_bytes_make_it_fail(rest: bytes, start: bytes) -> None:
    with suppress(Irremovable):
        assert len(without_location(start + rest)) == len(start + rest)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@given(at=st.integers(0, 250), value=st.integers(0, 255))
@settings(deadline=None, max_examples=300)
def test_a_damaged_directory_never_reaches_the_pixels(kind: str, at: int, value: int) -> None:
    photo = SMALL[kind]
    begin = photo.index(b"II*\0" if b"II*\0" in photo else b"MM\0*")
    damaged = photo[: begin + at] + bytes([value]) + photo[begin + at + 1 :]
    try:
        after = without_location(damaged)
    except Irremovable:
        return
    end = begin + EXIF_BYTES[kind]
    assert after[:begin] == damaged[:begin] and after[end:] == damaged[end:]


def test_json_and_cbor_that_name_coordinates_are_seen() -> None:
    assert tells_location(b'{"exif:GPSLatitude": "52"}') and tells_location(b"\x6bGPSLongitude")
    assert tells_location("exif:GPSLatitude".encode("utf-16-le")) and tells_location(b"drone-dji:GpsLatitude")
    assert not tells_location(b"Garmin GPS receiver") and not tells_location(jpeg(15, 320, 240))


@pytest.mark.parametrize("name", ["camera_0070.jpg", "camera_0088.jpg", "camera_0092.jpg", "camera_0125.jpg"])
def test_other_cameras_photos_lose_their_place(tmp_path: Path, name: str) -> None:
    file = SHARED / "photos" / name
    if not file.is_file():
        pytest.skip(f"{name} is not among the shared photos here")
    before = file.read_bytes()
    after = without_location(before)
    (tmp_path / name).write_bytes(after)
    told, left = read_shot(file), read_shot(tmp_path / name)
    assert told.latitude and left.latitude is None and left.taken_at == told.taken_at and left.device == told.device
    assert np.array_equal(np.asarray(opened(after)), np.asarray(opened(before)))
    assert not tells_location(after)
