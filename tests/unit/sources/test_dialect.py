"""How a delimited text is written is seen from its first lines."""

import pytest

from dataflow.sources.files.dialect import Dialect, detect_dialect

FIELDS = ("ticket_id", "subject", "updated_at")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ticket_id,subject,updated_at\nT1,a;b;c,2026\n", Dialect(",")),
        ("ticket_id;subject;updated_at\nT1;a,b,c,d;2026\n", Dialect(";")),
        ("ticket_id\tsubject\tupdated_at\nT1\ta,b\t2026\n", Dialect("\t")),
        ("ticket_id|subject|updated_at\nT1|a,b|2026\n", Dialect("|")),
        ('"ticket_id","subject","updated_at"\n"T1","a ""b"", c","2026"\n', Dialect(",")),
        ("'ticket_id','subject','updated_at'\n'T1','a, b','2026'\n", Dialect(",", "'")),
        ('ticket_id,subject,updated_at\nT1,"say \\"hi\\", you",2026\n', Dialect(",", '"', "\\")),
        ("ticket_id,subject,updated_at\n", Dialect(",")),
        ("ticket_id,subject,updated_at\nT1,O'Brien,2026\nT2,ragged\n", Dialect(",")),
        ("ticket_id\nT1\n", Dialect(",")),
    ],
)
def test_detection(text: str, expected: Dialect) -> None:
    assert detect_dialect(text.splitlines(keepends=True), FIELDS) == expected


def test_without_declared_fields_the_shape_of_the_rows_decides() -> None:
    assert detect_dialect(["a;b;c\n", "1,5;2;3\n", "1;2,5;3\n"], ()) == Dialect(";")


def test_a_dialect_says_what_it_is() -> None:
    assert str(Dialect("\t", "'", "\\")) == "tab, single quotes, escaped by backslash"
