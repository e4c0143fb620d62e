"""Search customers by what a person types: an id, a name, an e-mail address, a telephone number, a source record.

Only what the reader's role sees unmasked is compared. Names are compared folded: without case and accents, each typed
word as a part of the name; where no name has them, with one edit (two from 8 letters on).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from duckdb import DuckDBPyConnection

from dataflow.serve.search_index import names_like, names_with
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
_NOT_DIGITS = re.compile(r"[^0-9]")


def search_customers(
    con: DuckDBPyConnection, text: str, *, names: Callable[[], DuckDBPyConnection], sees: Sees, limit: int
) -> list[dict[str, Any]]:
    """Return customers that fit a text, the best first: a whole id or address before a part of a name.

    `names` gives the connection with the index of names (search_index.py), which a role has that sees names.
    Shape: the columns of customer_360 in _SHOWN that the reader sees, one row for each customer.
    """
    asked = " ".join(text.split())[:LONGEST_SEARCH]
    if not asked:
        return []
    found = _by_ids(con, _exact_ids(con, asked, sees), sees, limit)
    if not found and sees(CUSTOMER_360, "full_name"):
        words = [word for word in re.split(r"\W+", asked.lower()) if word][:_MOST_WORDS]
        ids = _by_name(names(), words, limit)
        place = {customer_id: at for at, customer_id in enumerate(ids)}
        found = sorted(_by_ids(con, ids, sees, limit), key=lambda row: place[str(row["customer_id"])])
    return found


def _by_name(con: DuckDBPyConnection, words: Sequence[str], limit: int) -> list[str]:
    if not words:
        return []
    return names_with(con, words, limit=limit) or names_like(con, words, limit=limit)


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
            f"SELECT customer_id FROM {XREF.sql_name} WHERE record_key = $1 OR record_id = $1",
            _record(asked),
        ),
    ]
    found: dict[str, None] = {}
    for is_asked, sql, value in questions:
        if is_asked:
            found |= {str(row[0]): None for row in con.execute(f"{sql} LIMIT 50", [value]).fetchall() if row[0]}
    return list(found)


def _record(asked: str) -> str:
    """Return `source.object:key` as the id of the record, and any other text as it is."""
    named = re.fullmatch(r"(\w+)\.(\w+):(.+)", asked)
    return "|".join(named.groups()) if named else asked


def _by_ids(con: DuckDBPyConnection, ids: Sequence[str], sees: Sees, limit: int) -> list[dict[str, Any]]:
    if not ids:
        return []
    return fetch_records(
        con,
        f"SELECT {_columns(sees)} FROM {CUSTOMER_360.sql_name} WHERE list_contains(?, customer_id)"
        f" ORDER BY customer_id LIMIT {int(limit)}",
        [list(ids)],
    )


def _columns(sees: Sees) -> str:
    return column_list([name for name in _SHOWN if name == "customer_id" or sees(CUSTOMER_360, name)])
