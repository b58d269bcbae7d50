"""Tells whoever is to be told, in a process that may be killed: `python -m tests.workers.tell_once HOLDER`."""

import os
import sys

from settings import load_settings
from wiring import Services
from workers.telling import Telling


def main() -> None:
    """Tell, until it is killed."""
    Telling(Services(load_settings(os.environ)), sys.argv[1]).run()


if __name__ == "__main__":
    main()
