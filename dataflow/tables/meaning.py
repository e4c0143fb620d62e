"""What the states of orders and tickets mean: which orders count and which earn, which tickets are open or urgent.

Key figures, customer totals, lifecycle, views and invariants ask here, so that they agree. A state that is missing
counts, earns and is open: an order is not cancelled, and a ticket not closed, because its source did not say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.table import literal

if TYPE_CHECKING:  # the tables are read by commands that need no Ibis
    from ibis.expr import types as ir


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """The states that a column may have, and which of them mean what; all in lower case, as conform leaves them.

    Orders that are cancelled are not counted; those that earn nothing bring no revenue.
    """

    order_states: tuple[str, ...]
    cancelled: tuple[str, ...]
    earning_nothing: tuple[str, ...]
    ticket_states: tuple[str, ...]
    closed: tuple[str, ...]
    priorities: tuple[str, ...]
    urgent: tuple[str, ...]

    def counts(self, orders: ir.Table) -> ir.Value:
        """Whether an order counts."""
        return ~_is_among(orders.status, self.cancelled)

    def counts_sql(self, status: str = "status") -> str:
        """The same as SQL over the column of the state."""
        return f"(coalesce({status}, '') NOT IN ({', '.join(map(literal, self.cancelled))}))"

    def earns(self, orders: ir.Table) -> ir.Value:
        """Whether an order brings revenue."""
        return ~_is_among(orders.status, (*self.cancelled, *self.earning_nothing))

    def is_open(self, tickets: ir.Table) -> ir.Value:
        """Whether a ticket waits for us."""
        return ~_is_among(tickets.status, self.closed)

    def is_urgent(self, tickets: ir.Table) -> ir.Value:
        """Whether a ticket is urgent; one without a priority is not."""
        return _is_among(tickets.priority, self.urgent)


def _is_among(column: ir.Value, words: tuple[str, ...]) -> ir.Value:
    return column.fill_null("").isin(list(words))


MEANING = Meaning(
    order_states=("placed", "paid", "shipped", "delivered", "cancelled", "refunded"),
    cancelled=("cancelled",),
    earning_nothing=("refunded",),
    ticket_states=("open", "pending", "solved", "closed"),
    closed=("solved", "closed"),
    priorities=("low", "normal", "high", "urgent"),
    urgent=("urgent",),
)
"""The states of the tables as declared; a company's own words are mapped to them when they are conformed."""
