"""Measure what access costs: the role marts as a share of the runs they follow, their size, and the access log."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dataflow.bench.audit import measure_audit
from dataflow.bench.fresh import in_fresh_process
from dataflow.bench.measure import FIRST_DAY, SECOND_DAY, Notify, run_command
from dataflow.settings import load_settings
from dataflow.settings.roles import SHIPPED_ROLES
from dataflow.sinks.marts import rewrite_mart
from lakehouse.connect import connect
from lakehouse.query import fetch_int

_MB = 1_000_000
_SIZED_CUSTOMERS = 100_000


@dataclass(frozen=True, kw_only=True)
class AccessFigure:
    """One measured figure and the most that it may be. `parts` says what it is made of, in the same unit or seconds."""

    figure: str
    value: float
    most: float
    unit: str
    parts: Mapping[str, float]

    @property
    def target(self) -> str:
        return f"{'met' if self.value <= self.most else 'MISSED'} (≤ {self.most:g} {self.unit})"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"target": self.target}


def measure_access(records: int, *, entries: int, notify: Notify) -> Iterator[AccessFigure]:
    """Run two days of a sample with the marts of all shipped roles; then record reads and verify a log.

    Raises: BenchmarkFailed.
    """
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
        yield from _measure_marts(Path(folder), records, notify)
    record, verify = measure_audit(entries, notify=notify)
    yield AccessFigure(
        figure="recording a read",
        value=1000 * record.cpu_seconds / record.entries,
        most=1,
        unit="ms of CPU",
        parts={"reads": record.entries},
    )
    yield AccessFigure(
        figure="verifying the log",
        value=verify.seconds,
        most=verify.limit,
        unit="s",
        parts={"entries": verify.entries},
    )


def _measure_marts(home: Path, records: int, notify: Notify) -> Iterator[AccessFigure]:
    """Write the marts after each run, in a process of their own: other sinks go on beside them in a run."""
    notify(f"{records:,} records: sample")
    run_command(home, "sample", "--days", "2", "--records", str(records), "--start", FIRST_DAY)
    for step, most, arguments in (("a first publication", 30, ["--until", SECOND_DAY]), ("an increment", 10, [])):
        notify(f"{records:,} records: {step}")
        _, _, of_run = run_command(home, "run", *arguments)
        of_marts = in_fresh_process(partial(_write_marts, home))
        yield AccessFigure(
            figure=f"all marts, of {step}",
            value=100 * of_marts / of_run,
            most=most,
            unit="% of CPU",
            parts={"marts s": of_marts, "run s": of_run},
        )
    sizes = _megabytes(home / "marts")
    yield AccessFigure(
        figure="largest mart, per 100,000 customers", value=max(sizes.values()), most=60, unit="MB", parts=sizes
    )


def _write_marts(home: Path) -> float:
    """Bring the marts of all shipped roles to the newest publication; return the processor seconds."""
    settings, began = load_settings(home=home), time.process_time()
    rewrite_mart(settings, *SHIPPED_ROLES)
    return time.process_time() - began


def _megabytes(folder: Path) -> dict[str, float]:
    """Return the size of each mart, per 100,000 customers."""
    with closing(connect(folder / "steward.duckdb", read_only=True, threads=1)) as con:
        customers = fetch_int(con, "SELECT count(*) FROM published.customer_360")
    scale = _SIZED_CUSTOMERS / customers / _MB
    return {role: (folder / f"{role}.duckdb").stat().st_size * scale for role in SHIPPED_ROLES}
