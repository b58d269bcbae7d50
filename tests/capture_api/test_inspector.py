"""The check page as a form without script sends it: what it answers, and with which status."""

import json

import pytest

from tests.photos import encoded, jpeg, picture
from tests.service import Answer, Running


def check(service: Running, photo: bytes, name: str = "file") -> Answer:
    """The form as a browser sends it."""
    mark = "----form-boundary"
    head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="a.jpg"\r\n'
    head += "Content-Type: image/jpeg\r\n\r\n"
    body = head.encode() + photo + f"\r\n--{mark}--\r\n".encode()
    answer = service.ask("POST", "/verify", body, key=None, Content_Type=f"multipart/form-data; boundary={mark}")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "script" not in answer.headers["Content-Security-Policy"]
    assert b"<script" not in answer.body
    return answer


def test_the_form_is_there_without_script(service: Running) -> None:
    page = service.ask("GET", "/verify", key=None)
    assert page.status == 200
    assert b'method="post"' in page.body and b'type="file"' in page.body and b"<script" not in page.body


def test_an_answer_is_kept_by_nobody(service: Running) -> None:
    known = service.register(jpeg(7201)).json
    answer = check(service, encoded(picture(7201).resize((640, 480)), "JPEG", quality=60))
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    text = answer.body.decode()
    assert f'href="/v1/manifests/{known["manifest"]["label"]}"' in text
    assert "Recovered by soft binding, pixels not hash-bound" in text
    assert text.count('src="data:image/jpeg;base64,') == 2


def test_private_photos_leave_no_trace(service: Running) -> None:
    hidden = service.register(jpeg(7202), Capture_Metadata=json.dumps({"published": False})).json
    for photo in (jpeg(7202), service.ask("GET", hidden["links"]["file"]).body):
        text = check(service, photo).body.decode()
        assert hidden["id"] not in text
        assert "No registered photo was found in it" in text


@pytest.mark.parametrize(
    ("photo", "status", "says"),
    [
        (b"", 400, "empty"),
        (b"Dear diary", 415, "not a kind of photo"),
        (jpeg(7203)[:9000], 422, "Nothing was kept"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), 422, "Nothing was kept"),
    ],
)
def test_what_is_refused_is_said_on_the_page(service: Running, photo: bytes, status: int, says: str) -> None:
    answer = check(service, photo)
    assert answer.status == status
    assert says in answer.body.decode() and 'role="alert"' in answer.body.decode()


def test_another_form_is_refused(service: Running) -> None:
    assert check(service, jpeg(7203), name="photo").status == 400
    assert (
        service.ask("POST", "/verify", b"a=b", key=None, Content_Type="application/x-www-form-urlencoded").status == 415
    )
