"""The resolve step: stage the customers that follow from changed customer records and new judgements.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| changed_record | record_id, change | _mark_changed | the workspace, at its end |
| stale_record, region | see affected.py | mark_stale, mark_region | _resolve_changed |
| fresh_edge | as resolved.edge, without _run_id | _stage_edges | _resolve_changed |
| found_edge | see pairs/edges.py | find_edges | the lane, at its end |
| edge_TYPE, lost_edge_TYPE | as fresh_edge; record_id_l, record_id_r | _find_edges_of | _stage_edges |
| region_edge | record_id_l, record_id_r, match_weight | _cluster_region | _cluster_region |
| region_copy | record_id, entity_type, kept | _lay_out_copies | _cluster_region |
| judged_copy | record_id, kept | _lay_out_copies | _lay_out_copies |
| found_cluster | see clusters/clusters.py | find_clusters | the lane, at its end |
| cluster_TYPE | as found_cluster, entity_type | _cluster_region | _cluster_region |
| new_cluster | as cluster_TYPE, clusters of all types numbered apart | _cluster_region | _resolve_changed |
| xref_before, assigned, assigned_change | see customers/customers.py | stage_identities | _resolve_changed |
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dataflow.resolve.affected import (
    count_crowded,
    find_lost_edges,
    mark_everything,
    mark_keys,
    mark_region,
    mark_stale,
)
from dataflow.resolve.clusters.clusters import find_clusters
from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.customers.customers import stage_golden, stage_identities
from dataflow.resolve.customers.present_ids import AS_IT_IS, present_id_sql
from dataflow.resolve.customers.review_queue import stage_review
from dataflow.resolve.customers.summary import summarise
from dataflow.resolve.judgements.judgements import stage_judgements
from dataflow.resolve.model.model import Epoch
from dataflow.resolve.pairs.chunks import ScoreChunks, Spreading, score_in_processes
from dataflow.resolve.pairs.edges import find_edges
from dataflow.resolve.records.copies import add_copies, find_copies, mark_copies
from dataflow.resolve.records.match_record import INPUT_COLUMNS, match_records
from dataflow.resolve.training.churn import measure_churn, refuse_churn
from dataflow.resolve.training.epochs import keep_and_store, specs_of, stored_epochs, train_and_store
from dataflow.settings.model import Settings
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.resolved import EDGE, GOLDEN_CUSTOMER, JUDGED_PAIR, MATCH_RECORD, XREF
from dataflow.workspace.pushdown import pushdown_condition
from dataflow.workspace.report import StepReport, measured
from dataflow.workspace.workspace import Workspace
from lakehouse.table import column_list, literal


def resolve(
    ws: Workspace, settings: Settings, *, run_chunks: ScoreChunks | None = None, retrain: bool = False
) -> StepReport:
    """Resolve what changed since the last run; with `retrain`, train new models and resolve everything.

    `run_chunks` scores large sets of pairs elsewhere, from the size that settings.resolve gives; by default they are
    scored in processes of this machine.
    Shape: conformed.customer_record to resolved.* and ops.review_queue. `merged` counts the records beyond the first of
    each customer; `facts` is an IdentitySummary.
    Raises: AuditRefused where a new model moves more customer ids than its budget allows.
    """
    with measured() as watch:
        steps = Steps()
        specs = specs_of(settings.resolve)
        epochs = stored_epochs(ws)
        compared = Compared()
        changed = _mark_changed(ws, whole=_is_outdated(ws, epochs))
        judged = stage_judgements(ws)
        if changed or judged or retrain:
            compared = _resolve_changed(
                ws,
                settings,
                specs=specs,
                epochs=epochs,
                retrain=retrain,
                steps=steps,
                spreading=_spreading(ws, settings, run_chunks),
            )
        summary = summarise(
            ws, compared_pairs=compared.pairs, crowded_keys=compared.crowded_keys, seconds=steps.seconds
        )
        return _report(ws, facts=summary.as_dict(), seconds=watch.seconds)


@dataclass(frozen=True)
class Compared:
    """The number of pairs compared, and the keys over their cap (affected.count_crowded)."""

    pairs: int = 0
    crowded_keys: list[list[Any]] = field(default_factory=list)


class Steps:
    """Seconds spent in each part of the step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


def _is_outdated(ws: Workspace, epochs: Mapping[str, Epoch]) -> bool:
    """Whether stored match records were folded by another version: then all are folded again and keep their ids."""
    kinds = ws.con.execute(f"SELECT DISTINCT entity_type FROM {MATCH_RECORD.sql_name}").fetchall()
    return any(kind not in epochs for (kind,) in kinds)


def _mark_changed(ws: Workspace, *, whole: bool) -> int:
    """Fill `changed_record` with the changed records, or with all where `whole`; return their number."""
    everything = f"""
        SELECT record_id, 'update' AS change FROM {CUSTOMER_RECORD.sql_name}
        UNION ALL SELECT record_id, 'delete' FROM {MATCH_RECORD.sql_name} ANTI JOIN {CUSTOMER_RECORD.sql_name}
            USING (record_id)
    """
    changed = everything if whole else ws.changed(CUSTOMER_RECORD)
    ws.con.execute(f"CREATE OR REPLACE TABLE work.main.changed_record AS {changed}")
    return int(ws.con.table("changed_record").shape[0])


def _spreading(ws: Workspace, settings: Settings, run_chunks: ScoreChunks | None) -> Spreading | None:
    processes = settings.resolve.processes
    if processes == 1:
        return None
    return Spreading(
        folder=Path(settings.runs) / ws.run.run_id / "chunks",
        from_pairs=settings.resolve.spread_from_pairs,
        chunks=processes,
        run=run_chunks or partial(score_in_processes, processes=processes),
    )


def _resolve_changed(
    ws: Workspace,
    settings: Settings,
    *,
    specs: Mapping[str, EntitySpec],
    epochs: dict[str, Epoch],
    retrain: bool,
    steps: Steps,
    spreading: Spreading | None,
) -> Compared:
    con = ws.con
    with steps.time("normalise"):
        _stage_match_records(ws, tuple(specs.values()))
    with steps.time("train"):
        kept = {} if retrain else keep_and_store(ws)
        untrained = set(specs) if retrain else set(specs) - set(epochs) - set(kept)
        new_epochs = kept | train_and_store(ws, specs, kinds=untrained, present=epochs)
    epochs = epochs | new_epochs
    links = {kind: epoch.link_threshold for kind, epoch in epochs.items()}
    compared = identify(
        ws,
        specs=specs,
        epochs=epochs,
        whole_types=set(new_epochs),
        steps=steps,
        spreading=spreading,
        present_id=present_id_sql(settings),
    )
    if new_epochs:
        refuse_churn(measure_churn(ws, new_epochs), budget=settings.resolve.id_churn_budget)
    with steps.time("golden"):
        trust = {name: source.trust for name, source in settings.sources.items()}
        stage_golden(ws, "new_cluster", changed_records="changed_record", trust=trust)
    with steps.time("review"):
        stage_review(ws, "new_cluster", link_thresholds=links)
    for table in ("stale_record", "fresh_edge", "region", "new_cluster", "xref_before", "assigned", "assigned_change"):
        con.execute(f"DROP TABLE {table}")
    return compared


def identify(
    ws: Workspace,
    *,
    specs: Mapping[str, EntitySpec],
    epochs: Mapping[str, Epoch],
    whole_types: set[str],
    steps: Steps,
    spreading: Spreading | None = None,
    present_id: str = AS_IT_IS,
) -> Compared:
    """Stage the edges, clusters and customers that follow from staged match records and judgements.

    `whole_types` have a new model; `present_id` is the SQL of the id that a record has now. Leaves `region` and
    `new_cluster` to the caller.
    """
    used = tuple(spec for kind, spec in specs.items() if kind in epochs)
    with steps.time("edges"):
        mark_stale(ws, whole_types=whole_types)
        compared = _stage_edges(ws, used, epochs, spreading=spreading)
    with steps.time("clusters"):
        if whole_types >= set(epochs):
            mark_everything(ws)
        else:
            links = {kind: epoch.link_threshold for kind, epoch in epochs.items()}
            mark_region(ws, links, fresh_edges="fresh_edge", present_id=present_id)
        _cluster_region(ws, used, epochs)
    with steps.time("identities"):
        stage_identities(ws, "new_cluster", present_id=present_id)
    return compared


def _stage_match_records(ws: Workspace, specs: tuple[EntitySpec, ...]) -> None:
    known = set(CUSTOMER_RECORD.column_names)
    columns = ", ".join(f"r.{name}" if name in known else f"NULL::VARCHAR AS {name}" for name in INPUT_COLUMNS)
    source = f"""
        SELECT {columns} FROM {CUSTOMER_RECORD.sql_name} r
        SEMI JOIN changed_record c ON c.record_id = r.record_id
    """
    with match_records(ws.con, source, specs) as rows:
        ws.stage(MATCH_RECORD, rows, scope="SELECT record_id FROM changed_record")
    mark_copies(ws)


def _stage_edges(
    ws: Workspace, specs: tuple[EntitySpec, ...], epochs: Mapping[str, Epoch], *, spreading: Spreading | None
) -> Compared:
    """Stage the edges of stale records and of keys that crossed their cap.

    The scope covers the stored edges of stale records and the lost ones: those not found again are deleted.
    """
    # judgements alone make no record stale
    specs = specs if ws.con.table("stale_record").shape[0] > 0 else ()
    compared = ws.side_by_side(
        [partial(_find_edges_of, spec, epoch=epochs[spec.entity_type], spreading=spreading) for spec in specs]
    )
    fresh = " UNION ALL BY NAME ".join(
        (f"SELECT {_edge_columns()} FROM {EDGE.sql_name} WHERE false", *(f"FROM {_found('edge', s)}" for s in specs))
    )
    ws.con.execute(f"CREATE OR REPLACE TABLE work.main.fresh_edge AS {fresh}")
    before = f"SELECT record_id_l, record_id_r FROM {ws.before(EDGE)} SEMI JOIN stale_record"
    ends = (
        f"{before} ON record_id = record_id_{side} WHERE {_if_among(ws, 'stale_record', f'record_id_{side}')}"
        for side in "lr"
    )
    ws.stage(
        EDGE, "FROM fresh_edge", scope=" UNION ALL ".join((*ends, *(f"FROM {_found('lost_edge', s)}" for s in specs)))
    )
    for name in (_found(what, spec) for what in ("edge", "lost_edge") for spec in specs):
        ws.con.execute(f"DROP TABLE {name}")
    return Compared(sum(one.pairs for one in compared), [key for one in compared for key in one.crowded_keys])


def _find_edges_of(spec: EntitySpec, lane: Workspace, *, epoch: Epoch, spreading: Spreading | None) -> Compared:
    """Fill the edges and the lost edges of one entity type."""
    con, kind = lane.con, literal(spec.entity_type)
    of_type = f"(SELECT * FROM {MATCH_RECORD.sql_name} WHERE entity_type = {kind})"
    mark_keys(lane, spec, into="stale_holder")
    compared = find_edges(
        con, of_type, epoch=epoch, spec=spec, into="found_edge", keys="stale_holder", spreading=spreading
    )
    crowded = count_crowded(con, spec)
    find_lost_edges(lane, spec, into=_found("lost_edge", spec))
    con.execute("DROP TABLE stale_holder")
    con.execute(f"""
        CREATE OR REPLACE TABLE {_found("edge", spec)} AS
        SELECT *, {kind} AS entity_type, {literal(epoch.epoch_id)} AS epoch_id FROM found_edge
    """)
    return Compared(compared, crowded)


def _if_among(ws: Workspace, records: str, column: str) -> str:
    """Return the pushdown condition that `column` is among the ids (record_id) of the table `records`."""
    return pushdown_condition(ws.con, f"(SELECT record_id AS {column} FROM {records})", column)


def _found(what: str, spec: EntitySpec) -> str:
    """Name the table in which a lane leaves what it found for the other connections."""
    return f"work.scratch.{what}_{spec.entity_type}"


def _edge_columns() -> str:
    return column_list(name for name in EDGE.column_names if name != "_run_id")


def _cluster_region(ws: Workspace, specs: tuple[EntitySpec, ...], epochs: Mapping[str, Epoch]) -> None:
    """Fill `new_cluster` with the clusters of the region's records."""
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE work.main.region_edge AS
        SELECT record_id_l, record_id_r, match_weight FROM {ws.before(EDGE)}
        SEMI JOIN region l ON l.record_id = record_id_l SEMI JOIN region r ON r.record_id = record_id_r
        ANTI JOIN ({ws.changed(EDGE)}) c USING (record_id_l, record_id_r)
        WHERE {_if_among(ws, "region", "record_id_l")}
        UNION SELECT record_id_l, record_id_r, match_weight FROM fresh_edge
    """)
    _lay_out_copies(ws)
    judged = f"(FROM {JUDGED_PAIR.sql_name} WHERE NOT is_contradicted)"

    def find(spec: EntitySpec, lane: Workspace) -> None:
        con, kind = lane.con, literal(spec.entity_type)
        records = f"""(
            SELECT * FROM {MATCH_RECORD.sql_name}
            SEMI JOIN region USING (record_id) ANTI JOIN region_copy USING (record_id)
            WHERE entity_type = {kind} AND {_if_among(lane, "region", "record_id")}
        )"""
        epoch = epochs[spec.entity_type]
        find_clusters(
            con,
            records,
            "region_edge",
            link_threshold=epoch.link_threshold,
            into="found_cluster",
            judgements=judged,
            contradiction=epoch.contradiction,
        )
        add_copies(con, f"(FROM region_copy WHERE entity_type = {kind})", clusters="found_cluster")
        con.execute(
            f"CREATE OR REPLACE TABLE {_found('cluster', spec)} AS SELECT *, {kind} AS entity_type FROM found_cluster"
        )

    ws.side_by_side([partial(find, spec) for spec in specs])
    # each type numbers its clusters from 0: keep the numbers apart
    found = " UNION ALL ".join(
        f"SELECT * REPLACE (cluster * {len(specs)} + {number} AS cluster) FROM {_found('cluster', spec)}"
        for number, spec in enumerate(specs)
    )
    ws.con.execute(f"CREATE OR REPLACE TEMP TABLE new_cluster AS {found}")
    for name in ("region_edge", "region_copy", *(_found("cluster", spec) for spec in specs)):
        ws.con.execute(f"DROP TABLE {name}")


def _lay_out_copies(ws: Workspace) -> None:
    """Fill `region_copy` with the copies of the region, but for those with judgements.

    These are clustered as other records are, with the edge that the two they are copies of have between them.
    """
    find_copies(ws, "region", into="work.main.region_copy")
    if ws.con.table("region_copy").shape[0] == 0:
        return
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE judged_copy AS
        SELECT record_id, kept FROM region_copy
        SEMI JOIN (SELECT unnest([record_id_l, record_id_r]) AS record_id FROM {JUDGED_PAIR.sql_name}) USING (record_id)
    """)
    ws.con.execute("DELETE FROM region_copy WHERE record_id IN (SELECT record_id FROM judged_copy)")
    ws.con.execute("""
        INSERT INTO region_edge
        SELECT least(c.record_id, c.one), greatest(c.record_id, c.one), e.match_weight
        FROM (SELECT record_id, kept, unnest(kept) AS one FROM judged_copy) c
        JOIN region_edge e ON e.record_id_l = kept[1] AND e.record_id_r = kept[2]
    """)
    ws.con.execute("DROP TABLE judged_copy")


def _report(ws: Workspace, *, facts: dict[str, object], seconds: float) -> StepReport:
    row = ws.con.execute(f"""
        SELECT (SELECT count(*) FROM {CUSTOMER_RECORD.sql_name}), (SELECT count(*) FROM {GOLDEN_CUSTOMER.sql_name}),
            (SELECT count(*) - count(DISTINCT customer_id) FROM {XREF.sql_name})
    """).fetchone()
    records, customers, merged = row or (0, 0, 0)
    changes = ws.changes(GOLDEN_CUSTOMER)
    return StepReport(
        stage="resolve",
        subject=GOLDEN_CUSTOMER.full_name,
        rows_in=records,
        rows_out=customers,
        merged=merged,
        inserted=changes.inserted,
        updated=changes.updated,
        deleted=changes.deleted,
        seconds=seconds,
        facts=facts,
    )
