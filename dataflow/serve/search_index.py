"""An index of names for search: folded names, and a dictionary of their words with postings, held in memory.

It is built once for each kept connection of a role, from what the role sees, and is gone with it: nothing of it is
stored, so nothing of it has to be erased or masked. At 20,000 records it takes 0.1 s.

| relation | columns | filled by |
|---|---|---|
| memory.main.search_name | number, customer_id, folded, record_count | `build_index` |
| memory.main.search_word | word, numbers (of search_name) | `build_index` |
"""

from __future__ import annotations

from collections.abc import Sequence

from duckdb import DuckDBPyConnection

from dataflow.tables.published import CUSTOMER_360

FOLDED = "strip_accents(lower(concat_ws(' ', full_name, company_name)))"
"""Names are compared without case and accents."""
_EDITS_FROM = ((8, 2), (4, 1))
"""Letters of a typed word to the edits that it may have; shorter words have none."""


def build_index(con: DuckDBPyConnection) -> None:
    """Build the index from the lake or the mart on `con`."""
    con.execute(f"""
        CREATE OR REPLACE TABLE memory.main.search_name AS
        SELECT (row_number() OVER ())::INTEGER AS number, customer_id, {FOLDED} AS folded, record_count
        FROM {CUSTOMER_360.in_lake} WHERE full_name IS NOT NULL OR company_name IS NOT NULL
    """)
    con.execute("""
        CREATE OR REPLACE TABLE memory.main.search_word AS
        SELECT word, list(DISTINCT number) AS numbers
        FROM (SELECT number, unnest(string_split(folded, ' ')) AS word FROM memory.main.search_name)
        WHERE word <> '' GROUP BY word
    """)


def names_with(con: DuckDBPyConnection, words: Sequence[str], *, limit: int) -> list[str]:
    """Return the customers whose name has each word as a part of it, those of most records first."""
    fits = " AND ".join(["contains(folded, strip_accents(?))"] * len(words))
    return _ids(con, f"SELECT customer_id FROM memory.main.search_name WHERE {fits}", words, limit)


def names_like(con: DuckDBPyConnection, words: Sequence[str], *, limit: int) -> list[str]:
    """Return the customers whose name has for each long word one that differs by its edits, as `names_with`.

    A short word has to be a part of the name.
    """
    long = [(word, edits) for word in words if (edits := _edits(word))]
    if not long:
        return []
    near = " INTERSECT ".join(
        "SELECT unnest(numbers) FROM memory.main.search_word WHERE length(word) BETWEEN"
        f" {len(word) - edits} AND {len(word) + edits} AND damerau_levenshtein(word, strip_accents(?)) <= {edits}"
        for word, edits in long
    )
    short = [word for word in words if not _edits(word)]
    whole = "".join([" AND contains(folded, strip_accents(?))"] * len(short))
    found = f"SELECT customer_id FROM memory.main.search_name WHERE number IN ({near}){whole}"
    return _ids(con, found, [*(word for word, _ in long), *short], limit)


def _edits(word: str) -> int:
    return next((edits for letters, edits in _EDITS_FROM if len(word) >= letters), 0)


def _ids(con: DuckDBPyConnection, sql: str, values: Sequence[str], limit: int) -> list[str]:
    ordered = f"{sql} ORDER BY record_count DESC, customer_id LIMIT {int(limit)}"
    return [str(customer_id) for (customer_id,) in con.execute(ordered, list(values)).fetchall()]
