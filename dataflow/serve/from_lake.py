"""Customers out of the published lake, by DataFlow's own SQL on the door's connection."""

from __future__ import annotations

from typing import Any

from duckdb import DuckDBPyConnection

from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.published import CUSTOMER_360, REDIRECTS, XREF

_COLUMNS = {"email": "email", "phone": "phone"}


def customer_in_lake(con: DuckDBPyConnection, customer_id: str) -> dict[str, Any] | None:
    """Return the columns of the customer with an id, or of the one that it was merged into."""
    seen: set[str] = set()
    asked_for: str | None = customer_id
    while asked_for is not None and asked_for not in seen:
        seen.add(asked_for)
        found = con.execute(f"FROM {CUSTOMER_360.sql_name} WHERE customer_id = ?", [asked_for])
        row = found.fetchone()
        if row is not None:
            named = dict(zip((column[0] for column in found.description or ()), row, strict=True))
            return {name: value for name, value in named.items() if not name.startswith("_")}
        further = con.execute(f"SELECT to_customer_id FROM {REDIRECTS.sql_name} WHERE customer_id = ?", [asked_for])
        redirect = further.fetchone()
        asked_for = redirect[0] if redirect else None
    return None


def ids_in_lake(con: DuckDBPyConnection, kind: str, value: str) -> list[str]:
    """Return the ids of the customers with a value in any of their records, in order."""
    if kind == "record":
        sql = f"SELECT customer_id FROM {XREF.sql_name} WHERE record_id = ?"
        rows = con.execute(sql, [value]).fetchall()
    else:
        column = _COLUMNS[kind]
        further = f"further_{column}s"
        rows = con.execute(
            f"SELECT customer_id FROM {CUSTOMER_360.sql_name} WHERE {column} = $1 UNION"
            f" SELECT x.customer_id FROM {CUSTOMER_RECORD.sql_name} r JOIN {XREF.sql_name} x USING (record_id)"
            f" WHERE r.{column} = $1 OR list_contains(string_split(r.{further}, ' '), $1)",
            [value],
        ).fetchall()
    return sorted(str(customer_id) for (customer_id,) in rows)
