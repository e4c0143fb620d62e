"""Lay out the rows that key figures count as they are from step to step of a bridge: which change holds when.

A row that one kind of change touches has two versions: before its step, and from it on. An order of a customer that was
merged and that was corrected too has three. Customers are derived at each step from the records and orders of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dataflow.tables.conformed import CUSTOMER_ORDER, CUSTOMER_RECORD, TICKET
from dataflow.tables.meaning import MEANING
from dataflow.tables.ops import DEAD_LETTERS, RUN
from dataflow.tables.ops.quality import BRIDGE_PARTS
from dataflow.tables.published import CUSTOMER_360, ORDERS, TICKETS
from dataflow.tables.raw import raw_table
from dataflow.tables.resolved import XREF
from dataflow.workspace.workspace import Workspace
from lakehouse.table import Table, column_list, literal, quote

VERSIONS = "work.main.bridge_{}"
ROWS = "work.main.bridge_rows_{}"
CHANGED_CUSTOMERS = "work.main.bridge_changed_customers"
FIRST_SEEN = ("first_seen_at", "first_order_at")
"""The columns of customers by which figures count them."""

LAST_STEP = len(BRIDGE_PARTS)
_RULES, _IDENTITY, _ERASURE, _CORRECTED, _ACTIVITY = range(1, LAST_STEP + 1)
_RECORDS = "work.main.bridge_records"
_ID = "{0}._source || '|' || {0}._object || '|' || {0}._record_key"


@dataclass(frozen=True)
class Counted:
    """A published table whose rows figures count, and the conformed one that it follows.

    `columns` are those that figures read; `timestamps` of them say when something happened.
    """

    table: Table
    conformed: Table
    columns: tuple[str, ...]
    timestamps: tuple[str, ...]

    @property
    def key(self) -> str:
        return self.table.key[0]


COUNTED = (
    Counted(ORDERS, CUSTOMER_ORDER, ("customer_id", "ordered_at", "status", "base_amount"), ("ordered_at",)),
    Counted(
        TICKETS,
        TICKET,
        ("customer_id", "opened_at", "closed_at", "priority", "first_response_hours"),
        ("opened_at", "closed_at"),
    ),
)


def lay_out_versions(ws: Workspace, counted: Counted) -> list[int]:
    """Lay out the versions of the changed rows of a table; return the steps that have any, in order.

    Shape: `bridge_TABLE`: key, the columns of `counted`, first_step (inclusive), until_step (exclusive).
    """
    table, key = counted.table, quote(counted.key)
    if not ws.changes(table).changed:
        return []
    changed = f"SELECT {key} FROM ({ws.changed(table)})"
    columns = column_list((counted.key, *counted.columns))

    def some(relation: str, names: str) -> str:
        return f"(SELECT {names} FROM {relation} SEMI JOIN ({changed}) USING ({key}))"

    seen = f"{key}, record_id, _source, _object, _record_key, _row_hash"
    differs = _differs(counted.columns)
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE bridge_pair AS
        SELECT {key}, o.{key} IS NOT NULL AS was, n.{key} IS NOT NULL AS is_now,
            {_both(counted.columns)},
            was AND is_now AND co.record_id = cn.record_id
                AND o.customer_id IS DISTINCT FROM n.customer_id AS has_moved,
            {_differs([name for name in counted.columns if name != "customer_id"])}
                OR (o.customer_id IS DISTINCT FROM n.customer_id AND NOT has_moved) AS has_changed,
            {_step_sql(ws, counted)} AS step
        FROM {some(ws.before(table), columns)} o FULL JOIN {some(table.sql_name, columns)} n USING ({key})
        LEFT JOIN {some(ws.before(counted.conformed), seen)} co USING ({key})
        LEFT JOIN {some(counted.conformed.sql_name, seen)} cn USING ({key})
        WHERE {differs}
    """)
    _mark_erased(ws, counted.key)
    return _cut_versions(ws, VERSIONS.format(table.name), counted.key, counted.columns)


def lay_out_customers(ws: Workspace) -> list[int]:
    """Lay out the versions of the customers whose times of first record or order changed; return the steps.

    A customer is as old as its oldest record, and its first order is the first that counts.
    """
    if not ws.changes(CUSTOMER_360).changed:
        return []
    times = column_list(("customer_id", *FIRST_SEEN))
    some = f"SEMI JOIN (SELECT customer_id FROM ({ws.changed(CUSTOMER_360)})) USING (customer_id)"
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE {CHANGED_CUSTOMERS} AS
        SELECT customer_id FROM (
            SELECT DISTINCT * FROM (
                SELECT {times}, 0 AS side FROM {ws.before(CUSTOMER_360)} {some}
                UNION ALL SELECT {times}, 1 FROM {CUSTOMER_360.sql_name} {some}
            )
        ) GROUP BY customer_id HAVING count(*) < 2 OR count(DISTINCT ({", ".join(FIRST_SEEN)})) > 1
            OR count(first_order_at) = 1 OR count(first_seen_at) = 1
    """)
    of_records = _lay_out_records(ws)
    orders = VERSIONS.format(ORDERS.name)
    has_orders = bool(ws.changes(ORDERS).changed)
    of_orders = (
        _steps_of(ws, f"SELECT * FROM {orders} SEMI JOIN {CHANGED_CUSTOMERS} USING (customer_id)")
        if (has_orders)
        else []
    )
    steps = sorted({*of_records, *of_orders})
    if len(steps) > 1:
        _derive_customers(ws, steps[:-1], has_orders=has_orders)
    return steps


def _lay_out_records(ws: Workspace) -> list[int]:
    """Lay out the versions of the records of changed customers."""
    before, now = ws.before(XREF), XREF.sql_name
    old = f"(SELECT record_id, customer_id FROM {before} SEMI JOIN bridge_record USING (record_id))"
    new = f"(SELECT record_id, customer_id FROM {now} SEMI JOIN bridge_record USING (record_id))"
    seen = "record_id, created_at, _source, _object, _record_key, _row_hash"
    as_was = f"(SELECT {seen} FROM {ws.before(CUSTOMER_RECORD)} SEMI JOIN bridge_record USING (record_id))"
    as_is = f"(SELECT {seen} FROM {CUSTOMER_RECORD.sql_name} SEMI JOIN bridge_record USING (record_id))"
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE bridge_record AS
        SELECT record_id FROM {before} SEMI JOIN {CHANGED_CUSTOMERS} USING (customer_id)
        UNION SELECT record_id FROM {now} SEMI JOIN {CHANGED_CUSTOMERS} USING (customer_id)
    """)
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE bridge_pair AS
        WITH o AS (SELECT * FROM {old} JOIN {as_was} USING (record_id)),
        n AS (SELECT * FROM {new} JOIN {as_is} USING (record_id)),
        co AS (FROM o), cn AS (FROM n)
        SELECT record_id, o.record_id IS NOT NULL AS was, n.record_id IS NOT NULL AS is_now,
            {_both(("customer_id", "created_at"))},
            was AND is_now AND o.customer_id <> n.customer_id AS has_moved,
            {_differs(("created_at",))} OR NOT (was AND is_now) AS has_changed,
            {_step_sql(ws, _RECORD)} AS step
        FROM o FULL JOIN n USING (record_id) LEFT JOIN co USING (record_id) LEFT JOIN cn USING (record_id)
    """)
    _mark_erased(ws, "record_id")
    return _cut_versions(ws, _RECORDS, "record_id", ("customer_id", "created_at"))


def _derive_customers(ws: Workspace, steps: list[int], *, has_orders: bool) -> None:
    """Derive the changed customers after each of some steps from their records and orders."""
    in_steps = f"(SELECT unnest([{', '.join(map(str, steps))}]) AS step)"
    changed = (
        f"""
        SELECT customer_id, ordered_at, status, step FROM {VERSIONS.format(ORDERS.name)}, {in_steps}
        WHERE step >= first_step AND step < until_step UNION ALL
        """
        if has_orders
        else ""
    )
    left_out = f"ANTI JOIN {VERSIONS.format(ORDERS.name)} USING (order_id)" if has_orders else ""
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE {VERSIONS.format(CUSTOMER_360.name)} AS
        WITH orders AS (
            {changed}
            SELECT customer_id, ordered_at, status, step FROM (
                FROM {ORDERS.sql_name} {left_out} SEMI JOIN {CHANGED_CUSTOMERS} USING (customer_id)
            ), {in_steps}
        ),
        records AS (
            SELECT customer_id, step, min(created_at) AS first_seen_at FROM {_RECORDS}, {in_steps}
            WHERE step >= first_step AND step < until_step GROUP BY ALL
        ),
        first_orders AS (
            SELECT customer_id, step, min(ordered_at) AS first_order_at FROM orders
            WHERE {MEANING.counts_sql()} GROUP BY ALL
        )
        SELECT customer_id, first_seen_at, first_order_at, step AS first_step, step + 1 AS until_step
        FROM records LEFT JOIN first_orders USING (customer_id, step) SEMI JOIN {CHANGED_CUSTOMERS} USING (customer_id)
    """)


def _cut_versions(ws: Workspace, name: str, key: str, columns: Sequence[str]) -> list[int]:
    """Make the versions of each pair of an old and a new row, of which either can be missing; return their steps.

    The step at which the row moves to another customer, and the one at which the rest of it changes, cut its time.
    """
    old, new, key = _side("o", columns), _side("n", columns), quote(key)
    old_moved = _side("o", columns, customer="n")
    new_unmoved = _side("n", columns, customer="o")
    ws.con.execute(f"""
        CREATE OR REPLACE TABLE {name} AS
        WITH cut AS (
            SELECT *, CASE WHEN has_moved THEN least({_IDENTITY}, changes_at) ELSE changes_at END AS first_cut,
                CASE WHEN has_moved AND changes_at <= {LAST_STEP} THEN greatest({_IDENTITY}, changes_at)
                    WHEN has_moved THEN {_IDENTITY} ELSE changes_at END AS last_cut
            FROM (SELECT *, CASE WHEN has_changed THEN step ELSE {LAST_STEP + 1} END AS changes_at FROM bridge_pair)
        )
        SELECT {key}, {old}, 0 AS first_step, first_cut AS until_step FROM cut WHERE was
        UNION ALL SELECT {key}, {old_moved}, first_cut, last_cut FROM cut
        WHERE first_cut < last_cut AND first_cut = {_IDENTITY}
        UNION ALL SELECT {key}, {new_unmoved}, first_cut, last_cut FROM cut
        WHERE first_cut < last_cut AND first_cut < {_IDENTITY}
        UNION ALL SELECT {key}, {new}, last_cut, {LAST_STEP + 1} FROM cut WHERE is_now AND last_cut <= {LAST_STEP}
    """)
    ws.con.execute("DROP TABLE bridge_pair")
    return _steps_of(ws, f"FROM {name}")


def _mark_erased(ws: Workspace, key: str) -> None:
    """Mark the rows that are gone and of which raw, which keeps what was received, has nothing any more."""
    gone = ws.con.execute(f"""
        SELECT DISTINCT split_part({key}, '|', 1), split_part({key}, '|', 2) FROM bridge_pair WHERE NOT is_now
    """).fetchall()
    for source, object_name in gone:
        raw = raw_table(source, object_name)
        if raw.full_name not in ws.tables:
            continue  # of an object that is declared no more
        begin = f"{source}|{object_name}|"
        ws.con.execute(f"""
            UPDATE bridge_pair SET step = {_ERASURE}
            WHERE NOT is_now AND starts_with({key}, {literal(begin)}) AND substr({key}, {len(begin) + 1}) NOT IN (
                SELECT _record_key FROM {raw.sql_name} SEMI JOIN (
                    SELECT substr({key}, {len(begin) + 1}) AS _record_key FROM bridge_pair WHERE NOT is_now
                ) USING (_record_key)
            )
        """)


def _steps_of(ws: Workspace, versions: str) -> list[int]:
    found = ws.con.execute(f"""
        SELECT first_step FROM ({versions}) WHERE first_step > 0
        UNION SELECT until_step FROM ({versions}) WHERE until_step <= {LAST_STEP} ORDER BY 1
    """).fetchall()
    return [int(step) for (step,) in found]


def _step_sql(ws: Workspace, counted: Counted) -> str:
    """Return the SQL of the step at which a row changes, of its old state `o`, `co` and its new one `n`, `cn`.

    A row that is received as it was and is now another, or was set aside before, or is now, follows changed rules. One
    whose received rows are gone was erased. Of the others a row is activity where it happened after all that was known.
    """
    old, new = _ID.format("co"), _ID.format("cn")
    letters = "(SELECT _source || '|' || _object || '|' || _record_key || '|' || _row_hash FROM {} WHERE {})"
    set_aside_before = letters.format(ws.before(DEAD_LETTERS), "status <> 'superseded'")
    set_aside_now = letters.format(DEAD_LETTERS.sql_name, "status <> 'superseded'")
    times = ", ".join(f"n.{quote(name)}" for name in counted.timestamps)
    former = ", ".join(f"o.{quote(name)}" for name in counted.timestamps)
    happened = f"coalesce(greatest({times}) > {_horizon(ws, counted)}, false)"
    is_later = f"greatest({times}) IS DISTINCT FROM greatest({former})"
    return f"""
        CASE
        WHEN NOT was THEN CASE
            WHEN {new} || '|' || cn._row_hash IN {set_aside_before} THEN {_RULES}
            WHEN {happened} THEN {_ACTIVITY} ELSE {_CORRECTED} END
        WHEN NOT is_now THEN CASE
            WHEN {old} || '|' || co._row_hash IN {set_aside_now} THEN {_RULES}
            ELSE {_CORRECTED} END
        WHEN co._row_hash = cn._row_hash THEN {_RULES}
        WHEN {happened} AND {is_later} THEN {_ACTIVITY}
        ELSE {_CORRECTED} END
    """


def _horizon(ws: Workspace, counted: Counted) -> str:
    """Return the SQL of the last time known before: of anything that happened up to the last publication."""
    published = f"(SELECT max(started_at) FROM {ws.before(RUN)} WHERE status IN ('published', 'partial'))"
    table = counted.conformed if counted.table is XREF else counted.table
    known = [f"max({at}) FILTER ({at} <= {published})" for at in map(quote, counted.timestamps)]
    return f"(SELECT greatest({', '.join(known)}) FROM {ws.before(table)})"


def _both(columns: Sequence[str]) -> str:
    return ", ".join(f"{side}.{quote(name)} AS {quote(f'{side}_{name}')}" for name in columns for side in ("o", "n"))


def _side(side: str, columns: Sequence[str], *, customer: str = "") -> str:
    sides = {name: customer if customer and name == "customer_id" else side for name in columns}
    return ", ".join(f"{quote(f'{of}_{name}')} AS {quote(name)}" for name, of in sides.items())


def _differs(columns: Sequence[str]) -> str:
    return " OR ".join(f"o.{quote(name)} IS DISTINCT FROM n.{quote(name)}" for name in columns)


_RECORD = Counted(XREF, CUSTOMER_RECORD, ("customer_id", "created_at"), ("created_at",))
