"""axe-core's judgement of a page as it stands: the rules of WCAG 2.2 A and AA, and good practice."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

AXE = Path(__file__).with_name("node_modules") / "axe-core" / "axe.min.js"


def faults(page: Page) -> list[str]:
    """What axe finds of serious or critical impact: the rule, and where."""
    if not AXE.exists():
        pytest.skip("no axe-core: `make test` fetches it, or `npm install` in tests/browser")
    # By the debugger, which the page's own policy (no foreign scripts) does not bind.
    session = page.context.new_cdp_session(page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    told: dict[str, Any] = session.send(
        "Runtime.evaluate", {"expression": "axe.run()", "awaitPromise": True, "returnByValue": True}
    )
    session.detach()
    return [
        f"{found['id']} ({found['impact']}): {node['html'][:120]}"
        for found in told["result"]["value"]["violations"]
        if found["impact"] in ("serious", "critical")
        for node in found["nodes"]
    ]
