"""A place in the list of changes as clients keep it: opaque, and the same in lists and event streams."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass

from capture_api.problems import problem

_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """Behind which change one is. `until`: where a walk through pages that has begun will end."""

    after: int
    until: int | None = None

    def __str__(self) -> str:
        text = str(self.after) if self.until is None else f"{self.after}-{self.until}"
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """The inverse of `str`. Raises Problem."""
        try:
            found = re.fullmatch(rb"(\d{1,19})(?:-(\d{1,19}))?", urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except ValueError:
            found = None
        numbers = [int(each) for each in found.groups() if each] if found else []
        if not numbers or max(numbers) > _LARGEST:
            raise problem("malformed-request", "This is no cursor of ours. Send one that you were given, or none.")
        return cls(*numbers)
