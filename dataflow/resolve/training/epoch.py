"""Train an epoch: term frequencies, and the distribution of levels between strangers and within one entity.

Splink compares (it gives the level of every comparison of a pair). The estimation is our own, for three reasons
measured in November 2026: Splink's sampling took 34 of 37 s; in small tables its strangers include the matches, so that
every near-unique value looks common; and its fit to one blocking rule at a time drifts on households. Counts of level
patterns fit in memory for any size of the data, so expectation-maximisation over them is cheap.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| `frequencies` | see frequencies.py | count_frequencies | the caller of train_epoch |
| training_pair | one, other | _stranger_patterns, _candidate_patterns | _patterns |
| training_level | see score_pairs | _patterns | _patterns |
"""

from __future__ import annotations

import duckdb

from dataflow.resolve.comparisons import Comparison, EntitySpec
from dataflow.resolve.model.frequencies import count_frequencies, frequency_hash, scale_frequencies
from dataflow.resolve.model.model import (
    KIN,
    Epoch,
    Parameters,
    comparisons_for,
    epoch_id_of,
    model_text,
    own_settings,
    splink_settings,
)
from dataflow.resolve.pairs.candidates import find_candidates
from dataflow.resolve.pairs.numbers import numbered
from dataflow.resolve.pairs.scoring import score_pairs
from dataflow.resolve.records.normaliser import FOLDING_VERSION
from dataflow.resolve.training.fit import Patterns, first_parameters, fit_parameters, kin_weights

STRANGER_PAIRS = 150_000
"""Pairs used in training; more moved no parameter by more than 2 % (fifty thousand records, November 2026)."""
CANDIDATE_PAIRS = 120_000


def train_epoch(con: duckdb.DuckDBPyConnection, records: str, *, spec: EntitySpec, frequencies: str) -> Epoch:
    """Train on the match records of one entity type; leave term frequencies in the temporary table `frequencies`.

    The result depends on the records alone: no clock, no random numbers.
    """
    record_count = con.table(records).shape[0]
    comparisons = comparisons_for(spec, _filled_columns(con, records, spec))
    parameters = first_parameters(comparisons, record_count)
    count_frequencies(con, records, spec=spec, comparisons=comparisons, into=frequencies)
    draft = _draft(spec, comparisons, parameters, frequencies)
    strangers = _stranger_patterns(con, records, record_count, draft, spec)
    likely = _candidate_patterns(con, records, draft, spec)
    trained = fit_parameters(comparisons, parameters, strangers=strangers, likely=likely, record_count=record_count)
    scale_frequencies(con, comparisons, trained, table=frequencies)
    model = splink_settings(comparisons, trained) | {KIN: kin_weights(comparisons, trained)} | own_settings(spec)
    return Epoch(
        epoch_id=epoch_id_of(
            spec.entity_type,
            model_text(model),
            frequency_hash(con, frequencies),
            FOLDING_VERSION,
            f"{spec.link_threshold}|{spec.review_threshold}",
        ),
        entity_type=spec.entity_type,
        model=model,
        frequencies=frequencies,
        link_threshold=spec.link_threshold,
        review_threshold=spec.review_threshold,
        normaliser_version=FOLDING_VERSION,
        record_count=record_count,
    )


def _draft(spec: EntitySpec, comparisons: tuple[Comparison, ...], parameters: Parameters, frequencies: str) -> Epoch:
    """Return an epoch that is used for levels only."""
    return Epoch(
        epoch_id="draft",
        entity_type=spec.entity_type,
        model=splink_settings(comparisons, parameters, with_frequencies=False) | own_settings(spec),
        frequencies=frequencies,
        link_threshold=spec.link_threshold,
        review_threshold=spec.review_threshold,
        normaliser_version=FOLDING_VERSION,
        record_count=0,
    )


def _filled_columns(con: duckdb.DuckDBPyConnection, records: str, spec: EntitySpec) -> set[str]:
    columns = sorted({column for comparison in spec.comparisons for column in comparison.columns})
    counts = con.execute(f"SELECT {', '.join(f'count({c})' for c in columns)} FROM {records}").fetchone() or ()
    return {column for column, count in zip(columns, counts, strict=True) if count > 0}


def _stranger_patterns(
    con: duckdb.DuckDBPyConnection, records: str, record_count: int, draft: Epoch, spec: EntitySpec
) -> Patterns:
    """Count the levels of records paired at random: each with those that follow in the order of hashed ids."""
    steps = max(1, min(record_count // 2, STRANGER_PAIRS // max(record_count, 1)))
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE training_pair AS
        WITH shuffled AS (SELECT record_id, row_number() OVER (ORDER BY md5(record_id)) AS place FROM {records}),
        pair AS (
            SELECT l.record_id AS record_id_l, r.record_id AS record_id_r
            FROM (SELECT *, unnest(range(1, {steps + 1})) AS step FROM shuffled ORDER BY place LIMIT {STRANGER_PAIRS}) l
            JOIN shuffled r ON r.place = (l.place - 1 + l.step) % {max(record_count, 1)} + 1
            WHERE l.record_id <> r.record_id
        )
        FROM {numbered("pair")}
    """)
    return _patterns(con, records, draft, spec)


def _candidate_patterns(con: duckdb.DuckDBPyConnection, records: str, draft: Epoch, spec: EntitySpec) -> Patterns:
    """Count the levels of the candidate pairs, or of a sample of them."""
    find_candidates(con, records, spec=spec, into="training_pair")
    found = con.table("training_pair").shape[0]
    one_in = max(1, found // CANDIDATE_PAIRS)
    if one_in > 1:
        kept = f"xor(one, other) % {one_in} = 0"
        con.execute(f"CREATE OR REPLACE TEMP TABLE training_pair AS FROM training_pair WHERE {kept}")
    return _patterns(con, records, draft, spec).scaled(one_in)


def _patterns(con: duckdb.DuckDBPyConnection, records: str, draft: Epoch, spec: EntitySpec) -> Patterns:
    score_pairs(con, "training_pair", records, draft, spec=spec, into="training_level", keep_levels=True)
    names = draft.comparison_names
    columns = ", ".join(f"gamma_{name}" for name in names)
    rows = con.execute(
        f"SELECT {columns}, adjustment, count(*) FROM training_level GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    con.execute("DROP TABLE training_level")
    con.execute("DROP TABLE training_pair")
    return Patterns.of(names, rows)
