"""Measure how fast a publication reaches its sinks, and how fast an application reads a customer.

The warehouse and the cache are those of the configuration, emptied before and after; the lake is one of a sample. Of
each step the processor time of this side is told apart from the time that the server takes.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dataflow.access.identify import identify
from dataflow.access.lake import lake_location
from dataflow.bench.fresh import in_fresh_process
from dataflow.bench.measure import FIRST_DAY, SECOND_DAY, Notify, run_command
from dataflow.errors import ConfigurationError
from dataflow.publish import Publication
from dataflow.serve import Customers
from dataflow.serve.customers import DOOR
from dataflow.serve.from_cache import CachedCustomers
from dataflow.settings import Settings, load_settings
from dataflow.sinks import SINKS, active_sinks
from dataflow.sinks.feeds import open_lake_reader
from dataflow.tables.published import CUSTOMER_360
from lakehouse import LakeView
from lakehouse.query import fetch_int

MEASURED = ("warehouse", "cache")
_SIZED = 100_000
"""The number of records to which the targets apply."""
_GETS = 5_000
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ServeFigure:
    """One measured figure. `most` and `least` are its targets at 100,000 records; None: it has none."""

    figure: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """Return whether the target is met; "" without one."""
        if self.most is not None:
            return f"{'met' if self.value <= self.most else 'MISSED'} (≤ {self.most:g} {self.unit})"
        if self.least is not None:
            return f"{'met' if self.value >= self.least else 'MISSED'} (≥ {self.least:g} {self.unit})"
        return ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"target": self.target}


def measure_serving(settings: Settings, records: int, *, notify: Notify) -> Iterator[ServeFigure]:
    """Publish two days of a sample, and bring each sink of the settings to both; then read customers.

    Raises: BenchmarkFailed; ConfigurationError where neither warehouse nor cache is on; SinkError where one of them
    holds the data of a lake.
    """
    names = [kind.name for kind in active_sinks(settings) if kind.name in MEASURED]
    if not names:
        raise ConfigurationError("Neither warehouse nor cache is on.", next_move="Switch one on in dataflow.toml.")
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        places = _places(settings, home)
        for name in names:
            in_fresh_process(partial(_refuse_used, home, places, name))
        notify(f"{records:,} records: sample")
        run_command(home, "sample", "--days", "2", "--records", str(records), "--start", FIRST_DAY)
        try:
            for step, arguments in (("first load", ["--until", SECOND_DAY]), ("increment", [])):
                notify(f"{records:,} records: run, {step}")
                run_command(home, "run", *arguments)
                for name in names:
                    notify(f"{records:,} records: {name}, {step}")
                    done = in_fresh_process(partial(_follow, home, places, name))
                    yield from _judge(name, step, done, is_sized=records >= _SIZED)
            if "cache" in names:
                notify("reading customers")
                yield from in_fresh_process(partial(_read, home, places))
        finally:
            for name in names:
                in_fresh_process(partial(_clear, home, places, name))


@dataclass(frozen=True)
class _Done:
    """What a sink has done: rows or entries written, seconds, processor seconds of this side."""

    written: int
    customers: int
    seconds: float
    cpu_seconds: float


def _places(settings: Settings, home: Path) -> dict[str, Any]:
    """Return the sections that name the sinks; a warehouse of its own stands beside the configured one."""
    warehouse = settings.warehouse
    place = warehouse.bigquery.model_copy(update={"dataset": f"{warehouse.bigquery.dataset}_bench"})
    own = {"path": str(home / "bench-warehouse.duckdb"), "bigquery": place}
    return {"warehouse": warehouse.model_copy(update=own), "cache": settings.cache}


def _settings(home: Path, places: Mapping[str, Any]) -> Settings:
    return load_settings(home=home).model_copy(update=dict(places))


def _refuse_used(home: Path, places: Mapping[str, Any], name: str) -> None:
    if (shown := SINKS[name].open(_settings(home, places)).shows()) is not None:
        raise ConfigurationError(
            f"The {name} shows publication {shown.publication} of a lake; the benchmark empties what it measures.",
            next_move="Name another place for it, or empty it with `dataflow sinks adopt`.",
        )


def _follow(home: Path, places: Mapping[str, Any], name: str) -> _Done:
    settings = _settings(home, places)
    with closing(open_lake_reader(settings)) as con:
        view = LakeView(con, lake_location(settings))
        publication = Publication(
            run_id="bench",
            status="unchanged",
            snapshot=view.snapshot(),
            last_change=view.last_change_in("published"),
            lake_id=view.lake_id(),
        )
        customers = fetch_int(con, f"SELECT count(*) FROM {CUSTOMER_360.in_lake}")
    sink = SINKS[name].open(settings)
    began, used = time.perf_counter(), time.process_time()
    report = sink.follow(publication)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return _Done(report.rows_out, customers, seconds, cpu)


def _clear(home: Path, places: Mapping[str, Any], name: str) -> None:
    SINKS[name].open(_settings(home, places)).clear()


def _judge(name: str, step: str, done: _Done, *, is_sized: bool) -> Iterator[ServeFigure]:
    parts = {"rows" if name == "warehouse" else "entries": done.written, "own CPU s": done.cpu_seconds}
    if name == "warehouse":
        most = {"first load": 60.0, "increment": 15.0}[step] if is_sized else None
        yield ServeFigure(figure=f"warehouse, {step}", value=done.seconds, unit="s", most=most, parts=parts)
        yield ServeFigure(
            figure=f"warehouse, {step}, own CPU",
            value=done.cpu_seconds,
            unit="s",
            most=5.0 if is_sized and step == "increment" else None,
        )
        return
    least = is_sized and step == "first load"
    yield ServeFigure(
        figure=f"cache, {step}",
        value=done.written / done.cpu_seconds,
        unit="keys/s of own CPU",
        least=50_000 if least else None,
        parts={**parts, "s": done.seconds},
    )
    if step == "first load":
        yield ServeFigure(
            figure="cache, whole customers",
            value=done.customers / done.cpu_seconds,
            unit="customers/s of own CPU",
            least=8_000 if least else None,
            parts={"customers": done.customers},
        )


def _read(home: Path, places: Mapping[str, Any]) -> list[ServeFigure]:
    """Read customers one by one: out of the cache, and by the reader's API, which writes each read to a log."""
    settings = _settings(home, places)
    with closing(open_lake_reader(settings)) as con:
        chosen = f"SELECT customer_id FROM {CUSTOMER_360.in_lake} ORDER BY hash(customer_id) LIMIT {_GETS}"
        ids = [str(name) for (name,) in con.execute(chosen).fetchall()]
    found = []
    cache = CachedCustomers(settings)
    with closing(cache):
        found.append(_latency("get out of the cache", cache.get, ids, most=1_000.0))
    with Customers(settings, identify(settings, door=DOOR)) as customers:
        found.append(_latency("Customers.get, on record", customers.get, ids, most=None))
    return found


def _latency(figure: str, get: Callable[[str], object], ids: Sequence[str], *, most: float | None) -> ServeFigure:
    taken = []
    for one in ids:
        began = time.perf_counter()
        get(one)
        taken.append((time.perf_counter() - began) * _MICROSECONDS)
    taken.sort()
    middle, late = (taken[min(int(len(taken) * share), len(taken) - 1)] for share in (0.5, 0.99))
    return ServeFigure(figure=f"{figure}, p99", value=late, unit="µs", most=most, parts={"p50": middle})
