"""What a capture was made from, as JSON."""

from typing import Any

from pipeline.record import Capture, encode


def parents_json(capture: Capture) -> dict[str, Any]:
    """How it was made and from what, as its uploader said."""
    asked = capture.request
    return {
        "digital_source_type": asked.digital_source_type,
        "parents": encode(asked.parents),
        "erased_parents": asked.erased_parents,
    }
