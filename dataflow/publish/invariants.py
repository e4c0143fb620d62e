"""Check what must hold across tables in every publication. Each entry of INVARIANTS is one rule.

Contracts check one table alone; invariants check that tables agree. The rows of an invariant's query are its
violations.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from dataflow.tables.conformed import CUSTOMER_ORDER, CUSTOMER_RECORD, TICKET
from dataflow.tables.enriched import LIFECYCLE
from dataflow.tables.meaning import MEANING
from dataflow.tables.published import (
    CUSTOMER_360,
    CUSTOMER_FEATURES,
    CUSTOMER_HISTORY,
    ORDERS,
    REDIRECTS,
    SEGMENTS,
    TICKETS,
)
from dataflow.tables.published import XREF as PUBLISHED_XREF
from dataflow.tables.resolved import GOLDEN_CUSTOMER, JUDGED_PAIR, XREF
from lakehouse.query import fetch_int
from lakehouse.table import Table


@dataclass(frozen=True)
class Invariant:
    """`sql` selects the violations from the lake (tables by `Table.in_lake`); it must return no row."""

    name: str
    table: Table
    sentence: str
    sql: str


@dataclass(frozen=True)
class InvariantResult:
    """The number of rows that break an invariant."""

    invariant: Invariant
    violations: int

    @property
    def passed(self) -> bool:
        return self.violations == 0

    def __str__(self) -> str:
        return (
            f"{self.invariant.table.full_name}: {self.invariant.name} "
            f"({self.invariant.sentence}, but {self.violations} rows break it)"
        )


def _missing(table: Table, key: str, other: Table, other_key: str) -> str:
    return (
        f"SELECT {key} FROM {table.in_lake} a WHERE {key} IS NOT NULL"
        f" AND NOT EXISTS (SELECT 1 FROM {other.in_lake} b WHERE b.{other_key} = a.{key})"
    )


def _judged(broken: str) -> str:
    return f"""
        SELECT record_id_l, record_id_r FROM {JUDGED_PAIR.in_lake}
        LEFT JOIN {XREF.in_lake} l ON l.record_id = record_id_l
        LEFT JOIN {XREF.in_lake} r ON r.record_id = record_id_r WHERE {broken}
    """


def _unequal(left: str, right: str) -> str:
    return f"SELECT 1 WHERE ({left}) IS DISTINCT FROM ({right})"


def _count(table: Table, where: str = "true") -> str:
    return f"SELECT count(*) FROM {table.in_lake} WHERE {where}"


def _sum(table: Table) -> str:
    return f"SELECT coalesce(sum(base_amount), 0) FROM {table.in_lake}"


INVARIANTS = (
    Invariant(
        "linked_records_exist",
        XREF,
        "every linked record is a conformed customer record",
        _missing(XREF, "record_id", CUSTOMER_RECORD, "record_id"),
    ),
    Invariant(
        "records_are_linked",
        CUSTOMER_RECORD,
        "every customer record belongs to one customer",
        _missing(CUSTOMER_RECORD, "record_id", XREF, "record_id"),
    ),
    Invariant(
        "linked_customers_exist",
        XREF,
        "every customer of a record has a golden record",
        _missing(XREF, "customer_id", GOLDEN_CUSTOMER, "customer_id"),
    ),
    Invariant(
        "customers_have_records",
        GOLDEN_CUSTOMER,
        "every golden customer counts as many records as are linked to it",
        f"""
        SELECT customer_id FROM {GOLDEN_CUSTOMER.in_lake} g
        LEFT JOIN (SELECT customer_id, count(*) AS linked FROM {XREF.in_lake} GROUP BY customer_id) x
        USING (customer_id) WHERE g.record_count IS DISTINCT FROM x.linked
        """,
    ),
    Invariant(
        "joined_by_word_are_one",
        JUDGED_PAIR,
        "records judged the same by stewards belong to one customer",
        _judged("verdict = 'same' AND NOT is_contradicted AND l.customer_id IS DISTINCT FROM r.customer_id"),
    ),
    Invariant(
        "parted_by_word_are_two",
        JUDGED_PAIR,
        "records judged different by stewards belong to two customers",
        _judged("verdict = 'different' AND l.customer_id IS NOT DISTINCT FROM r.customer_id"),
    ),
    Invariant(
        "xref_is_published",
        PUBLISHED_XREF,
        "every link is published",
        _unequal(
            f"SELECT (count(*), bit_xor(hash(record_id, customer_id))) FROM {XREF.in_lake}",
            f"SELECT (count(*), bit_xor(hash(record_id, customer_id))) FROM {PUBLISHED_XREF.in_lake}",
        ),
    ),
    Invariant(
        "every_live_customer_is_published",
        CUSTOMER_360,
        "every golden customer is in the customer 360",
        _missing(GOLDEN_CUSTOMER, "customer_id", CUSTOMER_360, "customer_id"),
    ),
    Invariant(
        "only_live_customers_are_published",
        CUSTOMER_360,
        "every customer of the 360 is a golden customer",
        _missing(CUSTOMER_360, "customer_id", GOLDEN_CUSTOMER, "customer_id"),
    ),
    Invariant(
        "one_open_state",
        CUSTOMER_HISTORY,
        "no customer has two open states",
        f"""
        SELECT customer_id FROM {CUSTOMER_HISTORY.in_lake} WHERE valid_to IS NULL
        GROUP BY customer_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "open_states_are_the_present",
        CUSTOMER_HISTORY,
        "the customers with an open state are those of the customer 360",
        f"""
        SELECT coalesce(c.customer_id, h.customer_id) FROM {CUSTOMER_360.in_lake} c
        FULL JOIN (SELECT DISTINCT customer_id FROM {CUSTOMER_HISTORY.in_lake} WHERE valid_to IS NULL) h
        USING (customer_id) WHERE c.customer_id IS NULL OR h.customer_id IS NULL
        """,
    ),
    Invariant(
        "states_do_not_overlap",
        CUSTOMER_HISTORY,
        "a state ends before the next one begins",
        f"""
        SELECT customer_id FROM (
            SELECT customer_id, coalesce(valid_to, 'infinity'::TIMESTAMPTZ) AS ends,
                lead(valid_from) OVER (PARTITION BY customer_id ORDER BY valid_from) AS next_begins
            FROM {CUSTOMER_HISTORY.in_lake}
            WHERE customer_id IN (
                SELECT customer_id FROM {CUSTOMER_HISTORY.in_lake} WHERE valid_to IS NOT NULL
            )
        ) WHERE ends > next_begins
        """,
    ),
    Invariant(
        "orders_are_conserved",
        ORDERS,
        "there are as many orders as conformed",
        _unequal(_count(CUSTOMER_ORDER), _count(ORDERS)),
    ),
    Invariant(
        "revenue_is_conserved",
        ORDERS,
        "their total in the base currency is that of the conformed orders",
        _unequal(_sum(CUSTOMER_ORDER), _sum(ORDERS)),
    ),
    Invariant(
        "tickets_are_conserved",
        TICKETS,
        "there are as many tickets as conformed",
        _unequal(_count(TICKET), _count(TICKETS)),
    ),
    Invariant(
        "customers_of_orders_exist",
        ORDERS,
        "every customer of an order is in the customer 360",
        _missing(ORDERS, "customer_id", CUSTOMER_360, "customer_id"),
    ),
    Invariant(
        "linked_orders_have_customers",
        ORDERS,
        "an order of a linked record has a customer",
        f"""
        SELECT o.order_id FROM {ORDERS.in_lake} o
        JOIN {CUSTOMER_ORDER.in_lake} c USING (order_id)
        JOIN {XREF.in_lake} x USING (record_id)
        WHERE o.customer_id IS DISTINCT FROM x.customer_id
        """,
    ),
    Invariant(
        "customers_of_tickets_exist",
        TICKETS,
        "every customer of a ticket is in the customer 360",
        _missing(TICKETS, "customer_id", CUSTOMER_360, "customer_id"),
    ),
    Invariant(
        "linked_tickets_have_customers",
        TICKETS,
        "a ticket of a linked record has that record's customer",
        f"""
        SELECT t.ticket_id FROM {TICKETS.in_lake} t
        JOIN {TICKET.in_lake} c USING (ticket_id)
        JOIN {XREF.in_lake} x USING (record_id)
        WHERE t.customer_id IS DISTINCT FROM x.customer_id
        """,
    ),
    Invariant(
        "order_counts_agree",
        CUSTOMER_360,
        "the orders counted by customer are those of the order table",
        _unequal(
            f"SELECT coalesce(sum(order_count), 0) FROM {CUSTOMER_360.in_lake}",
            _count(ORDERS, f"customer_id IS NOT NULL AND {MEANING.counts_sql()}"),
        ),
    ),
    Invariant(
        "ticket_counts_agree",
        CUSTOMER_360,
        "the tickets counted by customer are those of the ticket table",
        _unequal(
            f"SELECT coalesce(sum(ticket_count), 0) FROM {CUSTOMER_360.in_lake}",
            _count(TICKETS, "customer_id IS NOT NULL"),
        ),
    ),
    Invariant(
        "features_have_customers",
        CUSTOMER_FEATURES,
        "every customer with features is in the customer 360",
        _missing(CUSTOMER_FEATURES, "customer_id", CUSTOMER_360, "customer_id"),
    ),
    Invariant(
        "segments_have_customers",
        SEGMENTS,
        "every customer in a segment is in the customer 360",
        _missing(SEGMENTS, "customer_id", CUSTOMER_360, "customer_id"),
    ),
    Invariant(
        "enrichments_have_customers",
        LIFECYCLE,
        "exactly the golden customers have a lifecycle",
        f"""
        SELECT coalesce(g.customer_id, l.customer_id) FROM {GOLDEN_CUSTOMER.in_lake} g
        FULL JOIN {LIFECYCLE.in_lake} l USING (customer_id)
        WHERE g.customer_id IS NULL OR l.customer_id IS NULL
        """,
    ),
    Invariant(
        "redirects_lead_to_live_customers",
        REDIRECTS,
        "a redirect leads to a customer of the 360, or to no customer",
        _missing(REDIRECTS, "to_customer_id", CUSTOMER_360, "customer_id"),
    ),
    Invariant(
        "retired_ids_are_not_live",
        REDIRECTS,
        "a retired id is not in the customer 360",
        f"SELECT customer_id FROM {REDIRECTS.in_lake} SEMI JOIN {CUSTOMER_360.in_lake} USING (customer_id)",
    ),
)


def check_invariants(con: duckdb.DuckDBPyConnection) -> list[InvariantResult]:
    """Count the violations of every invariant, inside the open transaction of `con`."""
    return [InvariantResult(invariant, _violations(con, invariant)) for invariant in INVARIANTS]


def _violations(con: duckdb.DuckDBPyConnection, invariant: Invariant) -> int:
    return fetch_int(con, f"SELECT count(*) FROM ({invariant.sql})")
