"""Build published.segments: which customers are in which group. Each entry of SEGMENTS is one group."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import ibis
from ibis.expr import types as ir

from dataflow.publish.builder import Builder
from dataflow.tables import published
from dataflow.workspace.relations import key_relation, relation, shaped, sql_of
from dataflow.workspace.touched import CUSTOMER_KEYS
from dataflow.workspace.workspace import Workspace


@dataclass(frozen=True)
class Segment:
    """A group of customers: `holds` is the condition on the columns of customer_360.

    It must not read a clock: time enters only through the lifecycle stage, which changes when a band is crossed and
    at no other time.
    """

    code: str
    name: str
    holds: Callable[[ir.Table], ir.Value]


# In the base currency; about the top thirtieth of buyers in the sample.
_HIGH_VALUE = 500

SEGMENTS = (
    Segment("high_value", "High value", lambda c: c.order_amount >= _HIGH_VALUE),
    Segment("loyal", "Loyal", lambda c: c.lifecycle_stage == "loyal"),
    Segment("new_customer", "New customer", lambda c: c.lifecycle_stage == "new"),
    Segment("open_lead", "Lead without an order", lambda c: c.lifecycle_stage == "lead"),
    Segment("at_risk", "At risk of leaving", lambda c: c.lifecycle_stage == "at_risk"),
    Segment(
        "at_risk_high_value",
        "At risk and of high value",
        lambda c: (c.lifecycle_stage == "at_risk") & (c.order_amount >= _HIGH_VALUE),
    ),
    Segment("lapsed", "Lapsed", lambda c: c.lifecycle_stage == "lapsed"),
    Segment(
        "support_heavy",
        "More support than orders",
        lambda c: (c.ticket_count >= 3) & (c.ticket_count > c.order_count),
    ),
    Segment("waiting_for_support", "Has an open ticket", lambda c: c.open_ticket_count > 0),
    Segment(
        "company_large",
        "Company with 250 employees or more",  # the EU's bound between medium and large
        lambda c: (c.entity_type == "company") & (c.employee_count >= 250),
    ),
    Segment("no_contact", "Neither e-mail nor telephone", lambda c: c.email.isnull() & c.phone.isnull()),
    Segment("known_everywhere", "Known to three sources or more", lambda c: c.sources.length() >= 3),
)


def segments_sql(ws: Workspace) -> str:
    """Return the SELECT of one row per touched customer and segment; a customer that stays keeps its time of entry."""
    now = ws.run.now_sql
    return f"""
        SELECT n.*, coalesce(o.entered_at, {now}) AS entered_at
        FROM ({_members_sql()}) n LEFT JOIN {ws.before(published.SEGMENTS)} o USING (customer_id, segment_code)
    """


@cache
def _members_sql() -> str:
    touched = key_relation(CUSTOMER_KEYS, "customer_id")
    customers = relation(published.CUSTOMER_360).semi_join(touched, "customer_id")
    return sql_of(shaped(published.SEGMENTS, ibis.union(*[_members(customers, segment) for segment in SEGMENTS])))


def _members(customers: ir.Table, segment: Segment) -> ir.Table:
    return customers.filter(segment.holds(customers)).select(
        "customer_id", segment_code=ibis.literal(segment.code), segment_name=ibis.literal(segment.name)
    )


SEGMENT_BUILDER = Builder(
    table=published.SEGMENTS,
    sql=segments_sql,
    constant=_members_sql,
    scope=f"SELECT customer_id FROM {CUSTOMER_KEYS}",
)
