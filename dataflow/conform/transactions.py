"""Normalise mapped orders, order items and tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow.conform.expressions import tidy_text, without_blanks
from dataflow.settings.model import CurrencySettings
from dataflow.tables.columns import MONEY
from dataflow.vocabulary.currencies import decimals_of
from dataflow.workspace.ibis_types import ibis_type
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

# Wide enough for any rate, and no narrower than an amount, which Ibis demands; the product is DECIMAL(38,12).
_RATE = "decimal(20, 8)"


def normalise_orders(draft: ir.Table, *, currency: CurrencySettings) -> ir.Table:
    """Normalise currency codes and states; convert the amount to the base currency, null where the rate is unknown."""
    code = without_blanks(draft["currency_code"]).upper()
    mapped = draft["base_amount"]
    return draft.mutate(
        order_number=tidy_text(draft["order_number"]),
        status=tidy_text(draft["status"]).lower(),
        currency_code=code,
        base_amount=ibis.coalesce(mapped, in_base_currency(draft["amount"], code, currency=currency)),
    )


def normalise_items(draft: ir.Table) -> ir.Table:
    """Tidy the product texts."""
    return draft.mutate(**{n: tidy_text(draft[n]) for n in ("product_code", "product_name", "product_category")})


def normalise_tickets(draft: ir.Table) -> ir.Table:
    """Normalise categories and states; the subject stays as written."""
    lower = {name: tidy_text(draft[name]).lower() for name in ("category", "priority", "status", "channel")}
    return draft.mutate(
        subject=tidy_text(draft["subject"]), ip_address=without_blanks(draft["ip_address"]).lower(), **lower
    )


def in_base_currency(amount: ir.Value, code: ir.Value, *, currency: CurrencySettings) -> ir.Value:
    """Convert at the configured rate, rounded to the decimals of the base currency; null where no rate is configured.

    An amount in the base currency stays as it is; null also where the product is more than the type holds.
    Units: rates are units of the base currency for one unit of the other.
    """
    rates = [(code == name, ibis.literal(value, type=_RATE)) for name, value in currency.rates.items()]
    money = ibis_type(MONEY)
    converted = (amount * ibis.cases(*rates)).round(decimals_of(currency.base)) if rates else ibis.null(money)
    return ibis.ifelse(code == currency.base, amount.cast(money), converted.try_cast(money))
