"""Store epochs in the lake and read them back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import duckdb

from dataflow.resolve.comparisons import SPECS, EntitySpec
from dataflow.resolve.model.model import Epoch, epoch_id_of
from dataflow.resolve.records.normaliser import FOLDING_VERSION, same_rules
from dataflow.resolve.training.epoch import train_epoch
from dataflow.resolve.training.labels import learn_from_labels
from dataflow.settings.model import ResolveSettings
from dataflow.tables.resolved import EPOCH, JUDGED_PAIR, MATCH_RECORD, TERM_FREQUENCY
from dataflow.workspace.workspace import Workspace
from lakehouse.table import literal

_JUDGED = f"""
    (SELECT record_id_l, record_id_r, verdict FROM {JUDGED_PAIR.sql_name}
    WHERE verdict IN ('same', 'different') AND NOT is_contradicted)
"""


def specs_of(settings: ResolveSettings) -> Mapping[str, EntitySpec]:
    """Return the declared specs with the thresholds of the settings."""
    return {
        kind: replace(
            spec,
            link_threshold=settings.link_threshold or spec.link_threshold,
            review_threshold=settings.review_threshold or spec.review_threshold,
        )
        for kind, spec in SPECS.items()
    }


def stored_epochs(ws: Workspace) -> dict[str, Epoch]:
    """Return the newest epoch of each entity type, where this normaliser made it, with its frequencies loaded."""
    return {
        kind: replace(epoch, frequencies=_load_frequencies(ws, epoch.epoch_id, kind))
        for kind, epoch in read_epochs(ws.con).items()
        if epoch.normaliser_version == FOLDING_VERSION
    }


def read_epochs(con: duckdb.DuckDBPyConnection) -> dict[str, Epoch]:
    """Return the newest epoch of each entity type, with its frequencies as a query on the lake."""
    rows = con.execute(f"""
        SELECT epoch_id, entity_type, model_json, link_threshold, review_threshold, normaliser_version, record_count
        FROM {EPOCH.sql_name}
        QUALIFY row_number() OVER (PARTITION BY entity_type ORDER BY trained_at DESC, epoch_id) = 1
    """).fetchall()
    return {
        row[1]: Epoch(
            epoch_id=row[0],
            entity_type=row[1],
            model=json.loads(row[2]),
            frequencies=_frequencies_sql(row[0]),
            link_threshold=row[3],
            review_threshold=row[4],
            normaliser_version=row[5],
            record_count=row[6],
        )
        for row in rows
    }


def keep_and_store(ws: Workspace) -> dict[str, Epoch]:
    """Stage a new epoch for each model that was trained with other word lists and the same folding rules.

    It keeps weights and frequencies and gets a new id: the records that it scores are folded again.
    """
    kept = {
        kind: replace(
            epoch,
            epoch_id=epoch_id_of(kind, epoch.epoch_id, FOLDING_VERSION),
            frequencies=_load_frequencies(ws, epoch.epoch_id, kind),
            normaliser_version=FOLDING_VERSION,
        )
        for kind, epoch in read_epochs(ws.con).items()
        if epoch.normaliser_version != FOLDING_VERSION and same_rules(epoch.normaliser_version)
    }
    for epoch in kept.values():
        _store(ws, epoch)
    return kept


def train_and_store(
    ws: Workspace, specs: Mapping[str, EntitySpec], *, kinds: set[str], present: Mapping[str, Epoch]
) -> dict[str, Epoch]:
    """Train an epoch for each of these types that has records, learn from the judgements, stage and return new ones.

    The same records and judgements give an epoch of `present`, which is left out.
    """
    trained = {}
    for kind in sorted(kinds):
        records = f"training_{kind}"
        ws.con.execute(f"""
            CREATE OR REPLACE TEMP TABLE {records} AS
            SELECT * FROM {MATCH_RECORD.sql_name} WHERE entity_type = {literal(kind)} AND is_copy IS NOT TRUE
        """)
        if ws.con.table(records).shape[0] > 0:
            name = f"frequency_{kind}"
            epoch = train_epoch(ws.con, records, spec=specs[kind], frequencies=name)
            trained[kind] = learn_from_labels(ws.con, records, _JUDGED, epoch=epoch, spec=specs[kind])
            # Copied: temporary tables are of one connection, and the lanes read the frequencies too.
            ws.con.execute(f"CREATE OR REPLACE TABLE work.main.{name} AS FROM temp.{name}")
        ws.con.execute(f"DROP TABLE {records}")
    known = {epoch.epoch_id for epoch in present.values()}
    new = {kind: epoch for kind, epoch in trained.items() if epoch.epoch_id not in known}
    for epoch in new.values():
        _store(ws, epoch)
    return new


def _store(ws: Workspace, epoch: Epoch) -> None:
    ws.stage(
        EPOCH,
        f"""
        SELECT {literal(epoch.epoch_id)} AS epoch_id, {literal(epoch.entity_type)} AS entity_type,
            {literal(epoch.model_json)} AS model_json, {epoch.link_threshold}::DOUBLE AS link_threshold,
            {epoch.review_threshold}::DOUBLE AS review_threshold,
            {literal(epoch.normaliser_version)} AS normaliser_version, {epoch.record_count}::BIGINT AS record_count,
            {ws.run.now_sql} AS trained_at
        """,
        scope=f"SELECT {literal(epoch.epoch_id)} AS epoch_id",
    )
    known = f"SELECT 1 FROM {ws.before(TERM_FREQUENCY)} WHERE epoch_id = {literal(epoch.epoch_id)}"
    ws.append(
        TERM_FREQUENCY,
        f"SELECT {literal(epoch.epoch_id)} AS epoch_id, column_name, value, frequency FROM {epoch.frequencies} "
        f"WHERE NOT EXISTS ({known})",
    )


def _load_frequencies(ws: Workspace, epoch_id: str, kind: str) -> str:
    """Copy an epoch's frequencies from the lake, since they are joined several times; return the table."""
    name = f"frequency_{kind}"
    ws.con.execute(f"CREATE OR REPLACE TABLE work.main.{name} AS FROM {_frequencies_sql(epoch_id)}")
    return name


def _frequencies_sql(epoch_id: str) -> str:
    columns = "column_name, value, frequency"
    return f"(SELECT {columns} FROM {TERM_FREQUENCY.sql_name} WHERE epoch_id = {literal(epoch_id)})"
