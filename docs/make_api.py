"""Writes docs/api.md from the table that the service itself answers from: `python -m docs.make_api`."""

from pathlib import Path

from capture_api.openapi import CALLS
from capture_api.openapi_parts import Call
from capture_api.problems import TYPES

INTRO = """# The HTTP API

Made by `python -m docs.make_api` (a test holds it against the code). The same as OpenAPI 3.1: `/openapi.json`; for
people, with every schema: `/docs`. JSON; errors are RFC 9457 problem+json, whose `type` is stable and whose `detail`
says what to do next. `Authorization: Bearer <key>` where a key is needed; the scopes are `capture`, `review` (reads
all captures) and `admin` (everything).
"""


def api_text() -> str:
    """The whole page."""
    rows = "\n".join(_row(call) for call in CALLS)
    problems = "\n".join(f"| `{name}` | {status} | {title} |" for name, (status, title) in TYPES.items())
    return (
        f"{INTRO}\n| call | key | does | answers |\n|---|---|---|---|\n{rows}\n\n"
        f"## Problems\n\n| type | status | title |\n|---|---|---|\n{problems}\n"
    )


def _row(call: Call) -> str:
    answers = ", ".join(f"{status} `{media_type}`" for status, (media_type, _) in call.answers.items())
    answers += "".join(f", `{media_type}`" for media_type in call.also)
    return f"| `{call.method.upper()} {call.path}` | {'yes' if call.key else ''} | {call.summary} | {answers} |"


if __name__ == "__main__":
    (Path(__file__).parent / "api.md").write_text(api_text())
