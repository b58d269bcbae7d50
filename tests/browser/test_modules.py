"""The page's modules by themselves, in the browser that runs them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from tests.service import Running


@pytest.fixture(scope="module")
def page(browser: Browser, service: Running) -> Iterator[Page]:
    """A page of the service: modules are loaded under its own content security policy."""
    context = browser.new_context(base_url=service.base)
    opened = context.new_page()
    opened.goto("/docs")
    yield opened
    context.close()


def parse(page: Page, chunks: list[str]) -> Any:
    """What the parser makes of a text that comes in these pieces."""
    return page.evaluate(
        """async (chunks) => {
            const { createParser } = await import('/static/sse.js');
            const events = [];
            const feed = createParser((event) => events.push(event));
            chunks.forEach(feed);
            return events;
        }""",
        chunks,
    )


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: one\n\n", [("message", "one", "")]),
        ("event: fact\ndata: {}\nid: 3\n\n", [("fact", "{}", "3")]),
        ("data: a\ndata: b\n\n", [("message", "a\nb", "")]),
        ("data:no space\n\ndata:  two\n\n", [("message", "no space", ""), ("message", " two", "")]),
        (": keep-alive\n\ndata: x\n\n", [("message", "x", "")]),
        ("event: end\n\n", []),  # no data, no event
        ("data\n\n", [("message", "", "")]),
        ("data: a:b: c\n\n", [("message", "a:b: c", "")]),
        ("id: 7\ndata: a\n\ndata: b\n\n", [("message", "a", "7"), ("message", "b", "7")]),  # the id stays
        ("event: e\ndata: a\n\ndata: b\n\n", [("e", "a", ""), ("message", "b", "")]),  # the name does not
        ("retry: 10\nwhatever: 1\ndata: a\n\n", [("message", "a", "")]),
        ("\ufeffdata: a\n\n", [("message", "a", "")]),
        ("data: cut off", []),
        ("data: cut off\n", []),
    ],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_events_are_parsed_as_the_standard_says(page: Page, text: str, events: list[Any], ending: str) -> None:
    found = parse(page, [text.replace("\n", ending)])
    assert [(event["event"], event["data"], event["id"]) for event in found] == events


_LINE = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)
_ENDING = st.sampled_from(["\n", "\r\n", "\r"])
_EVENT = st.tuples(st.lists(_LINE, min_size=1, max_size=3), st.sampled_from(["", "fact", "end"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(_EVENT, max_size=4), chunks=st.data())
def test_it_does_not_matter_where_a_stream_is_cut(page: Page, events: list[tuple[list[str], str]], chunks: Any) -> None:
    text = ""
    for data, name in events:
        lines = [f"event: {name}"] * bool(name) + [f"data: {line}" for line in data] + [""]
        ending = chunks.draw(_ENDING)  # one for an event: CR and then LF would be one ending, not two
        text += "".join(line + ending for line in lines)
    cuts = sorted(chunks.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = parse(page, pieces)
    assert [(event["event"], event["data"]) for event in found] == [
        (name or "message", "\n".join(d)) for d, name in events
    ]


def test_a_character_that_is_cut_in_two_stays_whole(page: Page) -> None:
    found = page.evaluate(
        """async () => {
            const { readEvents } = await import('/static/sse.js');
            const bytes = new TextEncoder().encode('data: 港 📷 é\\n\\n');
            const pieces = new ReadableStream({ start(flow) {
                bytes.forEach((byte) => flow.enqueue(Uint8Array.of(byte)));
                flow.close();
            } });
            const events = [];
            let chunks = 0;
            await readEvents(new Response(pieces), (event) => events.push(event.data), () => { chunks += 1; });
            return { events, chunks, bytes: bytes.length };
        }"""
    )
    assert found["events"] == ["港 📷 é"]
    assert found["chunks"] == found["bytes"]


def describe(page: Page, name: str, value: Any) -> Any:
    """What the page says of a fact."""
    script = "async ([name, value]) => (await import('/static/facts.js')).describe(name, value)"
    return page.evaluate(script, [name, value])


def credentials(state: str, worst: str | None = None, **more: Any) -> dict[str, Any]:
    return {"state": state, "worst": worst or state, "signer": None, "reason": None, **more}


@pytest.mark.parametrize(
    ("value", "words", "attention"),
    [
        (credentials("none"), "without Content Credentials", False),
        (credentials("trusted", signer="Ada News"), "trusted signer. Signer: Ada News.", False),
        (credentials("valid"), "no trust list", False),
        (credentials("invalid", reason="the bytes were changed"), "do not fit it. The bytes were changed.", True),
        (credentials("malformed"), "cannot be read", True),
        (credentials("remote_only"), "was not visited", False),
        (
            credentials(
                "none", contents={"parts": [{"kind": "motion_video"}, {"kind": "gain_map"}], "pair": "A", "burst": None}
            ),
            "Also in the file, and kept: a video, an HDR gain map. It is the still of a Live Photo",
            False,
        ),
        # Laundering: what is signed well may be made from something that was tampered with.
        (credentials("trusted", "invalid"), "Something it was made from", True),
    ],
)
def test_credentials_are_told_by_the_worst(page: Page, value: Any, words: str, attention: bool) -> None:
    said = describe(page, "credentials", value)
    assert words in said["text"]
    assert said["attention"] is attention


ANCHOR = {"block": 7, "chain_id": 1, "state": "final", "local": False}


@pytest.mark.parametrize(
    ("changes", "words", "attention"),
    [
        ({}, "Block 7 of chain 1", False),
        ({"state": "included"}, "not final yet", False),
        ({"local": True}, "Local chain: not independent proof.", True),
    ],
)
def test_an_anchor_never_says_more_than_it_is(page: Page, changes: Any, words: str, attention: bool) -> None:
    said = describe(page, "anchor", ANCHOR | changes)
    assert words in said["text"]
    assert said["attention"] is attention
    assert ("independent proof" in said["text"]) is bool(changes.get("local"))


def test_a_flat_photo_is_told_that_its_copies_will_not_be_found(page: Page) -> None:
    assert "only the very same file" in describe(page, "fingerprint", {"soft_bindings": [1], "quality": 49})["text"]
    assert "Altered copies can be found" in describe(page, "fingerprint", {"soft_bindings": [1], "quality": 50})["text"]


def test_a_fact_of_an_unknown_shape_breaks_nothing(page: Page) -> None:
    shapes: list[Any] = [{}, {"matches": None}, [], "text"]
    for value in shapes:
        assert describe(page, "verdict", value)["text"]
    assert describe(page, "something-new", {"a": 1})["text"] == "Done."


@pytest.mark.parametrize(
    ("kind", "attention"),
    [("near_copy", True), ("contained_in", True), ("shares_region", False), ("same_scene", False)],
)
def test_a_verdict_is_told_in_the_words_of_its_best_match(page: Page, kind: str, attention: bool) -> None:
    value = {"kind": kind, "compared_with": 2, "matches": [{"means": "Best"}, {"means": "Second"}], "note": "not b."}
    said = describe(page, "verdict", value)
    assert said == {"text": "Compared with 2 earlier photos. Best. Not b.", "attention": attention}


@pytest.mark.parametrize("status", [0, 400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 502, 503])
@pytest.mark.parametrize("body", ["", "<html>", "null", "[]", json.dumps({"title": "T", "detail": "D"})])
def test_every_error_says_what_happened_and_what_to_do(page: Page, status: int, body: str) -> None:
    said = page.evaluate(
        """async ([status, body]) => {
            const { Problem, explain } = await import('/static/problem.js');
            return explain(Problem.parse(status, body));
        }""",
        [status, body],
    )
    assert said["title"] and said["next"].endswith(".")
    assert "<" not in said["title"] + said["detail"]
    assert said["retry"] is (status not in (401, 403, 409, 413, 415, 422))
    if body.startswith("{"):
        assert (said["title"], said["detail"]) == ("T", "D")


def test_numbers_are_written_as_people_read_them(page: Page) -> None:
    said = page.evaluate(
        """async () => {
            const { bytes, after, count } = await import('/static/words.js');
            return [bytes(0), bytes(999), bytes(1000), bytes(91167), bytes(3210000), bytes(50000000),
                    after(0), after(99), after(312), after(12345), after(240000), after(null),
                    count(1, 'photo'), count(1200, 'photo'), count(2, 'entry', 'entries')];
        }"""
    )
    assert said == [
        "0 bytes", "999 bytes", "1.0 KB", "91 KB", "3.2 MB", "50 MB",
        "0 ms", "99 ms", "0.3 s", "12.3 s", "4 min", "",
        "1 photo", "1,200 photos", "2 entries",
    ]  # fmt: skip
