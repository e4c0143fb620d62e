"""Score pairs of match records by a Splink model.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| pair_number | record | _stage_members | _stage_members |
| pair_chosen, the view pair_member | record, record_id, the compared columns | _stage_members | _stage_members |
| pair_record | as pair_member, tf_* of the frequency columns, derived columns | _stage_members | score_pairs |
| `into` of score_pairs | see score_pairs | score_pairs | its caller |
"""

from __future__ import annotations

import re

import duckdb

from dataflow.resolve.comparisons import EntitySpec
from dataflow.resolve.model.frequencies import HOT_COLUMNS, hot_name, known_name, listed_name
from dataflow.resolve.model.model import KIN, Epoch, LevelWeights
from dataflow.resolve.model.splink_weights import match_weight, weight_sql
from dataflow.resolve.pairs.numbers import is_among, is_member, number_of
from lakehouse.table import literal

BATCH_PAIRS = 4_000_000
"""Pairs of a batch. Its records are hashed: with larger batches lookups slow down, with smaller ones all records are
read more often."""
_PAIR_BYTES = 1600


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
    """Make the temporary table `into`: the weights of the pairs of the relation `pairs` (one, other).

    A pair with a record that is not in `records` is left out; with a `threshold`, a pair below that probability too.
    Shape: record_id_l, record_id_r, the smaller first, match_weight (adjustments included), match_probability, and with
    `keep_levels` gamma_* and adjustment.
    Units: match_weight is log2 of the odds, rounded to six places so that it is the same on every machine.
    """
    kept = "".join(f", gamma_{c.name} TINYINT" for c in spec.comparisons) + ", adjustment DOUBLE" if keep_levels else ""
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {into} (record_id_l VARCHAR, record_id_r VARCHAR, match_weight DOUBLE,
            match_probability DOUBLE{kept})
    """)
    count = _count(con, pairs)
    if count == 0:
        return
    batches = -(-count // _pairs_of_a_batch(con))
    # with so many pairs nearly all records are members: testing each costs more than it saves
    of_all = batches > 1 and 2 * count > _count(con, records)
    _stage_members(con, pairs, records, epoch, spec=spec, of_all=of_all)
    for batch in range(batches):
        chosen, lefts, rights = pairs, "pair_record", "pair_record"
        if batches > 1:
            chosen = f"(FROM {pairs} WHERE one % {batches} = {batch})"
            lefts = f"(FROM pair_record WHERE record % {batches} = {batch})"
            rights = f"(FROM pair_record WHERE {is_among('record', f'SELECT other FROM {chosen}')})"
        levelled = levelled_sql(chosen, epoch, spec, lefts=lefts, rights=rights)
        weighed = weighed_sql(levelled, epoch, spec, threshold=threshold, keep_levels=keep_levels)
        con.execute(f"INSERT INTO {into} {weighed}")
    con.execute("DROP TABLE pair_record")


def _stage_members(
    con: duckdb.DuckDBPyConnection, pairs: str, records: str, epoch: Epoch, *, spec: EntitySpec, of_all: bool
) -> None:
    """Fill `pair_record` with the records of `pairs`, or with all, and what comparing them needs."""
    if not of_all:
        numbers = f"SELECT one AS record FROM {pairs} UNION SELECT other FROM {pairs}"
        con.execute(f"CREATE OR REPLACE TEMP TABLE pair_number AS {numbers}")
    members = members_sql(records, epoch, spec, of_all=of_all)
    if not of_all:
        # the view is read more than once: the chosen members are stored, all records are not
        con.execute(f"CREATE OR REPLACE TEMP TABLE pair_chosen AS {members}")
        members = "FROM pair_chosen"
    con.execute(f"CREATE OR REPLACE TEMP VIEW pair_member AS {members}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE pair_record AS {records_to_compare(epoch, spec)}")
    con.execute("DROP VIEW pair_member; DROP TABLE IF EXISTS pair_chosen; DROP TABLE IF EXISTS pair_number")


def _count(con: duckdb.DuckDBPyConnection, relation: str) -> int:
    (count,) = con.execute(f"SELECT count(*) FROM {relation}").fetchall()[0]
    return int(count)


def _pairs_of_a_batch(con: duckdb.DuckDBPyConnection) -> int:
    (allowed,) = con.execute("SELECT parse_formatted_bytes(current_setting('memory_limit'))").fetchall()[0]
    return max(1, min(BATCH_PAIRS, int(allowed) // _PAIR_BYTES))


def members_sql(records: str, epoch: Epoch, spec: EntitySpec, *, of_all: bool = False) -> str:
    """Return the SELECT of the records whose number is in `pair_number`, or of all, with the columns that are read."""
    read = {*_compared_columns(epoch), *epoch.frequency_columns}
    for derived, source in _derived(spec).items():
        read = read - {derived} | {source} if derived in read else read
    columns = ", ".join(sorted(read))
    chosen = "true" if of_all else is_member("SELECT record FROM pair_number")
    return f"SELECT {number_of('record_id')} AS record, record_id, {columns} FROM {records} WHERE {chosen}"


def _derived(spec: EntitySpec) -> dict[str, str]:
    """Return the derived columns that conditions use, each with the column it is derived from."""
    found = {_weights_of(spec.tokens): spec.tokens} if spec.tokens is not None else {}
    return found | dict.fromkeys(_lists_of(spec), spec.known or "")


def _lists_of(spec: EntitySpec) -> dict[str, str]:
    """Return the derived columns that say whether a value is among values of the frequencies, each with their name."""
    if spec.known is None:
        return {}
    return {f"is_known_{spec.known}": known_name(spec.known), f"is_listed_{spec.known}": listed_name(spec.known)}


def records_to_compare(epoch: Epoch, spec: EntitySpec) -> str:
    """Return the SELECT of `pair_member` with the frequencies of its values and the derived columns."""
    columns, joins = [], []
    named = set(_compared_columns(epoch))
    if epoch.frequency_columns:
        columns += [f", f.tf_{column}" for column in epoch.frequency_columns]
        joins.append(f"JOIN ({_frequencies(epoch)}) f USING (record_id)")
    if spec.tokens is not None and _weights_of(spec.tokens) in named:
        joins.append(f"LEFT JOIN ({_token_weights(epoch, spec.tokens)}) w USING (record_id)")
        columns.append(f", w.{_weights_of(spec.tokens)}")
    for derived, listed in _lists_of(spec).items():
        if derived in named:
            values = f"SELECT value FROM {epoch.frequencies} WHERE column_name = {literal(listed)}"
            columns.append(f", coalesce(r.{spec.known} IN ({values}), false) AS {derived}")
    compared = "".join(f", {_unless_hot(column, epoch)}" for column in sorted(named - set(_derived(spec))))
    return f"SELECT r.record, r.record_id{compared}{''.join(columns)} FROM pair_member r {' '.join(joins)}"


def _frequencies(epoch: Epoch) -> str:
    """Return the SELECT of the frequencies of each member's values, without the compared columns.

    The dozen joins would copy those along.
    """
    columns, joins = [], []
    for column in epoch.frequency_columns:
        of_column = f"FROM {epoch.frequencies} WHERE column_name = {literal(column)}"
        joins.append(f"LEFT JOIN (SELECT value, frequency {of_column}) f_{column} ON f_{column}.value = k.{column}")
        columns.append(
            f"CASE WHEN k.{column} IS NOT NULL THEN coalesce(f_{column}.frequency, "
            f"(SELECT max(frequency) {of_column} AND value = '')) END AS tf_{column}"
        )
    return f"SELECT k.record_id, {', '.join(columns)} FROM pair_member k {' '.join(joins)}"


def _unless_hot(column: str, epoch: Epoch) -> str:
    """Return the SQL of a column, null where its value is a hot one: shared by many records."""
    of = "email" if column == "email_local" else column
    if of not in HOT_COLUMNS:
        return f"r.{column}"
    hot = f"SELECT value FROM {epoch.frequencies} WHERE column_name = {literal(hot_name(of))}"
    return f"CASE WHEN r.{of} NOT IN ({hot}) THEN r.{column} END AS {column}"


def _weights_of(tokens: str) -> str:
    return f"{tokens.removesuffix('s')}_idf"


def _token_weights(epoch: Epoch, tokens: str) -> str:
    """Return the SELECT of the weights of each record's tokens, in their order: -log2 of the token's frequency."""
    known = f"SELECT value, frequency FROM {epoch.frequencies} WHERE column_name = {literal(tokens)}"
    return f"""
        WITH known AS ({known}),
        word AS (
            SELECT record_id, unnest({tokens}) AS word, generate_subscripts({tokens}, 1) AS position
            FROM pair_member
        ),
        weighed AS (
            SELECT record_id, position,
                -log2(coalesce(k.frequency, (SELECT max(frequency) FROM known WHERE value = ''), 0.001)) AS weight
            FROM word LEFT JOIN known k ON k.value = word.word
        )
        SELECT record_id, list(weight ORDER BY position) AS {_weights_of(tokens)} FROM weighed GROUP BY record_id
    """


def _compared_columns(epoch: Epoch) -> list[str]:
    """Return the columns that the model's conditions name; copying others would cost time."""
    levels = (level for comparison in epoch.model["comparisons"] for level in comparison["comparison_levels"])
    return sorted({name for level in levels for name in re.findall(r"(\w+)_[lr]\b", level["sql_condition"])})


def weighed_sql(
    levelled: str, epoch: Epoch, spec: EntitySpec, *, threshold: float | None, keep_levels: bool = False
) -> str:
    """Return the SELECT of the scored pairs: the model's weight, bounded by that against kin, plus the adjustments.

    `levelled` is a query of record_id_l, record_id_r, splink_weight and gamma_* of every comparison of the spec.
    """
    terms = [f"CASE WHEN {a.condition} THEN {a.weight} ELSE 0 END" for a in epoch.adjustments]
    extra = " + ".join([by_level_sql(epoch.judgement_weights), *terms])
    kept = "".join(f", gamma_{c.name}" for c in spec.comparisons) + ", adjustment" if keep_levels else ""
    likely = "" if threshold is None else f"WHERE splink_weight >= {least_weight(epoch, threshold)}"
    at_least = "" if threshold is None else f"WHERE match_probability >= {threshold}"
    # Materialised: otherwise the optimiser computes everything again for the conditions below.
    return f"""
        WITH levelled AS MATERIALIZED ({levelled}),
        weighed AS (
            SELECT *, {extra} AS adjustment, {by_level_sql(epoch.model.get(KIN, {"": [60.0]}))} AS kin_weight,
                greatest(least(splink_weight, kin_weight + 60), kin_weight - 60) AS bounded,
                least(bounded, kin_weight) - log2(1 + pow(2.0, -abs(bounded - kin_weight))) AS odds,
                round(greatest(least(odds + adjustment, 60), -60), 6) AS match_weight,
                round(1 / (1 + pow(2.0, -match_weight)), 9) AS match_probability
            FROM levelled {likely}
        )
        SELECT record_id_l, record_id_r, match_weight, match_probability{kept} FROM weighed {at_least}
    """


def levelled_sql(
    pairs: str, epoch: Epoch, spec: EntitySpec, *, lefts: str = "pair_record", rights: str = "pair_record"
) -> str:
    """Return the SELECT of Splink's weight and levels of pairs (one, other) of `pair_record`.

    `lefts` and `rights` are the relations of the first and the second records of pairs.
    Shape: record_id_l, record_id_r, splink_weight, gamma_* of every comparison.
    """
    model = weight_sql(epoch)
    columns = (*_compared_columns(epoch), *(f"tf_{column}" for column in epoch.frequency_columns))
    sides = ", ".join(f"{side}.{column} AS {column}_{side}" for column in columns for side in "lr")
    return f"""
        WITH pair AS (
            SELECT least(l.record_id, r.record_id) AS record_id_l, greatest(l.record_id, r.record_id) AS record_id_r,
                {sides}
            FROM {pairs} p JOIN {lefts} l ON l.record = p.one JOIN {rights} r ON r.record = p.other
        ),
        compared AS MATERIALIZED (
            SELECT record_id_l, record_id_r, {", ".join((*model.levels, *model.frequencies))} FROM pair
        )
        SELECT record_id_l, record_id_r, {model.weight} AS splink_weight, {gammas_sql(epoch, spec)} FROM compared
    """


def gammas_sql(epoch: Epoch, spec: EntitySpec) -> str:
    """Return the columns of the level of every comparison of the spec; -1 for one that the model does not have."""
    known = epoch.comparison_names
    return ", ".join(("" if c.name in known else "-1 AS ") + f"gamma_{c.name}" for c in spec.comparisons)


def by_level_sql(weights: LevelWeights) -> str:
    """Return the SQL of the sum of the weights of a pair's levels."""
    terms = [str(sum(weights.get("", ())))]
    for name, by_gamma in weights.items():
        cases = " ".join(f"WHEN {gamma} THEN {weight}" for gamma, weight in enumerate(by_gamma))
        terms += [f"CASE gamma_{name} {cases} ELSE 0 END"] if name else []
    return " + ".join(terms)


def least_weight(epoch: Epoch, threshold: float) -> float:
    """Return the least weight by Splink's model with which a pair can reach the threshold."""
    return match_weight(threshold) - _most(epoch.judgement_weights)


def _most(weights: LevelWeights) -> float:
    """Return the most that these weights can add to a pair."""
    constant = sum(weights.get("", ()))
    return max(0.0, constant + sum(max(0.0, *by_gamma) for name, by_gamma in weights.items() if name))
