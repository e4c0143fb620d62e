"""A source that answers queries, in memory, and goes wrong as it is told: it drops rows, miscounts, fails windows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from dataflow.land import Failure, FetchedWindow, PlanFindings, commit_what_holds, fetch_window, plan_landing
from dataflow.land.plan import TimeRange
from dataflow.settings import ObjectSettings, Settings, SourceSettings
from dataflow.sources import (
    Ahead,
    Drift,
    Fetch,
    FetchReport,
    FieldInfo,
    KeyRange,
    ObjectState,
    PlannedWindow,
    SourceObject,
    Window,
    WindowMeasure,
)
from dataflow.sources.ahead import bound_of_belief
from dataflow.sources.protocol import BEGINNING, END
from dataflow.sources.rows import Rows
from dataflow.sources.versions import key_fingerprint_sql, measure
from dataflow.workspace.report import StepReport
from lakehouse import Lake
from lakehouse.connect import connect
from tests.lib.deliveries import company, run

START = datetime(2026, 3, 1, tzinfo=UTC)
THING = ObjectSettings(
    key="id",
    cursor="at",
    deleted_flag="is_deleted",
    fields={"id": "VARCHAR", "at": "TIMESTAMPTZ", "is_deleted": "BOOLEAN", "note": "VARCHAR"},
)


def at(hours: float) -> datetime:
    """So many hours after the source began."""
    return START + timedelta(hours=hours)


@dataclass
class FakeSource:
    """One object, `thing`: the newest row of each key, in windows of `slice_hours` up to `now`."""

    name: str = "erp"
    now: datetime = field(default_factory=lambda: at(10))
    slice_hours: float = 1000.0
    lookback: timedelta = timedelta(minutes=10)
    promises: bool = True
    rows: dict[str, tuple[datetime, dict[str, Any]]] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)
    """Keys that the next fetch of their window leaves out, once."""
    hidden: tuple[str, ...] = ()
    """Fields that the user may not read."""
    promised_too_many: int = 0
    failing: dict[datetime, list[Exception]] = field(default_factory=dict)
    """By a time in the window: what its next fetches raise, in turn."""
    key_ranges: tuple[KeyRange, ...] = ()
    """A first load is cut at these keys."""
    failing_keys: dict[int, list[Exception]] = field(default_factory=dict)
    """By a key in the range: what its next fetches raise, in turn."""
    unplannable: list[Exception] = field(default_factory=list)
    fetched: list[Window] = field(default_factory=list)
    fetched_keys: list[KeyRange | None] = field(default_factory=list)
    plans: int = 0
    """A window read at another time can hold other rows: each plan names its windows anew."""

    def put(self, key: str, when: datetime, *, is_deleted: bool = False, note: str = "") -> None:
        """Write a row, as an update where the key is there."""
        row = {"id": key, "at": when.isoformat(), "is_deleted": is_deleted, "note": note}
        self.rows[key] = (when, row)

    def remove(self, *keys: str) -> None:
        """Take rows away without a word."""
        for key in keys:
            del self.rows[key]

    def discover(self) -> list[SourceObject]:
        fields = sorted({name for _, row in self.rows.values() for name in row})
        return [SourceObject(self.name, "thing", is_declared=True, fields=tuple(map(FieldInfo, fields)))]

    def plan(
        self, object_name: str, state: ObjectState, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[PlannedWindow]:
        if self.unplannable:
            raise self.unplannable.pop(0)
        self.plans += 1
        mark = BEGINNING if state.watermark is None else state.watermark - self.lookback
        start, end = since or mark, min(until or self.now, self.now)
        windows = []
        while start < end:
            # From the beginning up to the first hours in one piece: nothing was before.
            stop = min(end, max(start, START) + timedelta(hours=self.slice_hours))
            for keys in (start == BEGINNING and self.key_ranges) or (None,):
                name = f"{start}{stop}{keys}{self.plans}"
                windows.append(PlannedWindow(self.name, object_name, Window(start, stop), (), name, keys=keys))
            start = stop
        return windows

    def fetch(self, planned: PlannedWindow) -> Fetch:
        report = FetchReport()
        return Fetch(self._batches(planned, report), report)

    def measure(self, planned: PlannedWindow) -> WindowMeasure:
        con = connect(threads=1)
        try:
            return measure(con, self.fetch(planned).batches)
        finally:
            con.close()

    def deletions(self, planned: PlannedWindow) -> Iterator[pa.RecordBatch]:
        for batch in self.fetch(planned).batches:
            yield batch.filter(batch.column("is_deleted"))

    def held(self, window: Window) -> list[tuple[str, datetime, dict[str, Any]]]:
        """The rows whose version lies in a window, by key."""
        return [
            (key, when, row) for key, (when, row) in sorted(self.rows.items()) if window.start <= when < window.until
        ]

    def _batches(self, planned: PlannedWindow, report: FetchReport) -> Iterator[pa.RecordBatch]:
        self.fetched.append(planned.window)
        self.fetched_keys.append(planned.keys)
        for timestamp, errors in self.failing.items():
            if errors and planned.window.start <= timestamp < planned.window.until:
                raise errors.pop(0)
        for number, errors in self.failing_keys.items():
            if errors and planned.keys and is_within(str(number), planned.keys):
                raise errors.pop(0)
        report.drift = Drift(gone=self.hidden)
        held = [row for row in self.held(planned.window) if is_within(row[0], planned.keys)]
        if self.promises:
            report.promised = len(held) + self.promised_too_many
        batch = Rows()
        for key, when, row in held:
            if key in self.dropped:
                self.dropped.remove(key)
                continue
            report.count("", 1)
            shown = {name: value for name, value in row.items() if name not in self.hidden}
            batch.add(json.dumps(shown), f"row {key}", key=key, changed_at=when, is_deleted=row["is_deleted"])
        if len(batch):
            yield batch.take()


def is_within(key: str, keys: KeyRange | None) -> bool:
    """Whether a key, a whole number as text, lies in a range; all do in none."""
    if keys is None:
        return True
    return (keys.start is None or keys.start <= int(key)) and (keys.until is None or int(key) < keys.until)


@dataclass
class SurveyingSource(FakeSource):
    """The same, and it can count for itself and list its keys. `counts_only` as an API without fingerprints."""

    counts_only: bool = False
    questions: int = 0
    keys_asked: int = 0

    def survey(self, planned: PlannedWindow) -> WindowMeasure:
        self.questions += 1
        live = [(key, when) for key, when, row in self.held(planned.window) if not row["is_deleted"]]
        if self.counts_only:
            return WindowMeasure(len(live), "")
        con = connect(threads=1)
        try:
            con.register("live", pa.table({"k": [k for k, _ in live], "t": pa.array([t for _, t in live], _TIME)}))
            found = con.execute(f"SELECT {key_fingerprint_sql('k', 't')} FROM live").fetchall()
        finally:
            con.close()
        return WindowMeasure(len(live), str(found[0][0]))

    def count_ahead(self, object_name: str) -> Ahead | None:  # noqa: ARG002 (the protocol's)
        bound = bound_of_belief(THING, self.now)
        return Ahead(len(self.held(Window(bound, END))), bound)

    def missing_keys(self, object_name: str, known_keys: Iterator[str]) -> Iterator[str]:  # noqa: ARG002 (the protocol's)
        known = list(known_keys)
        assert known == sorted(set(known))
        self.keys_asked += len(known)
        yield from (key for key in known if key not in self.rows)


_TIME = pa.timestamp("us", tz="UTC")


def with_source(home: Any, fake: FakeSource, patch: pytest.MonkeyPatch, **declared: Any) -> Settings:
    """Settings whose only source is the fake one; `declared` changes its object's declaration."""
    patch.setattr("dataflow.sources.make_source", lambda _name, _settings: fake)
    thing = THING.model_copy(update=declared)
    # Not validated: a real database would need an address.
    system = SourceSettings.model_construct(adapter="mysql", objects={"thing": thing})
    return company(home).model_copy(update={"sources": {fake.name: system}})


def ingest(
    lake: Lake, settings: Settings, *, number: int = 1, ranges: list[TimeRange] | None = None, **asked: Any
) -> list[StepReport]:
    """Plan, fetch and land as a run does, each window tried once; returns the reports."""
    plan = plan_landing(lake, settings, ranges=ranges or [(None, None)], **asked)
    fetched: list[FetchedWindow] = []
    failures = list(plan.failures)
    for planned in plan.windows:
        try:
            fetched.append(fetch_window(planned, settings, run(number)))
        except Exception as error:  # noqa: BLE001 (whatever the fake was told to raise)
            failures.append(Failure(planned.source, planned.object, error, planned))
    return commit_what_holds(lake, fetched, run(number), findings=PlanFindings(tuple(failures), plan.closed_gaps))
