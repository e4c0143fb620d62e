"""What lands from a CSV file against a dull twin: the rows that Python's csv writer was given."""

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dataflow.sources import FetchReport
from dataflow.sources.files import delimited
from dataflow.sources.files.store import Folder
from tests.lib.deliveries import TICKET, TICKET_HEADER, csv_text, deliver_csv, parts_of, read_rows

# Line ends, quotes, delimiters and separators of other kinds are where parsers part ways. Windows-1252 has these all.
TRICKY = st.sampled_from([*"\"',;\t|\\\n\r aäß€01-", "\r\n", '""', "NA", "null", "007", "\u00a0", "’"])
TEXT = st.lists(TRICKY, max_size=8).map("".join) | st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]))
KEY = st.text("0123456789abc", min_size=1, max_size=6)
ROW = st.tuples(KEY, TEXT, st.sampled_from(["2026-03-01", "2026-03-01 10:00:00", "soon", ""]))
DIALECT = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t|"),
        "quoting": st.sampled_from([0, 1]),
        "lineterminator": st.sampled_from(["\r\n", "\r\n", "\n"]),
    }
)
# Without a mark a text this short may as well be of a third encoding; with one, or in UTF-8, nothing is to be guessed.
ENCODING = st.sampled_from(["utf-8", "utf-8-sig", "utf-16"])


def land_file(text: str, encoding: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        file = deliver_csv(root, text, encoding=encoding)
        return read_rows(delimited.read_exports(Folder(root), parts_of(root, file), TICKET, FetchReport()))


@given(rows=st.lists(ROW, max_size=12), dialect=DIALECT, encoding=ENCODING)
def test_what_was_written_is_what_lands(
    rows: list[tuple[str, str, str]], dialect: dict[str, Any], encoding: str
) -> None:
    if dialect["lineterminator"] == "\n":
        # The writer then leaves a carriage return bare, and what it wrote can no longer be told from two lines.
        dialect = {**dialect, "quoting": 1}
    landed = land_file(csv_text([TICKET_HEADER, *rows], **dialect), encoding)
    twin = [{name: value or None for name, value in zip(TICKET_HEADER, row, strict=True)} for row in rows]
    assert [json.loads(row["payload"]) for row in landed] == twin
    assert [row["record_key"] for row in landed] == [row[0] for row in rows]
    assert {row["defect"] for row in landed} <= {None}
    assert [row["changed_at"] is not None for row in landed] == [row[2].startswith("2026") for row in rows]


@given(
    rows=st.lists(ROW, max_size=12),
    breaks=st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(['x,"open', "x", "x,y,z,w", '"x"y,1,2'])), max_size=4
    ),
)
def test_broken_lines_are_kept_and_break_no_other(
    rows: list[tuple[str, str, str]], breaks: list[tuple[int, str]]
) -> None:
    # Values without quotes and line ends: only then is a line a row, and the twin can be this dull.
    plain = [tuple("".join(c for c in value if c.isalnum()) for value in row) for row in rows]
    lines = [",".join(row) for row in plain]
    for place, line in breaks:
        lines.insert(min(place, len(lines)), line)
    landed = land_file("\n".join([",".join(TICKET_HEADER), *lines, ""]), "utf-8")
    broken = {line for _, line in breaks}
    assert len(landed) == len(lines)
    for line, row in zip(lines, landed, strict=True):
        payload = json.loads(row["payload"])
        if line in broken:
            assert payload == {"_raw": line + "\n"} and row["defect"]
        else:
            assert [value or "" for value in payload.values()] == line.split(",") and row["defect"] is None


NAMES = st.sampled_from(["Ann", '"The Shop', 'Diner 5"', '"Best" Foods', '"Quoted"', 'in "the" middle', '"', '""', ""])


@given(
    names=st.lists(NAMES, min_size=1, max_size=12),
    quoted=st.lists(st.sampled_from(['"a, b"', '"two\nlines"', '"says ""so"", twice"']), max_size=2),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\r\n", "\n", "\r"]),
    encoding=st.sampled_from([*["utf-8", "utf-8-sig", "utf-16"], "utf-16-le"]),
)
def test_stray_quotes_lose_no_row(
    names: list[str], quoted: list[str], delimiter: str, line_end: str, encoding: str
) -> None:
    """Each row is there with its own name, or set aside; no value holds a row."""
    written = [*(name.replace(", ", delimiter) for name in quoted), *names]
    lines = [delimiter.join([f"k{number}", name, "2026-03-01"]) for number, name in enumerate(written)]
    text = line_end.join([delimiter.join(TICKET_HEADER), *(line.replace("\n", line_end) for line in lines), ""])
    landed = land_file(text, encoding)
    keys = {row["record_key"] for row in landed if row["defect"] is None}
    aside = "".join(json.loads(row["payload"])["_raw"] for row in landed if row["defect"])
    for number in range(len(written)):
        assert (f"k{number}" in keys) != (f"k{number}{delimiter}" in aside)
    for row in landed:
        if row["defect"] is None:
            assert f"{delimiter}2026-03-01" not in (json.loads(row["payload"])["subject"] or "")


BITS = st.lists(st.sampled_from([*"\"',;\t| aä€", '""', '","', ",", ",2026-03-01", "\\", "\r"]), max_size=6).map(
    "".join
)


@given(
    around=st.lists(st.tuples(BITS, BITS), max_size=15),
    line_end=st.sampled_from(["\r\n", "\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    is_ended=st.booleans(),
)
def test_every_line_is_in_one_row_however_it_is_quoted(
    around: list[tuple[str, str]], line_end: str, encoding: str, is_ended: bool
) -> None:
    """Lines of any text, rows or not: what each holds is in one row, whole or set aside, and in no other."""
    marks = [f"k{number}x" for number in range(len(around))]
    lines = [f"{before}{mark}{after}" for mark, (before, after) in zip(marks, around, strict=True)]
    text = line_end.join([",".join(TICKET_HEADER), *lines]) + line_end * is_ended
    payloads = [row["payload"] for row in land_file(text, encoding)]
    assert {mark: sum(payload.count(mark) for payload in payloads) for mark in marks} == dict.fromkeys(marks, 1)
