"""Fingerprints in PostgreSQL, found by the bands of their codes (port: fingerprint.rows.BandRows)."""

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from store.fingerprints import FingerprintRows

BIGGEST = 2**63 - 1

_IS_PREPARED = sa.text("select to_regclass('fingerprint_bands_v1') is not null")
# Triggers keep it in the transaction that changes the fingerprint: nobody has to catch up. Flat photos (quality below
# 50) share codes and are never found: they have no bands. `least`: of a band and of its complement (fingerprint/bands).
_PREPARE = """
create table fingerprint_bands_v1 (key int not null, number bigint not null, primary key (key, number));

create function capture_bands_v1(code bytea) returns setof int language sql immutable strict as $$
select (band << ({width} - 1)) | least(bits, (1 << {width}) - 1 - bits) from (values {bands}) as cut (band, bits)
$$;

create function capture_keep_bands_v1() returns trigger language plpgsql as $$
begin
    if tg_op <> 'INSERT' then
        delete from fingerprint_bands_v1
        where number = old.number and key in (select capture_bands_v1(old.pdq));
    end if;
    if tg_op <> 'DELETE' and new.quality >= 50 then
        insert into fingerprint_bands_v1 select capture_bands_v1(new.pdq), new.number;
    end if;
    return null;
end $$;

create trigger capture_keep_bands_v1 after insert or update or delete on fingerprints
for each row execute function capture_keep_bands_v1();

insert into fingerprint_bands_v1 select capture_bands_v1(pdq), number from fingerprints where quality >= 50;
"""
_SHARING = sa.text("""
select number, capture_id, pdq from fingerprints where number in (
    select number from fingerprint_bands_v1 where key = any(cast(:keys as int[])) and number < :before
) order by number
""")
_ISCCS = sa.text("""
select capture_id, distance from (
    select capture_id, number,
        bit_count(cast('x' || encode(iscc, 'hex') as bit(64)) # cast(:iscc as bit(64))) as distance
    from fingerprints where iscc is not null and quality >= 50 and number < :before
) as measured where distance <= :radius order by distance, number
""")
_COUNT = sa.text("select count(*) from fingerprints where number < :before")


class Candidate(NamedTuple):
    """A row that shares a band with a code that is asked about."""

    number: int
    capture_id: str
    pdq: bytes


class PostgresBands(FingerprintRows):
    """The table `fingerprints` of PostgreSQL 14 or newer, and beside it a table of bands that the database keeps."""

    def prepare(self, bands: Sequence[Sequence[int]]) -> None:
        """Make the table of bands if it is not there. `bands`: for each band the places of its bits in a code."""
        with self._database.read() as connection:
            if connection.execute(_IS_PREPARED).scalar():
                return
        with self._database.write() as connection:
            connection.exec_driver_sql("lock table fingerprints in share row exclusive mode")
            if not connection.execute(_IS_PREPARED).scalar():
                values = ", ".join(f"({band}, {_bits(places)})" for band, places in enumerate(bands))
                connection.exec_driver_sql(_PREPARE.format(width=len(bands[0]), bands=values))

    def sharing(self, keys: Sequence[int], before: int | None) -> Sequence[Candidate]:
        """Rows with any of these keys, of photos that are not flat, with numbers below `before`; lowest first."""
        values = {"keys": list(keys), "before": BIGGEST if before is None else before}
        with self._database.read() as connection:
            return [Candidate(*row) for row in connection.execute(_SHARING, values)]

    def isccs_within(self, iscc: bytes, radius: int, before: int | None) -> Sequence[tuple[str, int]]:
        """Captures and the distances of their ISCCs, nearest first, then lowest number; flat photos are left out."""
        values = {"iscc": "x" + iscc.hex(), "radius": radius, "before": BIGGEST if before is None else before}
        with self._database.read() as connection:
            return [(row.capture_id, row.distance) for row in connection.execute(_ISCCS, values)]

    def count(self, before: int | None) -> int:
        """How many rows there are with numbers below `before`; reads the primary key's index up to there."""
        with self._database.read() as connection:
            return int(connection.execute(_COUNT, {"before": BIGGEST if before is None else before}).scalar_one())


def _bits(places: Sequence[int]) -> str:
    """These bits of the code as one number, first bit highest. PostgreSQL counts a byte's bits from the lowest."""
    shifts = reversed(range(len(places)))
    return " | ".join(f"(get_bit(code, {place ^ 7}) << {shift})" for place, shift in zip(places, shifts, strict=True))
