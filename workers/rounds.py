"""How a thread looks for work, for ever: soon again, or after a pause when something is in the way."""

import logging
import time
from collections.abc import Callable
from typing import NoReturn

from pipeline.errors import Conflict, Unavailable

WAITING_S = 5.0  # after the chain or the database failed
AFTER_FAULT_S = 60.0

log = logging.getLogger(__name__)


def rounds(
    what: str, look: Callable[[], None], every_s: float, sleep: Callable[[float], None] = time.sleep
) -> NoReturn:
    """Look again and again; no error that `look` raises ends it. `what` is what waits meanwhile, for the log.

    Why it waits is a warning once, until it goes on or waits for something else.
    """
    warned = ""
    while True:
        pause_s = every_s
        try:
            look()
            warned = ""
        except Unavailable as unavailable:
            news, warned = str(unavailable) != warned, str(unavailable)
            log.log(logging.WARNING if news else logging.INFO, "%s waits: %s", what, unavailable)
            pause_s = WAITING_S
        except Conflict as conflict:
            log.error("%s is out of use until a person has looked: %s", what, conflict)
            pause_s = AFTER_FAULT_S
        except Exception:
            log.exception("%s met a fault of ours", what)
            pause_s = AFTER_FAULT_S
        sleep(pause_s)
