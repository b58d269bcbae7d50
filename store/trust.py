"""Later verdicts over credentials: what newer trust lists say of a signer. The facts of the day of upload stay."""

import json

import sqlalchemy as sa

from pipeline.credentials import TrustVerdict
from pipeline.record import decode
from store.database import Database, as_moment, now_text
from store.erasure import is_erased
from store.facts import as_json
from store.fingerprints import IN_LIMIT
from store.schema import facts, trust_verdicts


class TrustVerdicts:
    """The table `trust_verdicts`: it only grows, and the newest of a capture counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, capture_id: str, verdict: TrustVerdict) -> bool:
        """Add a verdict; False when the newest was reached with the same lists, or the capture was erased."""
        with self._database.write() as connection:
            newest = connection.execute(
                sa.select(trust_verdicts.c.lists).where(trust_verdicts.c.capture_id == capture_id)
                .order_by(trust_verdicts.c.number.desc()).limit(1)
            ).scalar()  # fmt: skip
            if newest == verdict.trust_lists or is_erased(connection, capture_id):
                return False
            values = {"capture_id": capture_id, "lists": verdict.trust_lists, "value": as_json(verdict)}
            connection.execute(trust_verdicts.insert().values(created_at=now_text(), **values))
        return True

    def newest(self, capture_id: str) -> tuple[TrustVerdict, str] | None:
        """The newest verdict and when it was reached (RFC 3339); None when only the fact says anything."""
        mine = trust_verdicts.c.capture_id == capture_id
        query = sa.select(trust_verdicts.c.value, trust_verdicts.c.created_at).where(mine)
        with self._database.read() as connection:
            row = connection.execute(query.order_by(trust_verdicts.c.number.desc()).limit(1)).first()
        if row is None:
            return None
        return decode(TrustVerdict, json.loads(row.value)), as_moment(row.created_at).isoformat().replace("+00:00", "Z")

    def due(self, lists: str, after: int, limit: int) -> tuple[list[str], int | None]:
        """Captures among the next `limit` that other lists may judge otherwise, and where to go on; None at the end."""
        query = sa.select(facts.c.number, facts.c.capture_id, facts.c.value)
        query = query.where(facts.c.name == "credentials", facts.c.number > after).order_by(facts.c.number)
        with self._database.read() as connection:
            rows = connection.execute(query.limit(limit)).all()
            held = {row.capture_id: json.loads(row.value) for row in rows}
            asked = {name: fact.get("trust_lists") for name, fact in held.items() if _depends_on_lists(fact)}
            for start in range(0, len(asked), IN_LIMIT):
                some = list(asked)[start : start + IN_LIMIT]
                later = sa.select(trust_verdicts.c.capture_id, trust_verdicts.c.lists)
                later = later.where(trust_verdicts.c.capture_id.in_(some)).order_by(trust_verdicts.c.number)
                asked |= {row.capture_id: row.lists for row in connection.execute(later)}
        due = [name for name, seen in asked.items() if seen != lists]
        return due, rows[-1].number if len(rows) == limit else None


def _depends_on_lists(fact: dict[str, object]) -> bool:
    # A trusted time-stamp may prove that a certificate which ended was in force; a hash that does not fit stays so.
    return fact["state"] in ("valid", "trusted") or fact.get("certificate") in ("expired", "revoked")
