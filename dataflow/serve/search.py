"""Search customers by what a person types: an id, a name, an e-mail address, a telephone number, a source record.

`Columns` names what the reader's role sees unmasked; nothing else is compared. Names are compared folded: without case
and accents, each typed word as a part of the name; where no name has them, with one edit (two from 8 letters on).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from duckdb import DuckDBPyConnection

from dataflow.tables.published import CUSTOMER_360, REDIRECTS, XREF
from lakehouse.query import fetch_records
from lakehouse.table import Table, column_list

Sees = Callable[[Table, str], bool]
"""Whether the reader sees a column of a table unmasked."""

_SHOWN = (
    *("customer_id", "entity_type", "full_name", "company_name", "email", "phone", "city", "country_code"),
    *("lifecycle_stage", "order_count", "order_amount", "record_count", "last_seen_at"),
)
LONGEST_SEARCH = 200
_LEAST_DIGITS = 5
_MOST_WORDS = 6
_FOLDED = "strip_accents(lower(concat_ws(' ', full_name, company_name)))"
_NOT_DIGITS = re.compile(r"[^0-9]")


def search_customers(con: DuckDBPyConnection, text: str, *, sees: Sees, limit: int) -> list[dict[str, Any]]:
    """Return customers that fit a text, the best first: a whole id or address before a part of a name.

    Shape: the columns of customer_360 in _SHOWN that the reader sees, one row for each customer.
    """
    asked = " ".join(text.split())[:LONGEST_SEARCH]
    if not asked:
        return []
    found = _by_ids(con, _exact_ids(con, asked, sees), sees, limit)
    if not found and sees(CUSTOMER_360, "full_name"):
        words = [word for word in re.split(r"\W+", asked.lower()) if word][:_MOST_WORDS]
        found = _by_name(con, words, sees, limit) or _by_similar_name(con, words, sees, limit)
    return found


def _exact_ids(con: DuckDBPyConnection, asked: str, sees: Sees) -> list[str]:
    """Return the ids of the customers with this id, address, number or record."""
    digits = _NOT_DIGITS.sub("", asked)
    questions: list[tuple[bool, str, str]] = [
        (True, f"SELECT customer_id FROM {CUSTOMER_360.sql_name} WHERE customer_id = ?", asked),
        (
            sees(REDIRECTS, "customer_id"),
            f"SELECT to_customer_id FROM {REDIRECTS.sql_name} WHERE customer_id = ?",
            asked,
        ),
        (
            "@" in asked and sees(CUSTOMER_360, "email"),
            f"SELECT customer_id FROM {CUSTOMER_360.sql_name} WHERE email = lower(?)",
            asked,
        ),
        (
            len(digits) >= _LEAST_DIGITS and not re.search(r"[^\W\d_]", asked) and sees(CUSTOMER_360, "phone"),
            f"SELECT customer_id FROM {CUSTOMER_360.sql_name} WHERE ends_with(phone, ltrim(?, '0'))",
            digits,
        ),
        (
            sees(XREF, "record_key"),
            f"SELECT customer_id FROM {XREF.sql_name} WHERE record_key = $1 OR record_id = $1"
            " OR source || '.' || object || ':' || record_key = $1",
            asked,
        ),
    ]
    found: dict[str, None] = {}
    for is_asked, sql, value in questions:
        if is_asked:
            found |= {str(row[0]): None for row in con.execute(f"{sql} LIMIT 50", [value]).fetchall() if row[0]}
    return list(found)


def _by_ids(con: DuckDBPyConnection, ids: Sequence[str], sees: Sees, limit: int) -> list[dict[str, Any]]:
    if not ids:
        return []
    return fetch_records(
        con,
        f"SELECT {_columns(sees)} FROM {CUSTOMER_360.sql_name} WHERE list_contains(?, customer_id)"
        f" ORDER BY customer_id LIMIT {int(limit)}",
        [list(ids)],
    )


def _by_name(con: DuckDBPyConnection, words: Sequence[str], sees: Sees, limit: int) -> list[dict[str, Any]]:
    if not words:
        return []
    fits = " AND ".join([f"contains({_FOLDED}, strip_accents(?))"] * len(words))
    return fetch_records(con, f"{_ranked(sees)} WHERE {fits} {_ORDER} LIMIT {int(limit)}", list(words))


def _by_similar_name(con: DuckDBPyConnection, words: Sequence[str], sees: Sees, limit: int) -> list[dict[str, Any]]:
    """Find names in which each typed word is one of the words but for its edits. Short words have none."""
    long = [word for word in words if len(word) >= 4]
    if not long:
        return []
    edits = "damerau_levenshtein(w, strip_accents(?)) <= {}"
    near = f"len(list_filter(string_split({_FOLDED}, ' '), lambda w: {edits})) > 0"
    fits = " AND ".join(near.format(2 if len(word) >= 8 else 1) for word in long)
    return fetch_records(con, f"{_ranked(sees)} WHERE {fits} {_ORDER} LIMIT {int(limit)}", long)


_ORDER = "ORDER BY record_count DESC, customer_id"


def _ranked(sees: Sees) -> str:
    return f"SELECT {_columns(sees)} FROM {CUSTOMER_360.sql_name}"


def _columns(sees: Sees) -> str:
    return column_list([name for name in _SHOWN if name == "customer_id" or sees(CUSTOMER_360, name)])
