"""Score pairs of match records with Splink: registered pairs in, weights and levels out."""

from __future__ import annotations

import logging
import re

import duckdb

from dataflow.resolve.frequencies import HOT_COLUMNS, hot_name, known_name
from dataflow.resolve.model import KIN, Epoch, splink_linker
from dataflow.resolve.spec import EntitySpec
from lakehouse.table import literal

# Splink explains itself at length through logging; what matters of it is in our own reports
logging.getLogger("splink").setLevel(logging.ERROR)

# Splink lays the compared columns of every surviving pair beside its weight; a batch bounds that memory
BATCH_PAIRS = 400_000


def score_pairs(
    con: duckdb.DuckDBPyConnection,
    pairs: str,
    records: str,
    epoch: Epoch,
    *,
    spec: EntitySpec,
    into: str,
    threshold: float | None = None,
    keep_levels: bool = False,
) -> None:
    """Make the temporary table `into`: the weight of each pair of `pairs`, adjustments included.

    Shape: record_id_l, record_id_r, match_weight, match_probability, and with `keep_levels` gamma_* and adjustment.
    Units: match_weight is log2 of the odds, rounded to six places so that it is the same on every machine.
    """
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE pair_member AS
        SELECT row_number() OVER (ORDER BY record_id) AS rid, record_id
        FROM (SELECT record_id_l AS record_id FROM {pairs} UNION SELECT record_id_r FROM {pairs})
    """)
    con.execute(f"CREATE OR REPLACE TEMP TABLE pair_record AS {_with_frequencies(records, epoch, spec)}")
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE numbered_pair AS
        SELECT l.rid AS join_key_l, r.rid AS join_key_r, '0' AS match_key,
            (row_number() OVER () - 1) // {BATCH_PAIRS} AS batch
        FROM {pairs} p
        JOIN pair_member l ON l.record_id = p.record_id_l
        JOIN pair_member r ON r.record_id = p.record_id_r
    """)
    kept = "".join(f", gamma_{c.name} TINYINT" for c in spec.comparisons) + ", adjustment DOUBLE" if keep_levels else ""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} (record_id_l VARCHAR, record_id_r VARCHAR, match_weight DOUBLE,
            match_probability DOUBLE{kept})
    """)
    batches = -(-con.table("numbered_pair").shape[0] // BATCH_PAIRS)
    for batch in range(batches):
        con.execute(f"""
            CREATE OR REPLACE TEMP TABLE blocked_pair AS
            SELECT * EXCLUDE (batch) FROM numbered_pair WHERE batch = {batch}
        """)
        _score_batch(con, epoch, spec, into=into, threshold=threshold, keep_levels=keep_levels)
    tables = ("pair_member", "pair_record", "numbered_pair", "blocked_pair")
    for table in (*tables, *(f"no_tf_{c}" for c in epoch.frequency_columns)):
        con.execute(f"DROP TABLE IF EXISTS {table}")


def _score_batch(
    con: duckdb.DuckDBPyConnection,
    epoch: Epoch,
    spec: EntitySpec,
    *,
    into: str,
    threshold: float | None,
    keep_levels: bool,
) -> None:
    with splink_linker(con, "pair_record", epoch.model) as (linker, api):
        for column in epoch.frequency_columns:
            # the records bring their frequencies along; else Splink would count them over the pairs at hand
            con.execute(f"CREATE OR REPLACE TEMP TABLE no_tf_{column} ({column} VARCHAR, tf_{column} DOUBLE)")
            linker.table_management.register_term_frequency_lookup(api.register(f"no_tf_{column}"), column)
        linker.table_management.register_blocked_pairs_for_predict(api.register("blocked_pair"))
        scored = linker.inference.predict(threshold_match_probability=threshold, warning_mode="never")
        adjusted = _adjusted(scored.physical_name, epoch, spec, threshold=threshold, keep_levels=keep_levels)
        con.execute(f"INSERT INTO {into} {adjusted}")


def _with_frequencies(records: str, epoch: Epoch, spec: EntitySpec) -> str:
    """The records that are in a pair, each with how common its values are."""
    joins, columns = [], []
    for column in epoch.frequency_columns:
        of_column = f"FROM {epoch.frequencies} WHERE column_name = {literal(column)}"
        joins.append(f"LEFT JOIN (SELECT value, frequency {of_column}) f_{column} ON f_{column}.value = r.{column}")
        columns.append(
            f", CASE WHEN r.{column} IS NOT NULL THEN coalesce(f_{column}.frequency, "
            f"(SELECT max(frequency) {of_column} AND value = '')) END AS tf_{column}"
        )
    named = set(_compared_columns(epoch))
    if spec.words is not None and _weights_of(spec.words) in named:
        joins.append(f"LEFT JOIN ({_word_weights(records, epoch, spec.words)}) w ON w.record_id = r.record_id")
        columns.append(f", w.{_weights_of(spec.words)}")
        named.remove(_weights_of(spec.words))
    if spec.known is not None and f"is_known_{spec.known}" in named:
        known = f"SELECT value FROM {epoch.frequencies} WHERE column_name = {literal(known_name(spec.known))}"
        columns.append(f", coalesce(r.{spec.known} IN ({known}), false) AS is_known_{spec.known}")
        named.remove(f"is_known_{spec.known}")
    compared = "".join(f", {_unless_hot(column, epoch)}" for column in sorted(named))
    return f"""
        SELECT p.rid{compared}{"".join(columns)}
        FROM {records} r JOIN pair_member p ON p.record_id = r.record_id
        {" ".join(joins)}
    """


def _unless_hot(column: str, epoch: Epoch) -> str:
    """The column, or nothing where its value is one that many share."""
    of = "email" if column == "email_local" else column
    if of not in HOT_COLUMNS:
        return f"r.{column}"
    hot = f"SELECT value FROM {epoch.frequencies} WHERE column_name = {literal(hot_name(of))}"
    return f"CASE WHEN r.{of} NOT IN ({hot}) THEN r.{column} END AS {column}"


def _weights_of(words: str) -> str:
    return f"{words.removesuffix('s')}_idf"


def _word_weights(records: str, epoch: Epoch, words: str) -> str:
    """The weight of each word of a record, in the order of its words: log2 of how rare it is."""
    known = f"SELECT value, frequency FROM {epoch.frequencies} WHERE column_name = {literal(words)}"
    return f"""
        WITH known AS ({known}),
        word AS (
            SELECT r.record_id, unnest(r.{words}) AS word, generate_subscripts(r.{words}, 1) AS place
            FROM {records} r JOIN pair_member p ON p.record_id = r.record_id
        )
        SELECT record_id, list(-log2(coalesce(k.frequency, (SELECT max(frequency) FROM known WHERE value = ''), 0.001))
            ORDER BY place) AS {_weights_of(words)}
        FROM word LEFT JOIN known k ON k.value = word.word GROUP BY record_id
    """


def _compared_columns(epoch: Epoch) -> list[str]:
    """The columns that the model's conditions speak of; the rest would only be carried along."""
    levels = (level for comparison in epoch.model["comparisons"] for level in comparison["comparison_levels"])
    return sorted({name for level in levels for name in re.findall(r"(\w+)_[lr]\b", level["sql_condition"])})


def _adjusted(scored: str, epoch: Epoch, spec: EntitySpec, *, threshold: float | None, keep_levels: bool) -> str:
    names = [c.name for c in spec.comparisons]
    gammas = ", ".join(f"s.gamma_{name}" if name in epoch.comparison_names else f"-1 AS gamma_{name}" for name in names)
    extra = " + ".join(["0", *(f"CASE WHEN {a.condition} THEN {a.weight} ELSE 0 END" for a in spec.adjustments)])
    kept = "".join(f", gamma_{name}" for name in names) + ", adjustment" if keep_levels else ""
    at_least = "" if threshold is None else f"WHERE match_probability >= {threshold}"
    return f"""
        WITH levelled AS (
            SELECT l.record_id AS record_id_l, r.record_id AS record_id_r, s.match_weight AS splink_weight, {gammas}
            FROM {scored} s
            JOIN pair_member l ON l.rid = s.rid_l
            JOIN pair_member r ON r.rid = s.rid_r
        ),
        weighed AS (
            SELECT *, {extra} AS adjustment, {_kin_sql(epoch)} AS kin_weight,
                greatest(least(splink_weight, kin_weight + 60), kin_weight - 60) AS bounded,
                least(bounded, kin_weight) - log2(1 + pow(2.0, -abs(bounded - kin_weight))) AS odds,
                round(greatest(least(odds + adjustment, 60), -60), 6) AS match_weight
            FROM levelled
        )
        SELECT record_id_l, record_id_r, match_weight,
            round(1 / (1 + pow(2.0, -match_weight)), 9) AS match_probability{kept}
        FROM weighed {at_least}
    """


def _kin_sql(epoch: Epoch) -> str:
    """The weight for one entity against two close ones: a pair must beat strangers, and kin."""
    weights = dict(epoch.model.get(KIN, {"": [60.0]}))
    terms = [str(weights.pop("")[0])]
    for name, by_gamma in weights.items():
        cases = " ".join(f"WHEN {gamma} THEN {weight}" for gamma, weight in enumerate(by_gamma))
        terms.append(f"CASE gamma_{name} {cases} ELSE 0 END")
    return " + ".join(terms)
