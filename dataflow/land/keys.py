"""Unrecorded deletions: keys that raw has and the source no longer has become deletions.

A hard delete, the loser of a merge and a purged recycle bin leave no change to read. Only comparing the keys finds
them. The check compares those keys that lie in ranges where raw holds records that the source does not count, which
costs little; all keys are compared as often as the object declares (`anti_join_every_days`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from dataflow.errors import SourceIncomplete
from dataflow.land.deletions import ALWAYS_ALLOWED, insert_deletions
from dataflow.land.ledger import Ledger
from dataflow.settings import ObjectSettings, Settings
from dataflow.sources import ListsKeys, PlannedWindow, Window, WindowMeasure, open_source
from dataflow.sources.protocol import BEGINNING
from dataflow.sources.record_key import KeyKinds, is_of_salesforce, key_kinds, raw_key_sql
from dataflow.sources.rows import key_fields
from dataflow.sources.versions import NO_KEY, newest_sql
from dataflow.tables.ops import COMPLETENESS
from dataflow.tables.raw import raw_table
from dataflow.workspace.report import StepReport
from dataflow.workspace.staging import Run
from lakehouse import Lake, LakeView
from lakehouse.plural import agreeing, counted
from lakehouse.query import fetch_int
from lakehouse.table import literal, timestamp_literal

# A nightly check must not skip a night because it began a little later than the night before.
_SLACK = timedelta(hours=1)
_BATCH_KEYS = 10_000


@dataclass(frozen=True)
class _Answer:
    """`known` records in raw, of which `asked` were looked for and `gone` not found.

    Shape of `gone`: `record_key` as received, `changed_at`; by key.
    """

    known: int
    asked: int
    gone: pa.Table


def due_objects(lake: LakeView, settings: Settings, *, now: datetime) -> list[tuple[str, str]]:
    """Return the objects whose keys are due to be compared, as they declare."""
    declared = {
        (source, name): timedelta(days=one.anti_join_every_days)
        for source, system in settings.sources.items()
        for name, one in system.objects.items()
        if one.anti_join_every_days
    }
    if not declared:
        return []
    found = lake.con.execute(
        f"SELECT source, object, max(checked_at) FROM {COMPLETENESS.in_lake} WHERE comparison = 'keys' GROUP BY ALL"
    ).fetchall()
    asked = {(source, name): checked_at for source, name, checked_at in found}
    return [name for name, every in declared.items() if name not in asked or now - asked[name] >= every - _SLACK]


def why_not_compared(settings: Settings, name: tuple[str, str]) -> str:
    """Return why the keys of an object are not compared; empty where they are when ranges differ, or when it is due."""
    if not isinstance(open_source(settings, name[0]), ListsKeys):
        return f"a source of kind {settings.sources[name[0]].adapter} cannot be asked for its keys"
    every = settings.sources[name[0]].objects[name[1]].anti_join_every_days
    return "anti_join_every_days = 0" if every == 0 else ""


def delete_missing(
    lake: Lake, settings: Settings, name: tuple[str, str], run: Run, *, within: Sequence[Window] = ()
) -> StepReport:
    """Ask the source which records it no longer holds, and add a deletion of each to raw in one transaction.

    `within` limits it to records whose newest version is in these windows; none: all records.
    A second call finds no more. For a source that cannot list keys nothing changes.
    Raises: SourceIncomplete when implausibly many records are gone; the errors of the source.
    """
    source, system = open_source(settings, name[0]), settings.sources[name[0]]
    declared = system.objects[name[1]]
    if not isinstance(source, ListsKeys):
        facts = {"note": why_not_compared(settings, name)}
        return StepReport(stage="keys", subject=".".join(name), rows_in=0, rows_out=0, facts=facts)
    con = lake.cursor()
    try:
        answer = _ask(con, source, name, key_kinds(system, declared), within)
    finally:
        con.close()
    _refuse_unlikely(answer, declared, subject=".".join(name))
    gone = answer.gone.num_rows

    def write(con: duckdb.DuckDBPyConnection) -> None:
        insert_deletions(con, name, key_fields(declared), answer.gone, run, locator="keys asked for")
        ledger = Ledger(con, run)
        ledger.note_comparison(
            PlannedWindow(*name, Window(BEGINNING, run.now), (), ""),
            "keys_in_ranges" if within else "keys",
            source=WindowMeasure(answer.asked - gone, ""),
            raw=WindowMeasure(answer.asked, ""),
            appended=gone,
        )
        ledger.write()

    message = f"{counted(gone, 'record')} of {'.'.join(name)} {agreeing(gone, 'is', 'are')} gone"
    lake.transact(write, author="dataflow", run_id=run.run_id, message=message)
    return StepReport(
        stage="keys",
        subject=".".join(name),
        rows_in=answer.asked,
        rows_out=answer.asked,
        inserted=gone,
        facts={"gone": gone, "records": answer.known},
    )


def _ask(
    con: duckdb.DuckDBPyConnection,
    source: ListsKeys,
    name: tuple[str, str],
    kinds: KeyKinds,
    within: Sequence[Window],
) -> _Answer:
    """Ask for the keys of the newest versions, as received: so the source writes them. Salesforce has one form."""
    raw, key = raw_table(*name), raw_key_sql("", kinds)
    written = key if is_of_salesforce(kinds) else "_record_key"
    columns = f"{written} AS record_key, _changed_at, _is_deleted, _defect"
    # A row without a key is identified by its hash, which no source knows.
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE known_keys AS
        SELECT record_key, _changed_at AS changed_at, {_is_within(within)} AS is_asked
        FROM ({newest_sql(raw.in_lake, columns, key=key)})
        WHERE NOT _is_deleted AND NOT contains(coalesce(_defect, ''), {literal(NO_KEY)})
    """)
    known = fetch_int(con, "SELECT count(*) FROM known_keys")
    asked = fetch_int(con, "SELECT count(*) FROM known_keys WHERE is_asked")
    missing = set(source.missing_keys(name[1], _keys(con))) if asked else set()
    con.register("missing", pa.table({"record_key": pa.array(missing, pa.string())}))
    gone = con.execute(
        "SELECT record_key, changed_at FROM known_keys SEMI JOIN missing USING (record_key) ORDER BY record_key"
    ).to_arrow_table()
    con.unregister("missing")
    return _Answer(known, asked, gone)


def _is_within(windows: Sequence[Window]) -> str:
    ranges = [
        f"_changed_at >= {timestamp_literal(window.start)} AND _changed_at < {timestamp_literal(window.until)}"
        for window in windows
    ]
    return f"coalesce({' OR '.join(ranges)}, false)" if ranges else "true"


def _keys(con: duckdb.DuckDBPyConnection) -> Iterator[str]:
    found = con.execute("SELECT record_key FROM known_keys WHERE is_asked ORDER BY record_key")
    while rows := found.fetchmany(_BATCH_KEYS):
        yield from (str(key) for (key,) in rows)


def _refuse_unlikely(answer: _Answer, declared: ObjectSettings, *, subject: str) -> None:
    limit = max(ALWAYS_ALLOWED, round(declared.anti_join_limit_share * answer.known))
    if answer.gone.num_rows > limit:
        raise SourceIncomplete(
            f"Asking for the keys of {subject}: {answer.gone.num_rows} of {answer.known} records would be deleted, and "
            f"at most {limit} are plausible; nothing was deleted.",
            next_move="Check that the source's user can read all records; if they are gone, raise "
            "anti_join_limit_share.",
        )
