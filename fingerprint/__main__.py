"""`python -m fingerprint` checks the self-test vectors; with a photo's path it prints the photo's fingerprint."""

import json
import sys
from pathlib import Path

from pipeline.errors import Rejected
from pipeline.record import encode


def main(arguments: list[str]) -> int:
    """0 when all is as expected, 1 when a vector differs or the photo was refused, 2 for a wrong call."""
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        sys.stderr.write("python -m fingerprint [PHOTO]\n")
        return 2
    return _show(Path(arguments[0])) if arguments else _self_test()


def _self_test() -> int:
    from fingerprint.vectors import differences

    found = differences()
    for name, difference in found.items():
        sys.stdout.write(f"{name}: {difference or 'ok'}\n")
    return 1 if any(found.values()) else 0


def _show(path: Path) -> int:
    from fingerprint.decode import decode
    from fingerprint.hashes import fingerprint

    try:
        found = fingerprint(decode(path))
    except (Rejected, OSError) as error:
        sys.stderr.write(f"{path}: {error}\n")
        return 1
    sys.stdout.write(json.dumps(encode(found), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
