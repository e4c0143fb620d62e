"""An incomplete declaration is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataflow.errors import ConfigurationError
from dataflow.settings import load_settings
from dataflow.tables.columns import row_of
from dataflow.tables.declared import declared_tables
from dataflow.tables.published import CUSTOMER_360
from dataflow.tables.registry import STATIC, gaps, register
from dataflow.tables.resolved import EDGE, OTHER_VALUE
from lakehouse.table import Column, SubjectColumn


def test_every_declared_table_is_complete() -> None:
    assert [fault for table in STATIC for fault in gaps(table)] == []


def test_each_object_of_each_source_has_a_raw_and_a_valid_table() -> None:
    tables = declared_tables(load_settings())
    for source, objects in {"salesforce": ["account", "contact", "lead"], "tickets": ["ticket"]}.items():
        for name in objects:
            assert f"raw.{source}_{name}" in tables
            assert f"valid.{source}_{name}" in tables


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (replace(CUSTOMER_360, grain=""), "no grain"),
        (replace(CUSTOMER_360, owner=""), "no owner"),
        (replace(CUSTOMER_360, key=()), "no key"),
        (replace(CUSTOMER_360, key=("nobody",)), "no column nobody"),
        (replace(CUSTOMER_360, subjects=()), r"customer_360\.full_name is identity and no subject covers it"),
        (replace(CUSTOMER_360, subjects=(row_of("customer", "nobody"),)), "no column nobody to erase by"),
        (
            replace(CUSTOMER_360, subjects=(row_of("customer", "customer_id"),)),
            r"parent_customer_id is pseudonym and no subject covers it",
        ),
        (replace(EDGE, subjects=(row_of("record", "record_id_l"),)), "record_id_r is pseudonym and no subject"),
        (replace(CUSTOMER_360, subjects=(row_of("name", "customer_id"),)), "by the unknown kind name"),
        (
            replace(OTHER_VALUE, subjects=(row_of("customer", "customer_id"), row_of("record", "record_ids"))),
            "record_ids is a list, and its subject a value",
        ),
        (
            replace(EDGE, subjects=(SubjectColumn(column="record_id_l", names="record", erasure="element"),)),
            "no elements to erase",
        ),
        (replace(CUSTOMER_360, columns=(*CUSTOMER_360.columns, Column("x", "INT", "X"))), "x has no class"),
        (
            replace(CUSTOMER_360, columns=(*CUSTOMER_360.columns, Column("x", "INT", "X", "unheard of"))),
            "unknown class unheard of",
        ),
        (
            replace(CUSTOMER_360, columns=(*CUSTOMER_360.columns, Column("x", "INT", "", "none"))),
            "x has no description",
        ),
        (replace(CUSTOMER_360, columns=(*CUSTOMER_360.columns, CUSTOMER_360.columns[0])), "customer_id twice"),
    ],
)
def test_gaps_are_named(broken: object, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        register([broken])  # type: ignore[list-item]


def test_a_table_declared_twice_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"published\.customer_360 is declared twice"):
        register([CUSTOMER_360, CUSTOMER_360])
