"""The line of an address in customer_360, as its country writes it."""

import ibis
import pytest

from dataflow.publish.customer import street_line
from dataflow.workspace.relations import sql_of
from lakehouse.connect import connect


@pytest.mark.parametrize(
    ("street", "number", "country", "expected"),
    [
        ("Pompton St", "5905", "US", "5905 Pompton St"),
        ("Hauptstr.", "7A", "DE", "Hauptstr. 7A"),
        ("Mill Lane", "9", None, "Mill Lane 9"),
        (None, "9", "GB", "9"),
        ("Mill Lane", None, "GB", "Mill Lane"),
        (None, None, "GB", None),
    ],
)
def test_the_number_stands_where_the_country_writes_it(
    street: str | None, number: str | None, country: str | None, expected: str | None
) -> None:
    line = street_line(*(ibis.literal(one, type="string") for one in (street, number, country)))
    with connect() as con:
        assert con.execute(sql_of(line.name("line").as_table())).fetchall() == [(expected,)]
