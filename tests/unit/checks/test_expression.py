"""The language of rules: what it takes, what it refuses and how it says so."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.errors import CheckDeclarationError
from checks.expression import FUNCTIONS, parse_expression, require_condition
from checks.row_rule import row_rule
from checks.rule import Options, Surroundings
from lakehouse.connect import connect
from tests.unit.checks.test_rules import NOW

TYPES = {
    "total": "DECIMAL(12,2)", "discount": "DOUBLE", "status": "VARCHAR", "count": "BIGINT",
    "ordered_at": "TIMESTAMP", "customer": "BIGINT", "is_paid": "BOOLEAN", "Mixed Case": "VARCHAR",
}  # fmt: skip


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    made = connect(threads=1)
    columns = ", ".join(f'"{name}" {kind}' for name, kind in TYPES.items())
    made.execute(f"CREATE TABLE row ({columns}, _changed_at TIMESTAMPTZ)")
    yield made
    made.close()


AROUND = Surroundings(
    now=NOW,
    keys_of=lambda name: f"SELECT unnest(['7', '8']) WHERE '{name}' = 'shop.person'",
    holders_of=lambda _: "SELECT 1",
)


def breaks(con: duckdb.DuckDBPyConnection, text: str, when_null: str = "pass", **row: object) -> bool:
    """Whether a row breaks the rule that `text` holds."""
    check = row_rule(text, Options(when_null=when_null), fields=TYPES, place="here")  # type: ignore[arg-type]
    con.execute("DELETE FROM row")
    names = ", ".join(f'"{name}"' for name in row)
    con.execute(f"INSERT INTO row ({names}) VALUES ({', '.join('?' for _ in row)})", list(row.values()))
    [(found,)] = con.execute(f"SELECT coalesce({check.broken(AROUND)}, false) FROM row").fetchall()
    return bool(found)


@pytest.mark.parametrize(
    ("text", "keeps", "breaks_it"),
    [
        ("discount IS NULL OR discount <= total", {"total": 5, "discount": 5}, {"total": 5, "discount": 6}),
        ("STATUS in ('paid', 'open')", {"status": "paid"}, {"status": "gone"}),
        ("\"mixed case\" like 'A%'", {"Mixed Case": "Ab"}, {"Mixed Case": "b"}),
        ("not (status = 'paid' and total = 0)", {"status": "paid", "total": 1}, {"status": "paid", "total": 0}),
        ("regexp_full_match(status, '[a-z]{2,4}')", {"status": "paid"}, {"status": "PAID"}),
        ("is_key_of(customer, 'shop.person')", {"customer": 7}, {"customer": 9}),
        ("is_key_of(customer, 'shop.person') or is_paid", {"customer": 7}, {"customer": 9, "is_paid": False}),
        ("ordered_at <= run_at()", {"ordered_at": "2026-03-10 11:00"}, {"ordered_at": "2026-03-10 13:00"}),
        ("ordered_at >= DATE '2020-01-01'", {"ordered_at": "2020-01-01"}, {"ordered_at": "2019-12-31"}),
        ("extract(year from ordered_at) > 2000", {"ordered_at": "2001-01-01"}, {"ordered_at": "1999-01-01"}),
        ("ordered_at > run_at() - INTERVAL 30 DAY", {"ordered_at": "2026-03-01"}, {"ordered_at": "2026-01-01"}),
        ("length(trim(status)) BETWEEN 1 AND 3", {"status": " ab "}, {"status": "abcd"}),
        ("CASE WHEN total > 1 THEN status = 'a' ELSE true END", {"total": 0}, {"total": 2, "status": "b"}),
        ("cast(status AS BIGINT) > 3", {"status": "4"}, {"status": "3"}),
        ("total IS DISTINCT FROM 0", {"total": None}, {"total": 0}),
        ("round(discount, 2) = discount", {"discount": 0.25}, {"discount": 0.255}),
        ("starts_with(status, 'a') AND ends_with(status, 'c')", {"status": "ab-c"}, {"status": "ab"}),
        ("split_part(status, '-', 1) = 'ab' AND contains(status, 'c')", {"status": "ab-c"}, {"status": "ab"}),
    ],
)  # fmt: skip
def test_a_row_keeps_or_breaks_it(
    con: duckdb.DuckDBPyConnection, text: str, keeps: dict[str, object], breaks_it: dict[str, object]
) -> None:
    require_condition(con, parse_expression(text, fields=TYPES, place="here"), TYPES, place="here")
    assert not breaks(con, text, **keeps)
    assert breaks(con, text, **breaks_it)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("total > 0", {"status": "x"}),
        ("cast(status AS BIGINT) > 3", {"status": "four"}),
        ("count * count * count > 0", {"count": 3_000_000_000}),
        ("is_key_of(customer, 'shop.person')", {"status": "x"}),
        ("not (total > 0)", {"status": "x"}),
        ("status in ('a', null)", {"status": "b"}),
    ],
)
def test_what_is_neither_true_nor_false_passes_or_fails_as_declared(
    con: duckdb.DuckDBPyConnection, text: str, row: dict[str, object]
) -> None:
    assert not breaks(con, text, "pass", **row)
    assert breaks(con, text, "fail", **row)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("totl > 0", "There is no field totl. Did you mean total?"),
        ("orders.total > 0", "without a table"),
        ("(SELECT 1) > 0", "SUBQUERY is not part of the language of rules"),
        ("total IN (SELECT 1)", "IN takes a list"),
        ("exists(SELECT 1)", "no function exists"),
        ("read_text('/etc/passwd') = status", "no function read_text"),
        ("getenv('HOME') = status", "no function getenv"),
        ("status = current_user", "no function"),
        ("ordered_at < now()", "no function now"),
        ("random() < 0.5", "no function rand"),
        ("list_filter([total], lambda x: x > 1) = [1]", "is not part of|no function"),
        ("status::JSON IS NULL", "a value is cast to one of"),
        ("regexp_matches(status, status)", "the pattern of regexp_matches is a text"),
        (f"regexp_matches(status, '{'a' * 201}')", "at most 200 characters"),
        ("is_key_of('7', 'shop.person')", "is_key_of takes a field"),
        ("total > 0; DROP TABLE row", "not one condition"),
        ("total >", "is not SQL"),
        ("", "not one condition"),
        ("1 = 1", "names no field"),
        ("total > ?", "PLACEHOLDER is not part of"),
        ("*", "STAR is not part of"),
        ("(" * 100 + "total" + ")" * 100 + " > 0", "nested"),
        ("total > 0 -- " + "x" * 2000, "more than 2,000 characters"),
    ],
)  # fmt: skip
def test_what_is_not_of_the_language_is_refused(text: str, said: str) -> None:
    with pytest.raises(CheckDeclarationError, match=said) as refused:
        parse_expression(text, fields=TYPES, place="rules/orders.toml:3")
    assert str(refused.value).startswith("rules/orders.toml:3: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("total", "is a DECIMAL"),
        ("total + 1", "one that is true or false"),
        ("ordered_at > 5", "does not fit its fields"),
        ("ordered_at > DATE '2026-13-01'", "does not fit its fields"),
        ("is_paid > 'x' and upper(total) = 1", "does not fit its fields"),
    ],
)
def test_what_does_not_fit_the_types_is_refused(con: duckdb.DuckDBPyConnection, text: str, said: str) -> None:
    found = parse_expression(text, fields=TYPES, place="here")
    with pytest.raises(CheckDeclarationError, match=said):
        require_condition(con, found, TYPES, place="here")


def test_each_function_can_be_called(con: duckdb.DuckDBPyConnection) -> None:
    arguments = {
        **dict.fromkeys(("abs", "ceil", "floor", "round"), "total"),
        **dict.fromkeys(("lower", "upper", "trim", "length"), "status"),
        **dict.fromkeys(("contains", "ends_with", "starts_with", "nullif"), "status, 'a'"),
        **dict.fromkeys(("regexp_matches", "regexp_full_match"), "status, '[a-z]'"),
        **dict.fromkeys(("greatest", "least", "coalesce"), "total, 1"),
        **dict.fromkeys(("left", "right"), "status, 1"),
        "substring": "status, 1, 2", "replace": "status, 'a', 'b'", "split_part": "status, '-', 1",
        "date_part": "'year', ordered_at", "is_key_of": "customer, 'shop.person'", "run_at": "",
    }  # fmt: skip
    assert set(arguments) == set(FUNCTIONS)
    for name, given_arguments in arguments.items():
        text = f"total IS NULL OR {name}({given_arguments}) IS NOT NULL"
        require_condition(con, parse_expression(text, fields=TYPES, place=name), TYPES, place=name)


@given(
    total=st.none() | st.integers(-3, 3),
    discount=st.none() | st.integers(-3, 3),
    form=st.sampled_from(["total > discount", "NOT total <= discount", "total = discount", "total + discount > 0"]),
)
def test_a_condition_and_its_opposite_differ_unless_something_is_missing(
    con: duckdb.DuckDBPyConnection, total: int | None, discount: int | None, form: str
) -> None:
    row = {"total": total, "discount": discount}
    answers = {breaks(con, text, null, **row) for text in (form, f"NOT ({form})") for null in ("pass", "fail")}
    if total is not None and discount is not None:
        assert breaks(con, form, **row) != breaks(con, f"NOT ({form})", **row)
        assert breaks(con, form, **row) == breaks(con, form, "fail", **row)
    else:
        assert answers == {True, False}
