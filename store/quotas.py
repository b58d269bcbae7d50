"""What each API key may use: bytes a day, captures an hour, uploads at once.

Bytes and captures are counted in the transaction that registers a capture: no restart resets them, several API
processes count as one, and no request waits for a commit of its own. The day and the hour are those of UTC.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from store.database import Database
from store.keys import ApiKey
from store.schema import quota_use

Kind = Literal["bytes", "captures", "uploads"]
DAY_S, HOUR_S = 86_400, 3_600


@dataclass(frozen=True, slots=True)
class Limits:
    """What a key may use; 0 is no limit."""

    bytes_a_day: int = 0
    captures_an_hour: int = 0
    uploads: int = 0

    @classmethod
    def of(cls, key: ApiKey, default: "Limits") -> "Limits":
        """The operator's word for this key, else the settings'. A key with the scope admin has none by default."""
        general = cls() if "admin" in key.scopes else default
        pairs = zip(key.own_limits, (general.bytes_a_day, general.captures_an_hour, general.uploads), strict=True)
        return cls(*(otherwise if own is None else own for own, otherwise in pairs))


@dataclass(frozen=True, slots=True)
class Charge:
    """Whose quota a new capture is counted in, and its limits."""

    key_id: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class Use:
    """What is used of one quota: `limit` in `window_s`, which ends in `ends_in_s`."""

    kind: Kind
    limit: int
    window_s: int
    used: int
    ends_in_s: int

    @property
    def left(self) -> int:
        """How much may still be used."""
        return max(0, self.limit - self.used)


class OverQuota(Exception):
    """The key has used up a quota, or one more would be too many."""

    def __init__(self, kind: Kind, limit: int, retry_in_s: int) -> None:
        super().__init__(f"{limit} {kind}")
        self.kind, self.limit, self.retry_in_s = kind, limit, retry_in_s


class Quotas:
    """The table of what was used. Every answer is of the moment: `spend` is what holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def use(self, charge: Charge) -> list[Use]:
        """What is used of the quotas that this key has."""
        if not charge.limits.bytes_a_day and not charge.limits.captures_an_hour:
            return []
        with self._database.read() as connection:
            rows = connection.execute(sa.select(quota_use).where(quota_use.c.key_id == charge.key_id))
            held = {row.kind: (row.period, int(row.used)) for row in rows}
        now = datetime.now(UTC)
        return [_use(kind, limit, held.get(kind), now) for kind, limit in _counted(charge.limits)]

    def admit(self, charge: Charge, size: int) -> None:
        """Raise OverQuota when a capture of this many bytes would not be registered now: asked before bytes come."""
        for use in self.use(charge):
            if use.used + (size if use.kind == "bytes" else 1) > use.limit:
                raise OverQuota(use.kind, use.limit, use.ends_in_s)


def spend(connection: Connection, charge: Charge, size: int) -> None:
    """Count a new capture of this size in the caller's transaction. Raises OverQuota: then it must not be committed."""
    now = datetime.now(UTC)
    for kind, limit in _counted(charge.limits):
        used, period = _add(connection, charge.key_id, kind, _period(kind, now), size if kind == "bytes" else 1)
        if used > limit:
            raise OverQuota(kind, limit, _use(kind, limit, (period, used), now).ends_in_s)


def _add(connection: Connection, key_id: str, kind: Kind, period: str, amount: int) -> tuple[int, str]:
    mine = quota_use.c.key_id == key_id, quota_use.c.kind == kind
    # A clock that was set back gives no new period: it goes on in the one that has begun.
    goes_on = quota_use.c.period >= period
    new = {
        "used": sa.case((goes_on, quota_use.c.used + amount), else_=amount),
        "period": sa.case((goes_on, quota_use.c.period), else_=period),
    }
    changed = quota_use.update().where(*mine).values(**new).returning(quota_use.c.used, quota_use.c.period)
    row = connection.execute(changed).first()
    if row is None:
        connection.execute(quota_use.insert().values(key_id=key_id, kind=kind, period=period, used=amount))
        return amount, period
    return int(row.used), str(row.period)


def _counted(limits: Limits) -> list[tuple[Kind, int]]:
    both: list[tuple[Kind, int]] = [("bytes", limits.bytes_a_day), ("captures", limits.captures_an_hour)]
    return [(kind, limit) for kind, limit in both if limit]


def _period(kind: Kind, now: datetime) -> str:
    return now.strftime("%Y-%m-%d" if kind == "bytes" else "%Y-%m-%dT%H")


def _use(kind: Kind, limit: int, held: tuple[str, int] | None, now: datetime) -> Use:
    window_s = DAY_S if kind == "bytes" else HOUR_S
    period = _period(kind, now)
    period, used = held if held and held[0] >= period else (period, 0)
    begins = datetime.fromisoformat(period).replace(tzinfo=UTC)
    ends_in_s = int((begins + timedelta(seconds=window_s) - now).total_seconds()) + 1
    return Use(kind, limit, window_s, used, ends_in_s)
