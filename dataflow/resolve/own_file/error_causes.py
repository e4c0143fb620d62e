"""Count the wrong pairs of a partition with known truth by cause: the comparison that separated or joined them.

Causes hold counts and row keys and no value of a record.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import duckdb

from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.model.model import KIN, Epoch
from dataflow.resolve.pairs.numbers import numbered
from dataflow.resolve.pairs.scoring import score_pairs

LOOKED_AT = 20_000
"""Wrong pairs examined: a sample, for a broken key column can make nearly all pairs wrong."""
EXAMPLES = 3
# comparison, level: weight and label
LevelWeights = dict[str, dict[int, tuple[float, str]]]


@dataclass(frozen=True)
class Model:
    """The spec, the epoch and the tables of records and edges by which one entity type was resolved."""

    spec: EntitySpec
    epoch: Epoch
    records: str
    edges: str


@dataclass(frozen=True, kw_only=True)
class Cause:
    """`error` is missed (one entity, apart) or wrong (two entities, together); examples are pairs of row keys."""

    error: str
    cause: str
    pairs: int
    examples: list[tuple[str, str]]


def causes_of_error(con: duckdb.DuckDBPyConnection, predicted: str, truth: str, models: list[Model]) -> list[Cause]:
    """Count wrong pairs by cause, most frequent first.

    `predicted` (record_id, cluster, entity_type) and `truth` (record_id, cluster) are tables.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE wrong_pair AS {_wrong_pairs(predicted, truth)}")
    total = con.table("wrong_pair").shape[0]
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE wrong_pair AS
        FROM wrong_pair ORDER BY md5(record_id_l || '|' || record_id_r) LIMIT {LOOKED_AT}
    """)
    share = total / max(con.table("wrong_pair").shape[0], 1)
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for model in models:
        for error, cause, pair in _explained(con, model):
            found.setdefault((error, cause), []).append(pair)
    apart = con.execute("""
        SELECT error, record_id_l, record_id_r FROM wrong_pair WHERE entity_type IS NULL ORDER BY ALL
    """).fetchall()
    for error, left, right in apart:
        found.setdefault((error, "one was taken for a person, the other for a company"), []).append((left, right))
    con.execute("DROP TABLE wrong_pair")
    causes = [
        Cause(error=error, cause=cause, pairs=round(share * len(pairs)), examples=sorted(pairs)[:EXAMPLES])
        for (error, cause), pairs in found.items()
    ]
    return sorted(causes, key=lambda cause: (-cause.pairs, cause.error, cause.cause))


def _wrong_pairs(predicted: str, truth: str) -> str:
    return f"""
        WITH known AS (
            SELECT record_id, p.cluster AS predicted, t.cluster AS truth, entity_type
            FROM {predicted} p JOIN {truth} t USING (record_id)
        ),
        pair AS (
            SELECT 'missed' AS error, l, r
            FROM known l JOIN known r ON l.truth = r.truth AND l.record_id < r.record_id
            WHERE l.predicted <> r.predicted
            UNION ALL
            SELECT 'wrong', l, r
            FROM known l JOIN known r ON l.predicted = r.predicted AND l.record_id < r.record_id
            WHERE l.truth <> r.truth
        )
        SELECT error, l.record_id AS record_id_l, r.record_id AS record_id_r,
            CASE WHEN l.entity_type = r.entity_type THEN l.entity_type END AS entity_type
        FROM pair
    """


def _explained(con: duckdb.DuckDBPyConnection, model: Model) -> list[tuple[str, str, tuple[str, str]]]:
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE explained_pair AS
        SELECT * FROM wrong_pair WHERE entity_type = '{model.spec.entity_type}'
    """)
    pairs, spec = numbered("explained_pair"), model.spec
    score_pairs(con, pairs, model.records, model.epoch, spec=spec, into="explained_score", keep_levels=True)
    names = model.epoch.comparison_names
    levels = ", ".join(f"s.gamma_{name}" for name in names)
    rows = con.execute(f"""
        SELECT w.error, w.record_id_l, w.record_id_r, s.match_probability, e.record_id_l IS NOT NULL, s.adjustment,
            {levels}
        FROM explained_pair w JOIN explained_score s USING (record_id_l, record_id_r)
        LEFT JOIN {model.edges} e USING (record_id_l, record_id_r)
        ORDER BY w.record_id_l, w.record_id_r
    """).fetchall()
    for table in ("explained_pair", "explained_score"):
        con.execute(f"DROP TABLE {table}")
    weights = _level_weights(model.epoch)
    found = []
    for error, left, right, probability, is_stored, adjustment, *gammas in rows:
        label = _decisive(error, weights, dict(zip(names, gammas, strict=True)), adjustment)
        found.append((error, _cause(model, error, probability, is_stored, label), (left, right)))
    return found


def _level_weights(epoch: Epoch) -> LevelWeights:
    """Return the weight and label of each level; the weight is the lesser of those against strangers and kin."""
    kin = epoch.model.get(KIN, {})
    found: LevelWeights = {}
    for comparison in epoch.model["comparisons"]:
        levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
        name = comparison["output_column_name"]
        found[name] = {}
        for number, level in enumerate(levels):
            gamma = len(levels) - 1 - number
            weight = math.log2(level["m_probability"] / level["u_probability"])
            found[name][gamma] = (min(weight, kin[name][gamma] if name in kin else weight), level["label_for_charts"])
    return found


def _decisive(error: str, weights: LevelWeights, levels: dict[str, int], adjustment: float) -> str:
    """Return the label of the level that weighed most for the outcome."""
    found = [weights[name][gamma] for name, gamma in levels.items() if gamma >= 0]
    found.append((adjustment, "levels that contradict each other, a name alone, or labels"))
    if error == "wrong":
        return max(found)[1]
    weight, label = min(found)
    return label if weight < 0 else "too little in common to decide"


def _cause(model: Model, error: str, probability: float, is_stored: bool, label: str) -> str:
    if error == "wrong":
        return f"linked by: {label}" if probability >= model.epoch.link_threshold else "joined through other records"
    if probability >= model.epoch.review_threshold and not is_stored:
        return "never compared: no blocking key in common"
    if probability >= model.epoch.link_threshold:
        return "linked, and cut apart with their groups"
    where = "left for review" if is_stored else "kept apart"
    return f"{where} by: {label}"
