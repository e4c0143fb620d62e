"""Measure a run, and the state of the lake, as named numbers with attributes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import duckdb

from dataflow.alerts.incidents import open_incidents
from dataflow.observe.freshness import read_freshness
from dataflow.observe.slo import read_service_level
from dataflow.observe.status import WAITING_DEAD_LETTERS
from dataflow.run.record import StageTiming
from dataflow.settings import Settings
from dataflow.tables import published
from dataflow.tables.ops import DEAD_LETTERS, RUN
from dataflow.workspace.cost import COST_FACT, Cost, dollars
from dataflow.workspace.incident_events import read_incident_events
from dataflow.workspace.report import StepReport
from lakehouse.query import fetch_records

SECONDS, BYTES, COUNT, SHARE, DOLLARS = "s", "By", "1", "%", "USD"
"""Units by UCUM, as OpenTelemetry writes them; a share is between 0 and 1."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number. `name` has dots, as OpenTelemetry has them."""

    name: str
    value: float
    unit: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EndedRun:
    """How a run ended: what its measurements, spans and log lines are made of."""

    run_id: str
    kind: str
    status: str
    started_at: datetime
    finished_at: datetime
    reports: Sequence[StepReport]
    timings: Sequence[StageTiming]
    error: str = ""
    """The class of the error that ended it."""


def measure_run(run: EndedRun) -> list[Measurement]:
    """Measure a run: its seconds, those of its stages, rows through each step, memory, what it has cost."""
    attributes = {"kind": run.kind, "status": run.status}
    seconds = (run.finished_at - run.started_at).total_seconds()
    found = [Measurement(name="dataflow.run.duration", value=seconds, unit=SECONDS, attributes=attributes)]
    if run.timings:
        peak = max(timing.peak_rss_bytes for timing in run.timings)
        found.append(Measurement(name="dataflow.run.memory", value=peak, unit=BYTES, attributes=attributes))
    stages: dict[str, float] = {}
    for timing in run.timings:
        stages[timing.stage] = stages.get(timing.stage, 0.0) + timing.seconds
    found += [
        Measurement(name="dataflow.stage.duration", value=value, unit=SECONDS, attributes={"stage": stage})
        for stage, value in stages.items()
    ]
    return [*found, *_rows_of_steps(run.reports), *_costs(run.reports)]


def measure_lake(con: duckdb.DuckDBPyConnection, settings: Settings, *, now: datetime) -> list[Measurement]:
    """Measure the lake that is the default database of `con`: freshness, rows, dead letters, incidents, level."""
    return [
        *_freshness(con, settings, now),
        *_volumes(con),
        *_dead_letters(con),
        *_incidents(con),
        *_level(con, settings, now),
    ]


def subject_of(report: StepReport) -> str:
    """Return the object or table of a step; the subject of a landing is its window."""
    return report.subject.partition(" ")[0]


def _rows_of_steps(reports: Iterable[StepReport]) -> Iterator[Measurement]:
    rows = Counter[tuple[str, str, str]]()
    for report in reports:
        for flow in ("rows_in", "rows_out", "set_aside", "merged"):
            rows[report.stage, subject_of(report), flow] += getattr(report, flow)
    for (stage, subject, flow), value in rows.items():
        attributes = {"stage": stage, "subject": subject, "flow": flow.removeprefix("rows_")}
        yield Measurement(name="dataflow.step.rows", value=value, unit=COUNT, attributes=attributes)


def _costs(reports: Iterable[StepReport]) -> Iterator[Measurement]:
    for report in reports:
        if COST_FACT in report.facts:
            cost = Cost(**report.facts[COST_FACT])
            value, attributes = dollars(cost.bytes_billed, cost.dollars_per_tib), {"service": cost.service}
            yield Measurement(name="dataflow.run.cost", value=value, unit=DOLLARS, attributes=attributes)
            yield Measurement(name="dataflow.run.billed", value=cost.bytes_billed, unit=BYTES, attributes=attributes)


def _freshness(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> Iterator[Measurement]:
    for row in read_freshness(con, settings, now=now):
        if row["watermark"] is not None:
            value = max(0.0, (now - row["watermark"]).total_seconds())
            attributes = {"object": f"{row['source']}.{row['object']}"}
            yield Measurement(name="dataflow.freshness", value=value, unit=SECONDS, attributes=attributes)
    last = con.execute(
        f"SELECT max(finished_at) FROM {RUN.sql_name} WHERE status IN ('published', 'partial', 'unchanged')"
    ).fetchone()
    if last is not None and last[0] is not None:
        value = max(0.0, (now - last[0]).total_seconds())
        yield Measurement(name="dataflow.publication.age", value=value, unit=SECONDS)


def _volumes(con: duckdb.DuckDBPyConnection) -> Iterator[Measurement]:
    counts = ", ".join(f"(SELECT count(*) FROM {table.sql_name}) AS {table.name}" for table in published.TABLES)
    [row] = fetch_records(con, f"SELECT {counts}")
    for name, value in row.items():
        attributes = {"table": f"published.{name}"}
        yield Measurement(name="dataflow.published.rows", value=value, unit=COUNT, attributes=attributes)


def _dead_letters(con: duckdb.DuckDBPyConnection) -> Iterator[Measurement]:
    for row in fetch_records(con, WAITING_DEAD_LETTERS.format(letters=DEAD_LETTERS.sql_name)):
        attributes = {
            "object": f"{row['source']}.{row['object']}", "rule": str(row["rule"]), "status": str(row["status"]),
        }  # fmt: skip
        yield Measurement(name="dataflow.dead_letters", value=row["rows"], unit=COUNT, attributes=attributes)


def _incidents(con: duckdb.DuckDBPyConnection) -> Iterator[Measurement]:
    found = Counter((one.severity, one.state) for one in open_incidents(read_incident_events(con)).values())
    # Without any, the series still says so: an alert on its absence would not.
    for (severity, state), count in (found or {("error", "open"): 0}).items():
        attributes = {"severity": severity, "state": state}
        yield Measurement(name="dataflow.incidents", value=count, unit=COUNT, attributes=attributes)


def _level(con: duckdb.DuckDBPyConnection, settings: Settings, now: datetime) -> Iterator[Measurement]:
    level = read_service_level(con, settings, now=now)
    if level.availability is None or level.burn_rate is None:
        return
    yield Measurement(name="dataflow.slo.availability", value=level.availability, unit=SHARE)
    left = (level.budget_left_minutes or 0.0) * 60
    yield Measurement(name="dataflow.slo.budget_left", value=left, unit=SECONDS)
    for window, rate in level.burn_rate.items():
        yield Measurement(name="dataflow.slo.burn_rate", value=rate, unit=COUNT, attributes={"window": window})
