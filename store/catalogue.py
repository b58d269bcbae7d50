"""Which captures may be of use to strangers: a page at a time, by what the rows say before any record is read."""

import sqlalchemy as sa

from store.database import Database
from store.orders import WAS_DONE
from store.schema import captures, erasures, orders, rights_statements

TOLD = 10  # letters of an id, 50 bits of 120: no two ids begin with the same
MOST_READ = 2_000  # rows that one page looks at: a library in which hardly anything is free is walked in steps


class Catalogue:
    """The captures that were made works, and those whose stated rights give something away."""

    def __init__(self, database: Database, most_read: int = MOST_READ) -> None:
        self._database, self._most_read = database, most_read

    def page(self, after: str, use: str, limit: int) -> tuple[list[str], str | None]:
        """At most `limit` ids behind `after`, in their order, and where the next page begins; None at the end.

        All that may be used are among them, and some that may not: the record says. A page may be empty before the end.
        """
        near = sa.select(captures.c.id, captures.c.request, erasures.c.capture_id.label("erased")).outerjoin(erasures)
        rows = near.where(captures.c.id > after).order_by(captures.c.id).limit(self._most_read).subquery()
        gives = '%"ai_training":"allowed"%' if use == "ai-training" else '%"licence":"cc%'
        work = sa.exists().where(orders.c.capture_id == rows.c.id, orders.c.kind == "asset", WAS_DONE)
        later = sa.exists().where(rights_statements.c.capture_id == rows.c.id, rights_statements.c.rights.like(gives))
        public = rows.c.erased.is_(None) & rows.c.request.like('%"published":true%')
        open_ = public & (rows.c.request.like(gives) | work | later)
        query = sa.select(rows.c.id, sa.case((open_, 1), else_=0)).order_by(rows.c.id)
        with self._database.read() as connection:
            found = [(str(capture_id), bool(shown)) for capture_id, shown in connection.execute(query)]
        ids = [capture_id for capture_id, shown in found if shown]
        if len(ids) > limit:
            return ids[:limit], ids[limit - 1]
        return ids, _behind(found[-1][0]) if len(found) == self._most_read else None


def _behind(capture_id: str) -> str:
    """A place behind this id, that tells nobody the id, which may be a private photo's."""
    return capture_id[:TOLD] + "z" * (len(capture_id) - TOLD)
