"""Build published.segments: which customers are in which group. Each entry of SEGMENTS is one group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checks.registry import Registry
from dataflow.publish.builder import Builder
from dataflow.tables import published
from dataflow.tables.ops import SEGMENT_ENTRY
from dataflow.workspace.compiled import compiled
from dataflow.workspace.relations import key_relation, relation, shaped, sql_of
from dataflow.workspace.touched import CUSTOMER_KEYS
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred
from lakehouse.query import fetch_int
from lakehouse.table import column_list

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")


@dataclass(frozen=True)
class Segment:
    """A group of customers: `holds` is the condition on the columns of customer_360, `meaning` the same in words.

    It must not read a clock: time enters only through the lifecycle stage, which changes when a band is crossed and
    at no other time.
    """

    code: str
    name: str
    meaning: str
    holds: Callable[[ir.Table], ir.Value]


# In the base currency; about the top thirtieth of buyers in the sample.
_HIGH_VALUE = 500
_MANY_TICKETS = 3
# The EU's bound between medium and large.
_LARGE_COMPANY = 250

SEGMENTS: Registry[Segment] = Registry(
    "segment",
    (
        Segment(
            "high_value",
            "High value",
            f"Orders that come to {_HIGH_VALUE} or more in the base currency",
            lambda c: c.order_amount >= _HIGH_VALUE,
        ),
        Segment("loyal", "Loyal", "In the lifecycle stage loyal", lambda c: c.lifecycle_stage == "loyal"),
        Segment("new_customer", "New customer", "In the lifecycle stage new", lambda c: c.lifecycle_stage == "new"),
        Segment("open_lead", "Lead without an order", "In the stage lead", lambda c: c.lifecycle_stage == "lead"),
        Segment("at_risk", "At risk of leaving", "In the stage at_risk", lambda c: c.lifecycle_stage == "at_risk"),
        Segment(
            "at_risk_high_value",
            "At risk and of high value",
            f"In the stage at_risk, with orders that come to {_HIGH_VALUE} or more in the base currency",
            lambda c: (c.lifecycle_stage == "at_risk") & (c.order_amount >= _HIGH_VALUE),
        ),
        Segment("lapsed", "Lapsed", "In the lifecycle stage lapsed", lambda c: c.lifecycle_stage == "lapsed"),
        Segment(
            "support_heavy",
            "More support than orders",
            f"{_MANY_TICKETS} tickets or more, and more tickets than orders",
            lambda c: (c.ticket_count >= _MANY_TICKETS) & (c.ticket_count > c.order_count),
        ),
        Segment(
            "waiting_for_support",
            "Has an open ticket",
            "A ticket that is neither solved nor closed",
            lambda c: c.open_ticket_count > 0,
        ),
        Segment(
            "company_large",
            f"Company with {_LARGE_COMPANY} employees or more",
            f"A company of at least {_LARGE_COMPANY} employees",
            lambda c: (c.entity_type == "company") & (c.employee_count >= _LARGE_COMPANY),
        ),
        Segment(
            "no_contact",
            "Neither e-mail nor telephone",
            "Neither an e-mail address nor a telephone number is known",
            lambda c: c.email.isnull() & c.phone.isnull(),
        ),
        Segment(
            "known_everywhere",
            "Known to three sources or more",
            "Records of at least three sources",
            lambda c: c.sources.length() >= 3,
        ),
    ),
    name=lambda segment: segment.code,
)


def segments_sql(ws: Workspace) -> str:
    """Return the SELECT of one row per touched customer and segment.

    A customer that stays keeps its time of entry, and one that a restore took out of the segment has it back.
    """
    now = ws.run.now_sql
    return f"""
        SELECT n.*, coalesce(o.entered_at, r.entered_at, {now}) AS entered_at
        FROM ({_members_sql()}) n
        LEFT JOIN {ws.before(published.SEGMENTS)} o USING (customer_id, segment_code)
        LEFT JOIN {ws.before(SEGMENT_ENTRY)} r USING (customer_id, segment_code)
    """


def drop_used_entries(ws: Workspace) -> None:
    """Drop the entries that a restore has kept of touched customers, since each counts once, and of those that left."""
    entries, customers = ws.before(SEGMENT_ENTRY), published.CUSTOMER_360.sql_name
    used = f"""
        SELECT customer_id FROM {entries} SEMI JOIN {CUSTOMER_KEYS} USING (customer_id)
        UNION SELECT customer_id FROM {entries} ANTI JOIN {customers} USING (customer_id)
    """
    if fetch_int(ws.con, f"SELECT count(*) FROM ({used})"):
        nothing = f"SELECT {column_list(SEGMENT_ENTRY.column_names)} FROM {entries} WHERE false"
        ws.stage(SEGMENT_ENTRY, nothing, scope=used)


@compiled
def _members_sql() -> str:
    touched = key_relation(CUSTOMER_KEYS, "customer_id")
    customers = relation(published.CUSTOMER_360).semi_join(touched, "customer_id")
    return sql_of(
        shaped(published.SEGMENTS, ibis.union(*[_members(customers, segment) for segment in SEGMENTS.values()]))
    )


def _members(customers: ir.Table, segment: Segment) -> ir.Table:
    return customers.filter(segment.holds(customers)).select(
        "customer_id", segment_code=ibis.literal(segment.code), segment_name=ibis.literal(segment.name)
    )


SEGMENT_BUILDER = Builder(
    table=published.SEGMENTS,
    sql=segments_sql,
    scope=f"SELECT customer_id FROM {CUSTOMER_KEYS}",
)
