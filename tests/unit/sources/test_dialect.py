"""How a delimited text is written is seen from its first lines."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dataflow.sources.files.dialect import Dialect, detect_dialect
from lakehouse.connect import connect

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
        ("\n;;\nticket_id;subject;updated_at\nT1;a,b,c,d;2026\n", Dialect(";")),
    ],
)
def test_detection(text: str, expected: Dialect) -> None:
    assert detect_dialect(text.splitlines(keepends=True), FIELDS) == expected


def test_without_declared_fields_the_shape_of_the_rows_decides() -> None:
    assert detect_dialect(["a;b;c\n", "1,5;2;3\n", "1;2,5;3\n"], ()) == Dialect(";")


def test_a_dialect_says_what_it_is() -> None:
    assert str(Dialect("\t", "'", "\\")) == "tab, single quotes, escaped by backslash"


def test_the_parser_of_python_and_that_of_duckdb_read_a_dialect_alike() -> None:
    rows = [["a", "b"], ["it's", 'say "hi", |;'], ["", "x"]]
    for dialect in (Dialect(), Dialect(";"), Dialect("|", "'"), Dialect("\t", '"', "\\")):
        mark, quote = dialect.delimiter, dialect.quote
        escaped = (dialect.escape or quote) + quote
        text = "".join(mark.join(quote + cell.replace(quote, escaped) + quote for cell in row) + "\n" for row in rows)
        assert list(dialect.reader(text.splitlines(keepends=True))) == rows
        with TemporaryDirectory() as folder, connect() as con:
            file = Path(folder) / "table.csv"
            file.write_text(text)
            options = ", ".join(f"{name} = {value}" for name, value in dialect.duckdb_options().items())
            found = con.execute(f"FROM read_csv('{file}', header = false, all_varchar = true, {options})").fetchall()
        assert [[cell or "" for cell in row] for row in found] == rows
