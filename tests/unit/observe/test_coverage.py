"""Which field feeds what: of the generated sample's declarations, and of every way in which a mapping names a field."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataflow.observe.coverage import FieldUse, read_coverage
from dataflow.settings import load_settings

CONFIG = """
[sources.shop]
root = "."

[sources.shop.objects.orders]
path = "orders.csv"
format = "csv"
key = "id"
cursor = "changed_at"
deleted_when_set = "gone_at"
[sources.shop.objects.orders.fields]
id = "BIGINT"
changed_at = "TIMESTAMP"
gone_at = "TIMESTAMP"
buyer = "BIGINT"
state = "VARCHAR"
memo = "VARCHAR"

[sources.shop.objects.lines]
path = "lines.csv"
format = "csv"
key = "id"
mode = "full"
fields = { id = "BIGINT", order_id = "BIGINT", price = "DECIMAL(18,2)", discount = "DECIMAL(18,2)", colour = "VARCHAR" }

[mappings.shop_orders]
table = "orders"
object = "shop.orders"
where = { state = "paid" }

[mappings.shop_orders.joins.line]
object = "shop.lines"
on = { order_id = "id" }
sums = { total = ["price", "1 - discount"] }

[mappings.shop_orders.fields]
amount = "line.total"
"""


@pytest.fixture
def feeds(tmp_path: Path) -> dict[str, tuple[str, ...]]:
    (tmp_path / "dataflow.toml").write_text(CONFIG, encoding="utf-8")
    settings = load_settings(tmp_path / "dataflow.toml", home=tmp_path)
    return {f"{use.object}.{use.field}": use.feeds for use in read_coverage(settings) if use.object.startswith("shop.")}


def test_each_use_of_a_field_is_named(feeds: dict[str, tuple[str, ...]]) -> None:
    assert feeds == {
        "shop.orders.id": ("join line", "key"),
        "shop.orders.changed_at": ("cursor",),
        "shop.orders.gone_at": ("deletion",),
        "shop.orders.buyer": (),
        "shop.orders.state": ("rows of shop_orders",),
        "shop.orders.memo": (),
        "shop.lines.id": ("key",),
        "shop.lines.order_id": ("join line",),
        "shop.lines.price": ("orders.amount",),
        "shop.lines.discount": ("orders.amount",),
        "shop.lines.colour": (),
    }


def test_fields_of_the_sample_that_feed_nothing_are_found(tmp_path: Path) -> None:
    unused = [use for use in read_coverage(load_settings(home=tmp_path)) if not use.feeds]
    assert FieldUse(object="salesforce.lead", field="LeadSource", type="VARCHAR", feeds=()) in unused
    assert {use.field for use in unused} == {"LeadSource", "kind", "created_at"}
