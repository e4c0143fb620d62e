"""The meaning of states: which orders count and which bring revenue, which tickets are open or urgent.

Key figures, customer totals, lifecycle, views and invariants use this module, so that they agree. Without a state an
order counts and brings revenue, and a ticket is open: a missing value does not cancel or close anything. The same holds
of OTHER.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.table import literal

if TYPE_CHECKING:  # Commands that do not need Ibis import the tables too.
    from ibis.expr import types as ir


OTHER = "other"
"""State and priority of a value that is not in the vocabulary and was kept."""

REFUND = "refund"
"""State of a row of orders that gives money back: its amount is below 0, and it is not an order."""


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """The states that a column can have, by meaning; in lower case, as conform writes them.

    Cancelled orders do not count; orders of `earning_nothing` count but bring no revenue. A refund does not count, and
    its amount, which is below 0, is part of the revenue.
    """

    order_states: tuple[str, ...]
    cancelled: tuple[str, ...]
    earning_nothing: tuple[str, ...]
    ticket_states: tuple[str, ...]
    closed: tuple[str, ...]
    priorities: tuple[str, ...]
    urgent: tuple[str, ...]

    def counts(self, orders: ir.Table) -> ir.Value:
        """Return whether an order counts."""
        return ~_is_among(orders.status, (*self.cancelled, REFUND))

    def counts_sql(self, status: str = "status") -> str:
        """Return the same as SQL over the column of the state."""
        return f"(coalesce({status}, '') NOT IN ({', '.join(map(literal, (*self.cancelled, REFUND)))}))"

    def is_order(self, orders: ir.Table) -> ir.Value:
        """Return whether a row is an order, cancelled or not; the others are refunds."""
        return ~_is_among(orders.status, (REFUND,))

    def is_cancelled(self, orders: ir.Table) -> ir.Value:
        """Return whether an order was cancelled."""
        return _is_among(orders.status, self.cancelled)

    def earns(self, orders: ir.Table) -> ir.Value:
        """Return whether an order brings revenue."""
        return ~_is_among(orders.status, (*self.cancelled, *self.earning_nothing))

    def is_open(self, tickets: ir.Table) -> ir.Value:
        """Return whether a ticket is open."""
        return ~_is_among(tickets.status, self.closed)

    def is_urgent(self, tickets: ir.Table) -> ir.Value:
        """Return whether a ticket is urgent; one without a priority is not."""
        return _is_among(tickets.priority, self.urgent)


def _is_among(column: ir.Value, words: tuple[str, ...]) -> ir.Value:
    return column.fill_null("").isin(list(words))


MEANING = Meaning(
    order_states=("placed", "paid", "shipped", "delivered", "cancelled", "refunded", REFUND, OTHER),
    cancelled=("cancelled",),
    earning_nothing=("refunded",),
    ticket_states=("open", "pending", "solved", "closed", OTHER),
    closed=("solved", "closed"),
    priorities=("low", "normal", "high", "urgent", OTHER),
    urgent=("urgent",),
)
"""The declared states; a company's own states are mapped to them in dataflow.toml."""
