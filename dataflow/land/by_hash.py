"""Land an object without a time of change: compare its rows with raw by key and hash.

A row is new where the newest version of its record in raw is another (mode full), or where no version of it is the same
(mode append). It gets as version the time at which the object was read, or one microsecond after all of raw where that
is later: two readings can have one time.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| landed | w, ordinal, record_key, changed_at, row_hash, known_key | create_landed_sql, LandingByHash | Landing |
| in_raw_by_hash | known_key, record_key, row_hash, changed_at, is_newest | LandingByHash | LandingByHash |
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import duckdb

from dataflow.errors import SourceIncomplete
from dataflow.land import sql
from dataflow.land.deletions import ALWAYS_ALLOWED, insert_deletions
from dataflow.land.fetch import FetchedWindow
from dataflow.land.landing import Landing, shortfall
from dataflow.land.ledger import Ledger
from dataflow.sources import ByHash
from dataflow.sources.protocol import BEGINNING
from dataflow.sources.record_key import raw_key_sql, record_key_sql
from dataflow.workspace.report import StepReport
from dataflow.workspace.staging import Run
from lakehouse.query import fetch_int
from lakehouse.table import Table, timestamp_literal

_RAW = "in_raw_by_hash"
_MICROSECOND = timedelta(microseconds=1)


def land_by_hash(
    con: duckdb.DuckDBPyConnection, windows: Sequence[FetchedWindow], run: Run, ledger: Ledger, *, by_hash: ByHash
) -> list[StepReport]:
    """Land the windows of one object: each is the whole object and replaces the one before, or all are additions.

    Raises: SourceIncomplete where implausibly many records would be deleted; ConservationError.
    """
    groups = [[window] for window in windows] if by_hash.is_whole else [windows]
    return [report for group in groups for report in LandingByHash(con, group, run, by_hash).land(ledger)]


def same_in_raw_sql(raw: Table, by_hash: ByHash) -> str:
    """Return the SELECT of the staged versions whose row raw holds, in whatever version."""
    return f"""
        SELECT DISTINCT l.w, l.record_key, l.changed_at, l.row_hash FROM landed l JOIN {raw.in_lake} r
        ON {raw_key_sql("r", by_hash.kinds)} = {_key("l", by_hash)} AND r._row_hash = l.row_hash
    """


class LandingByHash(Landing):
    """Append what raw does not hold as the newest, and delete what the whole object lacks."""

    def __init__(
        self, con: duckdb.DuckDBPyConnection, windows: Sequence[FetchedWindow], run: Run, by_hash: ByHash
    ) -> None:
        super().__init__(con, windows, run)
        self._by_hash = by_hash
        self._version = BEGINNING

    def land(self, ledger: Ledger) -> list[StepReport]:
        try:
            return super().land(ledger)
        finally:
            self._con.execute(f"DROP TABLE IF EXISTS {_RAW}")

    def _land_all(self) -> None:
        """Compare every row with raw: its version is of this landing and says nothing of the row."""

    def _read_staged(self) -> None:
        self._con.execute(sql.create_landed_sql(self._files))
        self._con.execute("ALTER TABLE landed ADD COLUMN known_key VARCHAR")
        self._con.execute(f"UPDATE landed SET known_key = {_key('landed', self._by_hash)}")
        self._version = self._version_of_rows()
        self._con.execute(f"UPDATE landed SET changed_at = {timestamp_literal(self._version)}")
        self._read_raw()
        if self._by_hash.is_whole:
            self._refuse_unlikely()

    def _version_of_rows(self) -> datetime:
        """Return the version of all rows and deletions: the latest time of reading, and after all of raw."""
        [(staged, known)] = self._con.execute(
            f"SELECT (SELECT max(changed_at) FROM landed), (SELECT max(_changed_at) FROM {self._raw.in_lake})"
        ).fetchall()
        return max(staged or self._run.now, known + _MICROSECOND if known else BEGINNING)

    def _read_raw(self) -> None:
        key = raw_key_sql("", self._by_hash.kinds)
        self._con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {_RAW} AS
            SELECT {key} AS known_key, _record_key AS record_key, _row_hash AS row_hash, _changed_at AS changed_at,
                _is_deleted AS is_deleted,
                dense_rank() OVER (PARTITION BY {key} ORDER BY _changed_at DESC NULLS LAST) = 1 AS is_newest
            FROM {self._raw.in_lake}
        """)

    def _in_raw_sql(self) -> str:
        if not self._by_hash.is_whole:
            return same_in_raw_sql(self._raw, self._by_hash)
        # By all rows of a record: of two rows with one key that do not fit the header either may change.
        newest = raw_key_sql("r", self._by_hash.kinds)
        return f"""
            WITH newest AS (
                SELECT {newest} AS known_key, r._row_hash AS row_hash FROM {self._raw.in_lake} r
                QUALIFY dense_rank() OVER (PARTITION BY {newest} ORDER BY r._changed_at DESC NULLS LAST) = 1
            ),
            held AS (SELECT known_key, list_sort(list(DISTINCT row_hash)) AS hashes FROM newest GROUP BY ALL),
            read AS (SELECT known_key, list_sort(list(DISTINCT row_hash)) AS hashes FROM landed GROUP BY ALL)
            SELECT DISTINCT l.w, l.record_key, l.changed_at, l.row_hash
            FROM landed l SEMI JOIN (FROM read JOIN held USING (known_key, hashes)) same USING (known_key)
        """

    def _append(self, rows: int) -> int:
        if rows:
            self._insert(timestamp_literal(self._version))
        return self._delete_absent() if self._by_hash.is_whole else 0

    def _gone_sql(self) -> str:
        """Return the SELECT of the records that raw holds and the whole object lacks, keys as received."""
        return f"""
            SELECT max(record_key) AS record_key, {timestamp_literal(self._version)} AS changed_at FROM {_RAW}
            WHERE is_newest AND NOT is_deleted AND known_key NOT IN (SELECT known_key FROM landed)
        """

    def _refuse_unlikely(self) -> None:
        """Refuse a reading that lacks more records than can have been deleted since the last one."""
        [window] = self._windows
        missing = shortfall(window.report)
        known = fetch_int(self._con, f"SELECT count(DISTINCT known_key) FROM {_RAW} WHERE is_newest AND NOT is_deleted")
        gone = fetch_int(self._con, f"SELECT count(*) FROM ({self._gone_sql()} GROUP BY known_key)")
        limit = most_gone(known, self._by_hash.limit_share)
        if gone > limit or (missing and gone):
            raise SourceIncomplete(
                f"Reading {window.planned.subject} whole: {gone} of {known} records are absent, and at most "
                f"{0 if missing else limit} can be; nothing was deleted, and what is published of the object stays.",
                next_move="Have the whole object delivered; if the records are gone, raise anti_join_limit_share.",
            )

    def _delete_absent(self) -> int:
        gone = self._con.execute(f"{self._gone_sql()} GROUP BY known_key ORDER BY 1").to_arrow_table()
        insert_deletions(
            self._con, (self._source, self._object), self._by_hash.key_fields, gone, self._run, locator="read whole"
        )
        return int(gone.num_rows)


def most_gone(known: int, limit_share: float) -> int:
    """Return how many of the known records can be absent from a whole reading: few, and fewer than half of them."""
    return max(int(limit_share * known), min(ALWAYS_ALLOWED, (known - 1) // 2))


def _key(alias: str, by_hash: ByHash) -> str:
    """Return the SQL of the canonical key of a staged row; a row without a key is named by its hash, which stays."""
    key = f"{alias}.record_key"
    return f"CASE WHEN {key} = {alias}.row_hash THEN {key} ELSE {record_key_sql(key, by_hash.kinds)} END"
