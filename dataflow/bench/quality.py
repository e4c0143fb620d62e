"""Measure baselines and the bridge of key figures: what simulated histories show, and what both cost of a run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from checks.contract import verify_contracts
from dataflow.bench.fresh import in_fresh_process
from dataflow.bench.histories import SHIFTED, best_share, simulate
from dataflow.bench.measure import FIRST_DAY, SECOND_DAY, Notify, run_command
from dataflow.publish.baselines.publication import judge_publication
from dataflow.publish.bridge import stage_bridge
from dataflow.run.session import open_run
from dataflow.run.stages import STAGES, stage_function
from dataflow.settings import load_settings
from dataflow.tables import published
from dataflow.tables.ops import BASELINE
from lakehouse import Lake
from lakehouse.table import DATABASE, column_list

_HISTORY = 59
_LEAST_SEEN, _MOST_FALSE, _MOST_COST = 95.0, 1.0, 10.0
_NAMES = {
    "uniform": "noise of at most 5 %",
    "normal": "noise with a standard deviation of 5 %",
}


@dataclass(frozen=True, kw_only=True)
class QualityFigure:
    """One measured figure; `least` or `most` is its goal, None: it has none."""

    figure: str
    value: float
    unit: str
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def target(self) -> str:
        """Return whether the goal is met, as text."""
        if self.least is not None:
            return f"{'met' if self.value >= self.least else 'MISSED'} (≥ {self.least:g} {self.unit})"
        if self.most is not None:
            return f"{'met' if self.value <= self.most else 'MISSED'} (≤ {self.most:g} {self.unit})"
        return ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"target": self.target}


def measure_histories(histories: int, *, notify: Notify) -> Iterator[QualityFigure]:
    """Judge simulated histories, with either kind of noise."""
    for noise, name in _NAMES.items():
        notify(f"{histories} histories: {name}")
        found = simulate(histories, noise=noise)
        yield QualityFigure(
            figure=f"false alarms over all {found.series} series, {name}",
            value=100 * found.false_alarms / found.publications,
            unit="in 100 publications",
            most=_MOST_FALSE,
        )
        for measure in SHIFTED:
            for occurrence in (1, 2):
                yield QualityFigure(
                    figure=f"shifts of {measure} by 25 % seen, {('first', 'again')[occurrence - 1]}, {name}",
                    value=100 * found.share(measure, occurrence),
                    unit="%",
                    least=_LEAST_SEEN,
                    note=f"the best rule: {100 * best_share(found.series):.0f} % of single publications"
                    if noise == "normal"
                    else "",
                )


def measure_costs(records: int, *, notify: Notify) -> Iterator[QualityFigure]:
    """Measure the processor time of contracts, baselines and bridge of an increment, as shares of that of its stages.

    Raises: BenchmarkFailed.
    """
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        notify(f"{records:,} records: sample and first day")
        run_command(home, "sample", "--days", "2", "--records", str(records), "--start", FIRST_DAY)
        run_command(home, "run", "--until", SECOND_DAY)
        notify(f"{records:,} records: the next day")
        run_command(home, "run", "--ingest-only")
        seconds = in_fresh_process(partial(_time_increment, home))
    run = seconds["run"]
    quality = seconds["contracts"] + seconds["baselines"]
    yield QualityFigure(
        figure="contracts and baselines, of an increment",
        value=100 * quality / run,
        unit="% of CPU",
        most=_MOST_COST,
        note=f"contracts {seconds['contracts']:.2f} s, baselines {seconds['baselines']:.2f} s, run {run:.1f} s",
    )
    yield QualityFigure(
        figure="bridge of key figures, of an increment",
        value=100 * seconds["bridge"] / run,
        unit="% of CPU",
        most=_MOST_COST,
        note=f"bridge {seconds['bridge']:.2f} s, run {run:.1f} s",
    )


def _time_increment(home: Path) -> dict[str, float]:
    """Compute the landed increment and commit nothing; return the processor seconds of the stages and of the parts."""
    settings = load_settings(home=home)
    with open_run(settings, "publish") as session:
        _lengthen_history(session.lake)
        with session.open_workspace() as ws:
            stages = sum(_timed(partial(stage_function(stage), ws, settings)) for stage in STAGES)
            # Once more: both were part of the last stage.
            bridge = _timed(partial(stage_bridge, ws))
            baselines = _timed(partial(judge_publication, ws, settings))
        tables = list(published.TABLES)
        contracts = _timed(partial(verify_contracts, session.lake.con, tables, database=DATABASE))
    return {"run": stages + contracts, "bridge": bridge, "baselines": baselines, "contracts": contracts}


def _lengthen_history(lake: Lake) -> None:
    """Copy the figures of the only publication to earlier days, so that there is a history to judge by."""
    others = column_list(name for name in BASELINE.column_names if name not in ("run_id", "published_at"))
    copies = f"SELECT run_id || '-' || d AS run_id, published_at - to_days(d) AS published_at, {others}"
    sql = f"INSERT INTO {BASELINE.in_lake} BY NAME {copies} FROM {BASELINE.in_lake}, range(1, {_HISTORY}) r(d)"
    lake.transact(lambda con: con.execute(sql), author="bench", run_id="bench", message="history of baselines")


def _timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
