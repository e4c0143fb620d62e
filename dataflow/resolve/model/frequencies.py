"""Count term frequencies, and how many kin share an e-mail, a telephone, a door.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| `into` of count_frequencies | column_name, value, frequency | count_frequencies, scale_frequencies | its caller |
"""

from __future__ import annotations

import duckdb

from dataflow.resolve.comparisons import Comparison, EntitySpec, Frequency
from dataflow.resolve.model.model import Parameters
from dataflow.resolve.records.normaliser import in_list, known_given_names
from dataflow.vocabulary.given_names import GIVEN_NAMES
from lakehouse.query import fetch_int
from lakehouse.table import literal

HOT_KIN = 10
"""A mailbox or telephone of so many kin is hot: it identifies none of them, and is not compared, so that two hot values
do not add up to evidence."""
HOT_COLUMNS = ("email", "phone")
KNOWN_FAMILIES = 3
"""A given name of so many families is a name, not a misspelling of another."""
MISSPELT_FROM = 10
"""Of two listed names a letter apart, the rarer one is a misspelling where the other is so many times as frequent."""


def count_frequencies(
    con: duckdb.DuckDBPyConnection, records: str, *, spec: EntitySpec, comparisons: tuple[Comparison, ...], into: str
) -> None:
    """Make the temporary table `into` (column_name, value, frequency): values that are not unique, and '' for the rest.

    For columns that identify by themselves the frequency is a multiple of the level's own u: the square of the number
    of kin that share the value. Hot values are listed again under `hot_name`: they are not compared at all.
    """
    con.execute(f"CREATE OR REPLACE TEMP TABLE {into} (column_name VARCHAR, value VARCHAR, frequency DOUBLE)")
    used = {level.frequency_of for c in comparisons for level in c.levels if level.frequency_of}
    for frequency in spec.frequencies:
        if frequency.column in used:
            con.execute(f"INSERT INTO {into} {_ordinary_sql(records, frequency.column, frequency.apart)}")
    if spec.tokens is not None:
        con.execute(f"INSERT INTO {into} {_tokens_sql(records, spec.tokens)}")
    for column in sorted(used - {f.column for f in spec.frequencies}):
        con.execute(f"INSERT INTO {into} {_shared_sql(records, column, spec.kin)}")
    if spec.known is not None:
        con.execute(f"INSERT INTO {into} {_known_sql(records, spec.known, spec.frequencies)}")
        con.execute(f"INSERT INTO {into} {_listed_sql(records, spec.known)}")
    for column in sorted(used & set(HOT_COLUMNS)):
        con.execute(f"""
            INSERT INTO {into} SELECT {literal(hot_name(column))}, value, frequency FROM {into}
            WHERE column_name = {literal(column)} AND frequency >= {HOT_KIN**2}
        """)


def hot_name(column: str) -> str:
    """Return the column_name of the hot values of a column."""
    return f"hot {column}"


def known_name(column: str) -> str:
    """Return the column_name of the values of a column that are names and not misspellings."""
    return f"known {column}"


def listed_name(column: str) -> str:
    """Return the column_name of the values of a column that are common names by the vocabulary."""
    return f"listed {column}"


def scale_frequencies(
    con: duckdb.DuckDBPyConnection, comparisons: tuple[Comparison, ...], trained: Parameters, *, table: str
) -> None:
    """Turn the multiples of u, of columns that identify by themselves, into frequencies by the trained u."""
    for comparison in comparisons:
        for level, u in zip(comparison.levels, trained.u[comparison.name], strict=True):
            if level.odds is not None and level.frequency_of is not None:
                column = literal(level.frequency_of)
                con.execute(f"UPDATE {table} SET frequency = least(frequency * {u}, 0.5) WHERE column_name = {column}")


def frequency_hash(con: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return a fingerprint of the table that does not depend on the order of its rows."""
    row = "md5_number_lower(column_name || '|' || value || '|' || frequency)::HUGEINT"
    return str(fetch_int(con, f"SELECT coalesce(sum({row}), 0) FROM {table}"))


def _ordinary_sql(records: str, column: str, apart: str | None) -> str:
    # records whose `apart` is missing cannot be distinguished: they count as one entity
    count = "count(*)" if apart is None else f"greatest(count(DISTINCT {apart}), 1)"
    return f"""
        WITH counted AS (SELECT {column} AS value, {count} AS n FROM {records} WHERE {column} IS NOT NULL GROUP BY 1),
        -- smoothed by a hundred unseen values: in a table of two records no name is common
        total AS (SELECT coalesce(sum(n), 0) + 100 AS n FROM counted)
        SELECT {literal(column)}, c.value, c.n / t.n FROM counted c, total t WHERE c.n > 1
        UNION ALL SELECT {literal(column)}, '', 1 / n FROM total
    """


def _tokens_sql(records: str, column: str) -> str:
    """Return the SELECT of the share of distinct names with a token: records of one company count once."""
    return f"""
        WITH name AS (SELECT DISTINCT {column} AS words FROM {records} WHERE len({column}) > 0),
        total AS (SELECT count(*) + 1 AS n FROM name)
        SELECT {literal(column)}, word, count(*) / (SELECT n FROM total)
        FROM (SELECT unnest(words) AS word FROM name) GROUP BY word HAVING count(*) > 1
        UNION ALL SELECT {literal(column)}, '', 1 / n FROM total
    """


def _known_sql(records: str, column: str, frequencies: tuple[Frequency, ...]) -> str:
    apart = next(f.apart for f in frequencies if f.column == column)
    return f"""
        SELECT {literal(known_name(column))}, {column}, 1 FROM {records}
        WHERE length({column}) > 1 GROUP BY {column} HAVING count(DISTINCT {apart}[1]) >= {KNOWN_FAMILIES}
        UNION SELECT {literal(known_name(column))}, unnest([{in_list(known_given_names())}]), 1
    """


def _listed_sql(records: str, column: str) -> str:
    """Return the SELECT of the listed names, without those that are a misspelling in these records.

    Two names one letter apart, or with two letters swapped, share what is left without that letter.
    """
    without_one = "unnest(list_transform(range(1, length(name) + 1), x -> left(name, x - 1) || substr(name, x + 1)))"
    return f"""
        WITH met AS (SELECT {column} AS name, count(*) AS n FROM {records} WHERE length({column}) > 1 GROUP BY 1),
        rest AS (SELECT name, n, {without_one} AS part FROM met UNION SELECT name, n, name FROM met),
        misspelt AS (
            SELECT DISTINCT rare.name FROM rest rare JOIN rest common USING (part)
            WHERE common.n >= {MISSPELT_FROM} * rare.n
        ),
        listed AS (SELECT unnest([{in_list(GIVEN_NAMES)}]) AS name)
        SELECT {literal(listed_name(column))}, name, 1 FROM listed ANTI JOIN misspelt USING (name)
    """


def _shared_sql(records: str, column: str, kin: str) -> str:
    return f"""
        SELECT {literal(column)}, value, pow(n, 2) FROM (
            SELECT {column} AS value, count(DISTINCT {kin}) AS n FROM {records} WHERE {column} IS NOT NULL GROUP BY 1
        ) WHERE n > 1
        UNION ALL SELECT {literal(column)}, '', 1
    """
