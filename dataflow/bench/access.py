"""Measure what access costs: the role marts as a share of the runs they follow, their size, and the access log."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dataflow.bench.audit import measure_audit
from dataflow.bench.measure import FIRST_DAY, SECOND_DAY, Notify, run_command
from dataflow.errors import BenchmarkFailed
from dataflow.settings import default_toml
from dataflow.settings.roles import SHIPPED_ROLES
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
    config = home / "dataflow.toml"
    kept = ", ".join(f'"{role}"' for role in SHIPPED_ROLES)
    config.write_text(f"{default_toml()}\n[access]\nmarts = [{kept}]\n", encoding="utf-8")
    notify(f"{records:,} records: sample")
    sampled = ("--days", "2", "--records", str(records), "--start", FIRST_DAY)
    run_command(home, "sample", *sampled, config=config)
    for step, most, arguments in (("a first publication", 30, ["--until", SECOND_DAY]), ("an increment", 10, [])):
        notify(f"{records:,} records: {step}")
        outcome, seconds, _ = run_command(home, "run", *arguments, config=config)
        marts = _seconds_of_marts(outcome)
        yield AccessFigure(
            figure=f"all marts, of {step}",
            value=100 * marts / (seconds - marts),
            most=most,
            unit="%",
            parts={"marts s": marts, "run without them s": seconds - marts},
        )
    sizes = _megabytes(home / "marts")
    yield AccessFigure(
        figure="largest mart, per 100,000 customers", value=max(sizes.values()), most=60, unit="MB", parts=sizes
    )


def _seconds_of_marts(outcome: Mapping[str, Any]) -> float:
    spent = [float(step["seconds"]) for step in outcome["steps"] if step["subject"] == "marts"]
    if len(spent) != 1:
        raise BenchmarkFailed(f"A run reported {len(spent)} steps of the sink marts, not one.")
    return spent[0]


def _megabytes(folder: Path) -> dict[str, float]:
    """Return the size of each mart, per 100,000 customers."""
    with closing(connect(folder / "steward.duckdb", read_only=True, threads=1)) as con:
        customers = fetch_int(con, "SELECT count(*) FROM published.customer_360")
    scale = _SIZED_CUSTOMERS / customers / _MB
    return {role: (folder / f"{role}.duckdb").stat().st_size * scale for role in SHIPPED_ROLES}
