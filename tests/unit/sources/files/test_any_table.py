"""Tables of one's own in whatever encoding and dialect, and those that cannot be read."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import DataFlowError, SourceMalformed, SourceMissing, UsageError
from dataflow.sources.files.any_table import load_table

ROWS = "Näme,Ort\nJörg,Bünde\nZoë,Łódź\n"


def loaded(path: Path) -> tuple[list[str], list[tuple[object, ...]]]:
    with duckdb.connect() as con:
        headings = load_table(con, path, doing="Reading", into="read")
        return headings, con.execute('SELECT * EXCLUDE ("row number") FROM read ORDER BY "row number"').fetchall()


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode(),
        ("\ufeff" + ROWS).encode(),
        ROWS.encode("utf-16"),
        ROWS.replace(",", ";").encode(),
        ROWS.replace(",", "\t").encode("utf-16-le"),
        ROWS.replace("\n", "\r\n").encode(),
        ("\n\n" + ROWS).encode(),
        ("\n,\n" + ROWS).encode(),
        gzip.compress(ROWS.encode()),
        gzip.compress(ROWS.encode("utf-16")),
        ROWS.replace("Łódź", '"Łódź"').encode(),
    ],
    ids=[
        "utf-8",
        "mark",
        "utf-16",
        "semicolon",
        "tab, utf-16 without mark",
        "crlf",
        "blank lines",
        "lines of delimiters",
        "gzip",
        "gzip, utf-16",
        "quoted",
    ],
)
def test_encodings_and_dialects(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    assert loaded(path) == (["Näme", "Ort"], [("Jörg", "Bünde"), ("Zoë", "Łódź")])


@pytest.mark.parametrize(
    ("content", "headings", "rows"),
    [
        ("Näme;Ort\nJörg;Bünde\n".encode("cp1252"), ["Näme", "Ort"], [("Jörg", "Bünde")]),
        # one byte that does not fit is shown, and the rest is not mistaken for another encoding
        ("a,b\nü,1\nö,2\n".encode() + b"\xff,3\n", ["a", "b"], [("ü", "1"), ("ö", "2"), ("�\\xff", "3")]),
        (b"Name,name,,x\n1,2,3,4\n", ["Name", "name again", "column 3", "x"], [("1", "2", "3", "4")]),
        (b"a,b\n1\n2,\n", ["a", "b"], [("1", None), ("2", None)]),
        (b'a,b\n"two\nlines, ""quoted""",2\n', ["a", "b"], [('two\nlines, "quoted"', "2")]),
        (b"name\nAnn\n", ["name"], [("Ann",)]),
        (b"a,b\n", ["a", "b"], []),
        (b"\nann@x.example,Dover\nbob@x.example,\n", ["column 1", "column 2"],
         [("ann@x.example", "Dover"), ("bob@x.example", None)]),
        (b"Ann,1980-02-03\n", ["column 1", "column 2"], [("Ann", "1980-02-03")]),
        (b"a,20260101\nx,10\ny,\n", ["a", "20260101"], [("x", "10"), ("y", None)]),
        (b"a,b,,c@x.example\nd,,e\n", ["column 1", "column 2", "column 3", "column 4"],
         [("a", "b", None, "c@x.example"), ("d", None, "e", None)]),
    ],
    ids=["windows-1252", "bad byte", "repeated headings", "short rows", "line end inside", "one column", "no rows",
         "no headings", "no headings and one row", "a date that heads a column", "no headings, sparse"],
)  # fmt: skip
def test_what_is_read(tmp_path: Path, content: bytes, headings: list[str], rows: list[tuple[object, ...]]) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(content)
    assert loaded(path) == (headings, rows)


def test_numbers_that_went_through_a_data_frame_are_whole_again(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"zip": [12345.0, float("nan"), None], "share": [0.5, 1.0, 2.0]}), path)
    assert loaded(path) == (["zip", "share"], [("12345", "0.5"), (None, "1"), (None, "2")])


@pytest.mark.parametrize(
    ("name", "content", "error", "words"),
    [
        ("table.csv", None, SourceMissing, "does not exist"),
        ("table.xlsx", b"x", UsageError, "should end in"),
        ("table.csv", b"", SourceMalformed, "is empty"),
        ("table.parquet", b"not parquet", SourceMalformed, "cannot be read as PARQUET"),
        ("table.csv", b"a,b\n1,2\n1,2,3\n", SourceMalformed, "line 3"),
        ("table.csv", b'a,b\n1,2\n"open,2\n3,4\n', SourceMalformed, "never closed"),
    ],
)
def test_what_cannot_be_read(
    tmp_path: Path, name: str, content: bytes | None, error: type[DataFlowError], words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=words):
        loaded(path)


SHOPS = (
    'id,company,city\n1,"The Shop,Dover\n2,Bob Foods,Salem\n3,Cy Tools,Clinton\n4,Diner 5",Bristol\n5,Eve Media,Dover\n'
)


def test_stray_quotes_swallow_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(SHOPS)
    _, rows = loaded(path)
    assert [row[1] for row in rows] == ['"The Shop', "Bob Foods", "Cy Tools", 'Diner 5"', "Eve Media"]


def test_stray_quotes_beside_quotes_that_are_needed_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(SHOPS + '6,"Foe, Ltd",Dover\n')
    with pytest.raises(SourceMalformed, match=r"1 values hold lines that are rows by themselves.* in row 1"):
        loaded(path)


@pytest.mark.parametrize(
    "text",
    [
        'id,note\n1,"Please help\nBest, Bob"\n2,x\n',
        'name,note\nAnn,"Please help\nBest, Bob"\nBen,x\n',
        'id,note,place\n1,"a, b\nc, d, e\nf, g",Dover\n2,x,Kiel\n',
    ],
)
def test_texts_with_line_ends_stay_whole(tmp_path: Path, text: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    assert len(loaded(path)[1]) == 2


def test_a_row_that_a_quote_leaves_open_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('id,note\n1,x\n2,"open\n3,y\n')
    with pytest.raises(SourceMalformed, match="of 3 lines with values"):
        loaded(path)
