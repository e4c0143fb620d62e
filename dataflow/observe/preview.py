"""Preview what a run would make of new rows: how files are written, dead letters by rule, unmapped words, duplicates.

Rows of the windows to be landed go through validation and conforming in a lake of their own, which is removed.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.access.lake import open_lake
from dataflow.conform.step import conform
from dataflow.settings import ObjectSettings, Settings
from dataflow.settings.model import LakeSettings
from dataflow.sources import Finding, PlannedWindow, open_source
from dataflow.sources.files.evidence import Written, how_written
from dataflow.sources.versions import complete
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.declared import declared_tables
from dataflow.tables.raw import raw_table
from dataflow.validate.step import validate
from dataflow.workspace.report import GAP_FACT, NOTES_FACT, StepReport
from dataflow.workspace.staging import Run
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake
from lakehouse.connect import connect
from lakehouse.plural import counted
from lakehouse.table import literal, quote

MOST_ROWS = 20_000
"""Rows of an object that are previewed; with all of them a preview would take as long as the run."""
_MOST_BYTES = 64 * 1024 * 1024
"""Of larger files, the first rows say how numbers and dates are written."""
_NEEDS_OTHER_ROWS = "refers_to"
_Name = tuple[str, str]


@dataclass
class _Sample:
    """Rows of one object: all of its new windows, or the first MOST_ROWS of them."""

    batches: list[pa.Table] = field(default_factory=list)
    formats: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False

    @property
    def rows(self) -> int:
        return sum(table.num_rows for table in self.batches)


def preview(settings: Settings, windows: Sequence[PlannedWindow]) -> list[Finding]:
    """Return what the rows of these windows would become. Nothing of it is kept.

    Shape: a finding per object of CSV files, per object with dead letters, per note of a stage, and of duplicates.
    Raises: the errors of reading a source.
    """
    con = connect(threads=2)
    try:
        samples = {name: _read(con, settings, of) for name, of in _by_object(windows).items()}
        found = [
            finding
            for name, sample in samples.items()
            if _declared(settings, name).format == "csv"
            for finding in _written(con, name, _declared(settings, name), sample)
        ]
    finally:
        con.close()
    return found + _through_the_stages(settings, samples)


def _by_object(windows: Sequence[PlannedWindow]) -> dict[_Name, list[PlannedWindow]]:
    found: dict[_Name, list[PlannedWindow]] = defaultdict(list)
    for window in sorted(windows, key=lambda one: one.window, reverse=True):
        found[window.source, window.object].append(window)
    return found


def _declared(settings: Settings, name: _Name) -> ObjectSettings:
    return settings.sources[name[0]].objects[name[1]]


def _read(con: duckdb.DuckDBPyConnection, settings: Settings, windows: Sequence[PlannedWindow]) -> _Sample:
    sample = _Sample()
    source = open_source(settings, windows[0].source)
    for planned in windows:
        most = None if _declared(settings, (planned.source, planned.object)).format == "csv" else MOST_ROWS
        fetch = source.fetch(planned)
        for versions in complete(con, fetch.batches):
            sample.batches.append(versions)
            is_small = most is None and planned.size_bytes <= _MOST_BYTES
            if sample.rows >= MOST_ROWS and not is_small:
                break
        sample.formats |= fetch.report.formats
        if sample.rows >= MOST_ROWS:
            sample.is_cut = True
            break
    return sample


def _written(
    con: duckdb.DuckDBPyConnection, name: _Name, declared: ObjectSettings, sample: _Sample
) -> Iterator[Finding]:
    """Say how the values of CSV files are written, and what of it is not declared."""
    subject = f"object {'.'.join(name)}"
    if not sample.rows:
        return
    found = written_in(con, sample.batches, list(declared.fields))
    formats = sorted(set(sample.formats.values()))
    yield Finding(subject, True, "; ".join([*formats, *found.evidence]))
    csv = declared.csv
    missing = [word for word in found.null_words if word not in csv.null_words]
    is_declared = (found.decimal or csv.decimal, found.date_order or csv.date_order) == (csv.decimal, csv.date_order)
    if (not is_declared or missing) and found.setting:
        yield Finding(
            subject, False, f"{'.'.join(name)} does not declare how its values are written", f"Add {found.setting}."
        )
    for question in found.open:
        if ("date" in question and csv.date_order) or ("date" not in question and csv.decimal):
            continue
        ask = "csv = { date_order = … }" if "date" in question else "csv = { decimal = … }"
        yield Finding(subject, False, question, f"Such values are set aside until you declare {ask}.")


def written_in(con: duckdb.DuckDBPyConnection, versions: Sequence[pa.Table], fields: Sequence[str]) -> Written:
    """Return how the values of rows as received are written."""
    payloads = pa.concat_tables([table.select(["payload", "defect"]) for table in versions])
    con.register("received", payloads.filter(pc.is_null(payloads.column("defect"))))
    shape = literal(json.dumps(dict.fromkeys(fields, "VARCHAR")))
    listed = ", ".join(f"row.{quote(name)} AS {quote(name)}" for name in fields)
    try:
        con.execute(f"""
            CREATE OR REPLACE TEMP TABLE written AS
            SELECT {listed} FROM (SELECT json_transform(payload, {shape}) AS row FROM received)
        """)
        return how_written(con, "written", fields)
    finally:
        con.unregister("received")
        con.execute("DROP TABLE IF EXISTS written")


def _through_the_stages(settings: Settings, samples: dict[_Name, _Sample]) -> list[Finding]:
    with tempfile.TemporaryDirectory() as folder:
        beside = _beside(settings, Path(folder))
        tables = {
            name: table
            for name, table in declared_tables(beside).items()
            if table.schema in ("raw", "valid", "conformed", "ops")
        }
        run = Run("preview", "plan", datetime.now(UTC))
        with open_lake(beside, purpose="preview") as lake:
            lake.ensure(tables.values())
            for name, sample in samples.items():
                _land(lake, name, sample, run)
            with Workspace(lake, run, tables=tables) as ws:
                reports = validate(ws, beside)
                reports += conform(ws, beside)
                duplicates = list(_duplicates(ws))
    is_cut = any(sample.is_cut for sample in samples.values())
    return [finding for report in reports for finding in _findings(report, is_cut=is_cut)] + duplicates


def _beside(settings: Settings, home: Path) -> Settings:
    """Return the settings with a lake of its own, in which no share of dead letters holds an object back."""
    lake = LakeSettings(
        catalogue=str(home / "catalogue.ducklake"),
        data=str(home / "data"),
        published=str(home / "published"),
        memory_limit=settings.lake.memory_limit,
        threads=settings.lake.threads,
    )
    limits = settings.validation.model_copy(update={"dead_letter_limit_share": 1.0})
    moved = {"home": home, "landing": str(home / "landing"), "runs": str(home / "runs")}
    return settings.model_copy(update={**moved, "lake": lake, "validation": limits})


def _land(lake: Lake, name: _Name, sample: _Sample, run: Run) -> None:
    if not sample.rows:
        return
    versions = pa.concat_tables(sample.batches).slice(0, max(MOST_ROWS, 1))

    def write(con: duckdb.DuckDBPyConnection) -> None:
        con.register("previewed", versions)
        con.execute(f"""
            INSERT INTO {raw_table(*name).in_lake} BY NAME
            SELECT DISTINCT ON (record_key, changed_at, row_hash) {literal(run.run_id)} AS _run_id,
                {literal(name[0])} AS _source, {literal(name[1])} AS _object, record_key AS _record_key,
                {run.now_sql} AS _extracted_at, row_hash AS _row_hash, changed_at AS _changed_at,
                is_deleted AS _is_deleted, locator AS _locator, defect AS _defect, payload
            FROM previewed
        """)
        con.unregister("previewed")

    lake.transact(write, author="dataflow", run_id=run.run_id, message="preview")


def _findings(report: StepReport, *, is_cut: bool) -> Iterator[Finding]:
    """Yield what a stage says of a table: dead letters by rule, and its notes."""
    subject = report.subject
    if reason := report.facts.get(GAP_FACT):
        yield Finding(subject, False, f"would be held back: {reason}")
    # Of a part of the rows, many refer to others that are not among them.
    rules = {
        rule: count
        for rule, count in report.facts.get("dead_letters", {}).items()
        if not (is_cut and rule == _NEEDS_OTHER_ROWS)
    }
    if rules:
        listed = ", ".join(f"{rule} {count:,}" for rule, count in rules.items())
        yield Finding(subject, False, f"of {counted(report.rows_in, 'row')} would be dead letters by rule: {listed}")
    for note in report.facts.get(NOTES_FACT, ()):
        yield Finding(subject, True, str(note))


def _duplicates(ws: Workspace) -> Iterator[Finding]:
    """Count the records that share an address or number with another: most of them are one customer."""
    shared = " UNION ".join(
        f"""SELECT record_id FROM {CUSTOMER_RECORD.sql_name} WHERE {column} IS NOT NULL
        QUALIFY count(*) OVER (PARTITION BY entity_type, {column}) > 1"""
        for column in ("email", "phone")
    )
    [(records, alike)] = ws.con.execute(
        f"SELECT (SELECT count(*) FROM {CUSTOMER_RECORD.sql_name}), (SELECT count(*) FROM ({shared}))"
    ).fetchall()
    if records:
        found = f"{counted(records, 'customer record')}, of which {alike:,} share an e-mail or a telephone with another"
        yield Finding(CUSTOMER_RECORD.full_name, True, found)
