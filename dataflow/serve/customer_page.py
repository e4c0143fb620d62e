"""Read all that a role may see of one customer: the golden record with its sources, the timeline, the identity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from duckdb import DuckDBPyConnection

from dataflow.serve.search import Sees
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.published import CUSTOMER_360, CUSTOMER_HISTORY, ORDERS, REDIRECTS, SEGMENTS, TICKETS, XREF
from dataflow.tables.resolved import GOLDEN_CUSTOMER, IDENTITY_EVENT, OTHER_VALUE
from lakehouse.query import fetch_records

Rows = list[dict[str, Any]]

_MOST_EVENTS = 200
_PERSONAL = (
    *("full_name", "given_name", "surname", "date_of_birth", "company_name", "email", "phone", "street", "city"),
    *("region", "postcode", "country_code", "website_domain", "crm_status", "industry_name", "employee_count"),
)
# A field of customer_360 to that of the golden record where another one is its source.
_GOLDEN = {"industry_name": "industry_text"}


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of the golden record: the value, the record it is from, that record's last change, losing values."""

    name: str
    value: Any
    record: str
    changed_at: datetime | None
    others: tuple[dict[str, Any], ...]

    @property
    def has_conflict(self) -> bool:
        return any(other["is_conflict"] for other in self.others)


@dataclass(frozen=True, kw_only=True)
class CustomerPage:
    """One customer as a role sees it. `sources_seen`: the role sees from which record each value is."""

    customer_id: str
    values: dict[str, Any]
    fields: tuple[Field, ...]
    sources_seen: bool
    events: Rows
    segments: Rows
    records: Rows
    former_ids: Rows
    family: Rows


def read_customer(con: DuckDBPyConnection, customer_id: str, *, has: Sees) -> CustomerPage | None:
    """Return the customer with an id; None where there is none. `has` says whether the role has a column at all."""
    rows = fetch_records(con, f"FROM {CUSTOMER_360.sql_name} WHERE customer_id = ?", [customer_id])
    if not rows:
        return None
    values = rows[0]
    sources_seen = has(GOLDEN_CUSTOMER, "provenance") and has(CUSTOMER_RECORD, "updated_at")
    return CustomerPage(
        customer_id=customer_id,
        values=values,
        fields=tuple(_fields(con, customer_id, values, sources_seen=sources_seen)),
        sources_seen=sources_seen,
        events=_events(con, customer_id, has),
        segments=_of(con, SEGMENTS.sql_name, customer_id, order="segment_name"),
        records=_of(con, XREF.sql_name, customer_id, order="source, object, record_key"),
        former_ids=fetch_records(
            con,
            f"SELECT customer_id, redirected_at FROM {REDIRECTS.sql_name} WHERE to_customer_id = ? ORDER BY ALL",
            [customer_id],
        ),
        family=_family(con, customer_id, values, has),
    )


def current_id(con: DuckDBPyConnection, customer_id: str) -> str | None:
    """Return the id that a retired one leads to."""
    row = con.execute(
        f"SELECT to_customer_id FROM {REDIRECTS.sql_name} WHERE customer_id = ?", [customer_id]
    ).fetchone()
    return str(row[0]) if row and row[0] and row[0] != customer_id else None


def _of(con: DuckDBPyConnection, table: str, customer_id: str, *, order: str) -> Rows:
    return fetch_records(con, f"FROM {table} WHERE customer_id = ? ORDER BY {order}", [customer_id])


def _fields(
    con: DuckDBPyConnection, customer_id: str, values: dict[str, Any], *, sources_seen: bool
) -> Iterator[Field]:
    provenance: dict[str, str] = {}
    changed: dict[str, datetime] = {}
    others: dict[str, list[dict[str, Any]]] = {}
    if sources_seen:
        golden = con.execute(
            f"SELECT provenance FROM {GOLDEN_CUSTOMER.sql_name} WHERE customer_id = ?", [customer_id]
        ).fetchone()
        provenance = dict(golden[0] or {}) if golden else {}
        changed = dict(
            con.execute(
                f"SELECT record_id, updated_at FROM {CUSTOMER_RECORD.sql_name} WHERE list_contains(?, record_id)",
                [sorted(set(provenance.values()))],
            ).fetchall()
        )
        for row in _of(con, OTHER_VALUE.sql_name, customer_id, order="field, value"):
            others.setdefault(row["field"], []).append(row)
    for name in _PERSONAL:
        if name not in values:
            continue
        source = _GOLDEN.get(name, name)
        losing = tuple(others.get(source, ()))
        if values[name] is None and not losing:
            continue
        record = provenance.get(source, "")
        yield Field(name=name, value=values[name], record=record, changed_at=changed.get(record), others=losing)


def _events(con: DuckDBPyConnection, customer_id: str, has: Sees) -> Rows:
    """Return what happened, newest first: orders, tickets, changes of the profile, merges and splits."""
    parts = [
        (
            has(ORDERS, "ordered_at"),
            "SELECT ordered_at AS happened_at, 'order' AS kind, status AS state, base_amount AS amount,"
            f" array_to_string(categories, ', ') AS detail FROM {ORDERS.sql_name} WHERE customer_id = $1",
        ),
        (
            has(TICKETS, "opened_at"),
            f"SELECT opened_at, 'ticket', status, NULL, {'subject' if has(TICKETS, 'subject') else 'category'}"
            f" FROM {TICKETS.sql_name} WHERE customer_id = $1",
        ),
        (
            has(CUSTOMER_HISTORY, "valid_from"),
            "SELECT valid_from, CASE WHEN row_number() OVER (ORDER BY valid_from) = 1 THEN 'first published'"
            " ELSE 'profile changed' END, lifecycle_stage, NULL, record_count || ' source records'"
            f" FROM {CUSTOMER_HISTORY.sql_name} WHERE customer_id = $1",
        ),
        (
            has(IDENTITY_EVENT, "customer_id"),
            "SELECT occurred_at, kind, '', NULL, CASE WHEN other_customer_id IS NULL THEN record_count || ' records'"
            " ELSE record_count || ' records, '"
            " || CASE WHEN customer_id = $1 THEN other_customer_id ELSE customer_id END"
            f" END FROM {IDENTITY_EVENT.sql_name} WHERE customer_id = $1 OR other_customer_id = $1",
        ),
    ]
    chosen = " UNION ALL ".join(sql for is_seen, sql in parts if is_seen)
    if not chosen:
        return []
    newest = f"{chosen} ORDER BY happened_at DESC NULLS LAST, kind LIMIT {_MOST_EVENTS}"
    return fetch_records(con, newest, [customer_id])


def _family(con: DuckDBPyConnection, customer_id: str, values: dict[str, Any], has: Sees) -> Rows:
    """Return the employer or parent company, and those of whom this customer is the one."""
    if not (has(CUSTOMER_360, "parent_customer_id") and has(CUSTOMER_360, "full_name")):
        return []
    return fetch_records(
        con,
        f"""
        SELECT CASE WHEN customer_id = $2 THEN 'belongs to' ELSE 'has' END AS how, customer_id, entity_type,
            coalesce(full_name, company_name) AS name
        FROM {CUSTOMER_360.sql_name}
        WHERE (customer_id = $2 OR parent_customer_id = $1) AND customer_id <> $1 ORDER BY how, name LIMIT 20
        """,
        [customer_id, values.get("parent_customer_id") or ""],
    )


def names_of(values: dict[str, Any], columns: Sequence[str] = ("full_name", "company_name")) -> str:
    """Return what a customer is called: the name, or the company."""
    return next((str(values[name]) for name in columns if values.get(name)), "Without a name")
