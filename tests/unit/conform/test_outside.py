"""Which numeric types hold all values of another: only the others are judged row by row."""

import pytest

from dataflow.conform.outside import _holds
from dataflow.conform.outside_values import toml
from dataflow.workspace.ibis_types import ibis_type


@pytest.mark.parametrize(
    ("wanted", "given", "holds"),
    [
        ("DECIMAL(20,4)", "DECIMAL(12,2)", True),
        ("DECIMAL(20,4)", "DECIMAL(18,2)", True),
        ("DECIMAL(20,4)", "DECIMAL(22,6)", False),
        ("DECIMAL(20,4)", "DECIMAL(21,6)", True),
        ("DECIMAL(20,4)", "INTEGER", True),
        ("DECIMAL(20,4)", "BIGINT", False),
        ("DECIMAL(20,4)", "DOUBLE", False),
        ("BIGINT", "BIGINT", True),
        ("BIGINT", "UINTEGER", True),
        ("BIGINT", "UBIGINT", False),
        ("BIGINT", "DECIMAL(18,0)", True),
        ("BIGINT", "DECIMAL(19,0)", False),
    ],
)
def test_what_a_numeric_type_holds(wanted: str, given: str, holds: bool) -> None:
    assert _holds(ibis_type(wanted), ibis_type(given)) is holds


def test_an_expression_is_written_as_in_the_file() -> None:
    assert toml({"first_of": ["a", {"map": {"on hold": "x", "b": True}, "of": "c", "n": 1}]}) == (
        '{ first_of = ["a", { map = { "on hold" = "x", b = true }, of = "c", n = 1 }] }'
    )
