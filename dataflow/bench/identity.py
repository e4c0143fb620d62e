"""Measure identity resolution at a given number of records: the resolver's functions on match records and a real lake.

Records are generated and a model is trained on a part of them. Then follow: all records in one run, an increment, a
deletion and a steward's judgement, each in a fresh process that reports its seconds and peak memory.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from dataflow.bench.figures import GIB, keeps
from dataflow.bench.fresh import in_fresh_process, peak_rss_bytes
from dataflow.bench.measure import Notify
from dataflow.bench.people import write_people
from dataflow.resolve.clusters.clusters import find_clusters
from dataflow.resolve.comparisons import PERSON
from dataflow.resolve.customers.identity import assign_ids
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.pairs.edges import find_edges
from dataflow.resolve.step import Steps, identify
from dataflow.resolve.training.epoch import train_epoch
from dataflow.tables.resolved import EDGE, IDENTITY_EVENT, JUDGED_PAIR, MATCH_RECORD, REDIRECT, XREF
from dataflow.workspace.staging import Run
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake, LakeLocation
from lakehouse.connect import connect, spread_small_tables
from lakehouse.table import literal

# More records did not change the model's parameters; its frequencies are those of this part.
_TRAINED_ON = 200_000
_TABLES = (MATCH_RECORD, EDGE, XREF, REDIRECT, IDENTITY_EVENT, JUDGED_PAIR)
_KIND = PERSON.entity_type
_NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class IdentityFigures:
    """One measured step with `existing` records in the lake. `parts` are seconds within it, `counts` its results.

    `seconds` exclude the start of Python; the peak is that of the whole process.
    """

    step: str
    existing: int
    added: int = 0
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    parts: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class IdentityTarget:
    """The most seconds and bytes for a step, on two cores."""

    step: str
    existing: int
    added: int
    seconds: float
    peak_rss_bytes: int | None = None


TARGETS = (
    IdentityTarget("increment", 1_000_000, 100_000, 15),
    IdentityTarget("increment", 10_000_000, 100_000, 45, 6 * GIB),
    IdentityTarget("all at once", 10_000_000, 0, 480, 12 * GIB),
    IdentityTarget("clusters", 10_000_000, 0, 10),
    IdentityTarget("deletion", 10_000_000, 0, 5),
    IdentityTarget("judgement", 10_000_000, 0, 5),
)
LARGEST_EXPONENT = 1.1
"""The highest power of the number of records with which seconds can grow."""


def judge_identity(measured: IdentityFigures) -> str:
    """Compare with the target of this step and size; empty without a target."""
    for target in TARGETS:
        if (target.step, target.existing, target.added) == (measured.step, measured.existing, measured.added):
            return keeps(measured.seconds, measured.peak_rss_bytes, target.seconds, target.peak_rss_bytes)
    return ""


def growth(found: Sequence[IdentityFigures]) -> dict[str, float]:
    """Return, by step, the power of the number of records with which processor time grew, smallest to largest size."""
    powers = {}
    for step in dict.fromkeys(figures.step for figures in found):
        of_step = sorted((f for f in found if f.step == step), key=lambda f: f.existing)
        small, large = of_step[0], of_step[-1]
        if small.existing < large.existing and small.cpu_seconds >= 0.1:
            powers[step] = math.log(large.cpu_seconds / small.cpu_seconds) / math.log(large.existing / small.existing)
    return powers


def measure_identity(sizes: Sequence[int], *, added: int, notify: Notify) -> Iterator[IdentityFigures]:
    """For each size: resolve all records in one run, then a deletion, a judgement, and `added` more records.

    `notify` receives progress messages. All files are temporary and removed.
    """
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
            home = Path(folder)
            notify(f"{size:,} records: generating records and a model")
            in_fresh_process(partial(_make, home, size, added))
            notify(f"{size:,} records: all at once")
            edges = in_fresh_process(partial(_compare_all, home, size))
            clusters = in_fresh_process(partial(_cluster_all, home, size))
            yield replace(
                edges,
                step="all at once",
                seconds=edges.seconds + clusters.seconds,
                cpu_seconds=edges.cpu_seconds + clusters.cpu_seconds,
                peak_rss_bytes=max(edges.peak_rss_bytes, clusters.peak_rss_bytes),
                parts=edges.parts | clusters.parts,
                counts=edges.counts | clusters.counts,
            )
            yield replace(clusters, seconds=clusters.parts["clusters"])
            notify(f"{size:,} records: writing them to a lake")
            in_fresh_process(partial(_fill_lake, home))
            for step, work in (("deletion", _delete), ("judgement", _judge), ("increment", _add)):
                notify(f"{size:,} records: {step}")
                yield in_fresh_process(partial(work, home, size, added if step == "increment" else 0, step))


class _Watch:
    """Seconds, processor seconds and peak memory of this process."""

    def __init__(self) -> None:
        self.began, self.used = time.perf_counter(), time.process_time()

    def figures(self, step: str, existing: int, **facts: Any) -> IdentityFigures:
        return IdentityFigures(
            step=step,
            existing=existing,
            seconds=time.perf_counter() - self.began,
            cpu_seconds=time.process_time() - self.used,
            peak_rss_bytes=peak_rss_bytes(),
            **facts,
        )


@contextmanager
def _working(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = connect(memory_limit="8GB", temp_directory=home / "spill")
    spread_small_tables(con)
    con.execute("SET preserve_insertion_order = false")
    try:
        yield con
    finally:
        con.close()


def _make(home: Path, size: int, added: int) -> None:
    with _working(home) as con:
        write_people(con, home / "record.parquet", start=0, count=size, known=size)
        write_people(con, home / "added.parquet", start=size, count=added, known=size)
        # Chosen by id and not by a limit: the same part in each run.
        con.execute(f"""
            CREATE TEMP TABLE part AS FROM {_file(home, "record")}
            WHERE hash(record_id) % {size} < {min(size, _TRAINED_ON)} ORDER BY record_id
        """)
        epoch = train_epoch(con, "part", spec=PERSON, frequencies="frequency")
        con.execute(f"COPY frequency TO {_file(home, 'frequency')}")
    (home / "epoch.json").write_text(epoch.as_text(), encoding="utf-8")


def _file(home: Path, name: str) -> str:
    return literal(str(home / f"{name}.parquet"))


def _epoch(con: duckdb.DuckDBPyConnection, home: Path, table: str) -> Epoch:
    """Return the model, with its frequencies from `table`."""
    con.execute(f"CREATE OR REPLACE TABLE {table} AS FROM {_file(home, 'frequency')}")
    return Epoch.from_text((home / "epoch.json").read_text(encoding="utf-8"), frequencies=table)


def _compare_all(home: Path, size: int) -> IdentityFigures:
    watch, steps = _Watch(), Steps()
    with _working(home) as con:
        epoch = _epoch(con, home, "frequency")
        with steps.time("edges"):
            pairs = find_edges(con, _file(home, "record"), epoch=epoch, spec=PERSON, into="edge")
        con.execute(f"COPY edge TO {_file(home, 'edge')}")
        counts = {"pairs": pairs, "edges": con.table("edge").shape[0]}
    return watch.figures("edges", size, parts=steps.seconds, counts=counts)


def _cluster_all(home: Path, size: int) -> IdentityFigures:
    watch, steps = _Watch(), Steps()
    with _working(home) as con:
        epoch = _epoch(con, home, "frequency")
        with steps.time("clusters"):
            record, edge = _file(home, "record"), _file(home, "edge")
            find_clusters(
                con,
                record,
                edge,
                link_threshold=epoch.link_threshold,
                into="new_cluster",
                contradiction=epoch.contradiction,
            )
        with steps.time("identities"):
            con.execute("CREATE TEMP TABLE no_xref (record_id VARCHAR, customer_id VARCHAR, linked_at TIMESTAMPTZ)")
            con.execute("CREATE TEMP TABLE no_id (customer_id VARCHAR, born_at TIMESTAMPTZ, to_customer_id VARCHAR)")
            born, current = "SELECT customer_id, born_at FROM no_id", "SELECT customer_id FROM no_id"
            retired = "SELECT customer_id, to_customer_id FROM no_id"
            assign_ids(con, "new_cluster", "no_xref", born=born, current=current, retired=retired, into="assigned")
        con.execute(f"COPY (FROM new_cluster JOIN assigned USING (record_id)) TO {_file(home, 'assigned')}")
        con.execute(f"COPY assigned_change TO {_file(home, 'change')}")
        counts = {"customers": con.table("assigned_change").shape[0]}
    return watch.figures("clusters", size, parts=steps.seconds, counts=counts)


def _fill_lake(home: Path) -> None:
    """Write the results to a lake as a first run would leave it."""
    epoch_id = literal(json.loads((home / "epoch.json").read_text(encoding="utf-8"))["epoch_id"])
    kind, day = literal(_KIND), "TIMESTAMPTZ '2026-01-01'"
    rows = {
        MATCH_RECORD: f"SELECT * FROM {_file(home, 'record')}",
        EDGE: f"SELECT *, {kind} AS entity_type, {epoch_id} AS epoch_id FROM {_file(home, 'edge')}",
        XREF: f"SELECT record_id, customer_id, {kind} AS entity_type, confidence, {day} AS linked_at "
        f"FROM {_file(home, 'assigned')}",
        IDENTITY_EVENT: f"SELECT 'first|' || customer_id AS event_id, *, {day} AS occurred_at "
        f"FROM {_file(home, 'change')}",
    }

    def write(con: duckdb.DuckDBPyConnection) -> None:
        for table, found in rows.items():
            con.execute(f"INSERT INTO {table.in_lake} BY NAME SELECT *, 'first' AS _run_id FROM ({found})")

    with _lake(home) as lake:
        lake.con.execute("SET preserve_insertion_order = false")
        lake.ensure(_TABLES)
        lake.transact(write, author="bench", run_id="first", message="bench")


@contextmanager
def _lake(home: Path) -> Iterator[Lake]:
    place = home / "lake"
    place.mkdir(exist_ok=True)
    location = LakeLocation(catalogue=place / "catalogue.ducklake", data=place / "data", published=place / "published")
    with Lake.open(location, purpose="bench", memory_limit="4GB", temp_directory=home / "spill") as lake:
        yield lake


def _delete(home: Path, size: int, added: int, step: str) -> IdentityFigures:
    def stage(ws: Workspace) -> None:
        ws.stage(MATCH_RECORD, f"FROM {MATCH_RECORD.sql_name} LIMIT 0", scope=f"SELECT record_id FROM ({_one(ws)})")

    return _run(home, size, added, step, stage)


def _judge(home: Path, size: int, added: int, step: str) -> IdentityFigures:
    """Judge two records of one customer different."""

    def stage(ws: Workspace) -> None:
        ws.stage(
            JUDGED_PAIR,
            f"""
            SELECT record_id_l, record_id_r, entity_type, 'different' AS verdict, false AS is_waiting,
                false AS is_contradicted, 'bench' AS judgement_id FROM ({_one(ws)})
            """,
            scope="SELECT 'none' AS record_id_l",
        )

    return _run(home, size, added, step, stage)


def _add(home: Path, size: int, added: int, step: str) -> IdentityFigures:
    def stage(ws: Workspace) -> None:
        fresh = _file(home, "added")
        ws.stage(MATCH_RECORD, f"SELECT * FROM {fresh}", scope=f"SELECT record_id FROM {fresh}")

    return _run(home, size, added, step, stage)


def _one(ws: Workspace) -> str:
    """Return the SELECT of an edge between two records of one customer, with its left record."""
    return f"SELECT *, record_id_l AS record_id FROM {ws.before(EDGE)} WHERE match_probability > 0.99 LIMIT 1"


def _run(home: Path, size: int, added: int, step: str, stage: Callable[[Workspace], None]) -> IdentityFigures:
    """Stage a change, resolve what follows from it, and commit all of it."""
    with _lake(home) as lake:
        watch, steps = _Watch(), Steps()
        with Workspace(lake, Run(step, "bench", _NOW), tables={t.full_name: t for t in _TABLES}) as ws:
            epochs = {_KIND: _epoch(ws.con, home, "work.main.frequency")}
            with steps.time("staging"):
                stage(ws)
            compared = identify(ws, specs={_KIND: PERSON}, epochs=epochs, whole_types=set(), steps=steps)
            counts = {"pairs": compared.pairs, "region": ws.con.table("region").shape[0]}
            with steps.time("commit"):
                lake.transact(ws.write, author="bench", run_id=step, message="bench")
        return watch.figures(step, size, added=added, parts=steps.seconds, counts=counts)
