"""Run the benchmark with the `dataflow` command, as a user does."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dataflow.bench.figures import Figures
from dataflow.errors import BenchmarkFailed

FIRST_DAY, SECOND_DAY = "2026-01-01", "2026-01-02"
Notify = Callable[[str], None]


def measure_sizes(sizes: Sequence[int], *, notify: Notify) -> Iterator[Figures]:
    """For each size: generate a sample of two days, run the first day with training, then the next day's increment.

    `notify` receives progress messages. Homes are temporary and removed.
    """
    for records in sizes:
        with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
            yield from _measure_one(Path(folder), records, notify)


def _measure_one(home: Path, records: int, notify: Notify) -> Iterator[Figures]:
    notify(f"{records:,} records: sample")
    _, seconds, cpu = run_command(home, "sample", "--days", "2", "--records", str(records), "--start", FIRST_DAY)
    sample = home / "sample"
    yield Figures(
        step="sample",
        records=records,
        seconds=seconds / 2,
        cpu_seconds=cpu / 2,
        bytes_written=_size(sample) // 2,
        stages={},
    )
    for step, arguments in (("first run", ["--until", SECOND_DAY]), ("next day", [])):
        notify(f"{records:,} records: {step}")
        before = _size(home / "lake")
        outcome, seconds, cpu = run_command(home, "run", *arguments)
        yield Figures(
            step=step,
            records=records,
            seconds=seconds,
            cpu_seconds=cpu,
            peak_rss_bytes=int(outcome["peak_rss_bytes"]),
            bytes_written=_size(home / "lake") - before,
            orchestration_seconds=float(outcome["orchestration_seconds"]),
            stages={stage["stage"]: float(stage["seconds"]) for stage in outcome["stages"]},
        )


def run_command(home: Path, command: str, *arguments: str) -> tuple[dict[str, Any], float, float]:
    """Run one command in a fresh process; return its answer, the wall seconds and the processor seconds.

    Raises: BenchmarkFailed.
    """
    began, used = time.perf_counter(), _cpu_of_children()
    done = subprocess.run(
        [sys.executable, "-m", "dataflow.cli", "--home", str(home), command, "-o", "json", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise BenchmarkFailed(f"dataflow {command} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, seconds, _cpu_of_children() - used


def _cpu_of_children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
