"""What each mask makes of a value, and for which columns it exists."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.access.mask_keys import pads
from dataflow.access.masks import INNER_PAD, MASKS, OUTER_PAD, TREATMENTS, is_injective
from lakehouse.connect import connect
from lakehouse.table import Column

KEY = bytes(range(32))


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(threads=1) as found:
        for name, pad in zip((INNER_PAD, OUTER_PAD), pads(KEY), strict=True):
            found.execute(f"SET VARIABLE {name} = unhex('{pad.hex()}')")
        yield found


def column(kind: str, classification: str = "contact") -> Column:
    return Column("x", kind, "", classification)


def masked(con: duckdb.DuckDBPyConnection, mask: str, value: Any, kind: str, classification: str = "contact") -> Any:
    declared = column(kind, classification)
    assert MASKS[mask].fits(declared)
    sql = MASKS[mask].sql("s.x", declared)
    rows = con.execute(f"SELECT typeof(y), y FROM (SELECT {sql} AS y FROM (SELECT ?::{kind} AS x) s)", [value])
    [(type_of, seen)] = rows.fetchall()
    # A mask keeps the type, so that views compile over it.
    assert type_of == con.execute(f"SELECT typeof(NULL::{kind})").fetchall()[0][0] or value is None
    return seen


@pytest.mark.parametrize(
    ("mask", "kind", "value", "expected"),
    [
        ("null", "VARCHAR", "Ann", None),
        ("null", "DECIMAL(18,2)", Decimal("7.50"), None),
        ("null", "VARCHAR[]", ["Ann"], None),
        ("first_letter", "VARCHAR", "Ann", "A"),
        ("first_letter", "VARCHAR", "", ""),
        ("first_letter", "VARCHAR", "e\u0301lodie", "e\u0301"),
        ("domain", "VARCHAR", "ann@shop.example", "shop.example"),
        ("domain", "VARCHAR", '"a@b"@shop.example', "shop.example"),
        ("domain", "VARCHAR", "no address", None),
        ("domain", "VARCHAR", "ann@", None),
        ("year", "DATE", date(1984, 12, 31), date(1984, 1, 1)),
        ("region", "VARCHAR", "10115", "10"),
        ("region", "VARCHAR", "9", "9"),
        ("region", "DOUBLE", 52.5, 53.0),
        ("region", "DOUBLE", -13.4, -13.0),
        ("bucket", "INTEGER", 0, 0),
        ("bucket", "INTEGER", 1, 1),
        ("bucket", "INTEGER", 4, 2),
        ("bucket", "INTEGER", 999, 500),
        ("bucket", "INTEGER", 1000, 1000),
        ("bucket", "BIGINT", -730, -500),
        ("bucket", "DOUBLE", 0.034, 0.02),
        ("bucket", "DECIMAL(18,2)", Decimal("37.01"), Decimal("20.00")),
    ],
)
def test_a_mask_makes_of_a_value(
    con: duckdb.DuckDBPyConnection, mask: str, kind: str, value: Any, expected: Any
) -> None:
    found = masked(con, mask, value, kind)
    assert found == (pytest.approx(expected) if isinstance(expected, float) else expected)
    assert masked(con, mask, None, kind) is None


def test_a_keyed_hash_is_the_hmac_of_each_element(con: duckdb.DuckDBPyConnection) -> None:
    def keyed(text: str) -> str:
        return hmac.new(KEY, text.encode(), hashlib.sha256).hexdigest()[:32]

    long = "ü" * 200
    assert masked(con, "keyed_hash", "Ann", "VARCHAR") == keyed("Ann")
    assert masked(con, "keyed_hash", long, "VARCHAR") == keyed(long)
    assert masked(con, "keyed_hash", ["a", None, "b"], "VARCHAR[]") == [keyed("a"), None, keyed("b")]
    found = masked(con, "keyed_hash", {"email": "a", "phone": None}, "MAP(VARCHAR, VARCHAR)")
    assert found == {"email": keyed("a"), "phone": None}
    assert masked(con, "keyed_hash", None, "VARCHAR") is None


@given(value=st.integers(-(10**15), 10**15))
def test_a_bucket_is_at_most_the_value_and_few_values_have_it(con: duckdb.DuckDBPyConnection, value: int) -> None:
    found = masked(con, "bucket", value, "BIGINT")
    assert abs(found) <= abs(value) <= max(abs(found) * 2.5, 0)
    assert value == 0 or str(abs(found)).rstrip("0") in {"1", "2", "5"}


@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_shows_fewer_values_unless_it_is_a_hash(con: duckdb.DuckDBPyConnection, mask: str) -> None:
    kind = next(kind for kind in ("VARCHAR", "DATE", "INTEGER") if MASKS[mask].fits(column(kind)))
    values: list[Any] = {
        "VARCHAR": ["anna@x.example", "anne@x.example"],
        "DATE": [date(1984, 1, 2), date(1984, 5, 6)],
        "INTEGER": [21, 37],
    }[kind]
    seen = [masked(con, mask, value, kind) for value in values]
    assert (len(set(seen)) == 2) == MASKS[mask].is_injective == is_injective(mask)
    assert not set(seen) & set(values)


def test_masks_exist_only_where_they_hide_something() -> None:
    assert not MASKS["first_letter"].fits(column("VARCHAR", "pseudonym"))
    assert not MASKS["domain"].fits(column("VARCHAR", "identity"))
    assert not MASKS["region"].fits(column("VARCHAR", "identity"))
    assert not MASKS["bucket"].fits(column("VARCHAR"))
    assert not MASKS["keyed_hash"].fits(column("DATE"))
    assert [name for name in MASKS if MASKS[name].fits(column("BOOLEAN"))] == ["null"]
    assert list(TREATMENTS) == ["clear", *MASKS, "absent"]
