"""What a conformed column accepts, and what a value that it does not accept costs: its field or its row.

A mapping declares the cost with `other`. Contracts of published tables hold the same, so that a value which they would
refuse is known when its row is validated, and no row refuses the publication of all sources.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dataflow.tables.conformed import CUSTOMER_ORDER, CUSTOMER_RECORD, TICKET
from dataflow.tables.meaning import OTHER, REFUND
from lakehouse.table import Table, literal

KEEP = "keep"
SET_ASIDE = "set_aside"

_CURRENCY = "[A-Z]{3}"


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """One column of a conformed table, and what it accepts.

    `outside` gives the SQL condition of a value that is not accepted, from the SQL of `columns`; the first of them is
    the column itself, and null is accepted unless the condition says otherwise. `rule` and `expected` are those of a
    dead letter. `cost` is what such a value costs without a declaration, `others` what can be declared, `pattern` the
    form of further values that can be. `words` is the vocabulary of a text. `lists_values`: the values themselves say
    what to declare; `advice` says it otherwise.
    """

    table: Table
    columns: tuple[str, ...]
    rule: str
    expected: str
    outside: Callable[..., str]
    cost: str = SET_ASIDE
    others: tuple[str, ...] = (SET_ASIDE,)
    pattern: str = ""
    advice: str = ""
    words: tuple[str, ...] = ()
    lists_values: bool = False

    @property
    def column(self) -> str:
        return self.columns[0]


def _outside_words(words: tuple[str, ...], *, is_required: bool = False) -> Callable[[str], str]:
    """Return the condition of a text that is not among the words; conform folds blanks and capitals in the same way."""
    listed = ", ".join(map(literal, words))

    def outside(text: str) -> str:
        folded = f"lower(trim(regexp_replace({text}, '\\s+', ' ', 'g')))"
        nothing = f"{text} IS NULL OR " if is_required else f"{folded} <> '' AND "
        # Most values are written as the words are: only the others are folded.
        return (
            f"CASE WHEN {text} IN ({listed}) THEN false ELSE coalesce({nothing}{folded} NOT IN ({listed}), false) END"
        )

    return outside


def _words(table: Table, column: str, *, cost: str = KEEP) -> Accepted:
    # A refund is known by its amount: of a state alone it is not known whether money was given back by this row.
    words = tuple(word for word in table.column(column).values if word != REFUND)
    keeps = (KEEP,) if cost == KEEP else ()
    return Accepted(
        table=table,
        columns=(column,),
        rule="one_of",
        expected=f"one of {', '.join(word for word in words if word != OTHER)}",
        outside=_outside_words(words, is_required=not table.column(column).nullable),
        cost=cost,
        others=(*keeps, SET_ASIDE, *words),
        words=words,
        lists_values=True,
    )


ACCEPTED: tuple[Accepted, ...] = (
    _words(CUSTOMER_RECORD, "entity_type", cost=SET_ASIDE),
    _words(CUSTOMER_ORDER, "status"),
    _words(TICKET, "status"),
    _words(TICKET, "priority"),
    Accepted(
        table=CUSTOMER_ORDER,
        columns=("currency_code",),
        rule="currency",
        expected="a currency code of three letters (ISO 4217)",
        outside=lambda text: (
            f"coalesce(trim({text}) <> '' AND NOT"
            f" regexp_full_match(upper(regexp_replace({text}, '\\s+', '', 'g')), '{_CURRENCY}'), false)"
        ),
        pattern=_CURRENCY,
        lists_values=True,
    ),
    Accepted(
        table=CUSTOMER_ORDER,
        columns=("amount",),
        rule="at_least",
        expected="0 or more",
        outside=lambda amount: f"coalesce({amount} < 0, false)",
        others=(SET_ASIDE, REFUND),
        advice=f'if these rows are refunds, add other = {{ amount = "{REFUND}" }}',
    ),
    Accepted(
        table=TICKET,
        columns=("closed_at", "opened_at"),
        rule="in_order",
        expected="at or after opened_at",
        outside=lambda closed, opened: f"coalesce({closed} < {opened}, false)",
    ),
)
"""Every declaration; the conformed columns that are not named here accept all values of their type."""


def accepted_of(table: Table) -> list[Accepted]:
    """Return the declarations of a conformed table."""
    return [one for one in ACCEPTED if one.table == table]
