"""CSV exports: what fits keeps its text, what does not is landed with its reason and its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataflow.errors import SchemaDrift, SourceMalformed
from dataflow.settings import ObjectSettings
from dataflow.sources import Drift, FetchReport, FieldInfo
from dataflow.sources.files import delimited
from dataflow.sources.files.store import Folder
from tests.lib.deliveries import TICKET, csv_text, deliver_csv, parts_of, read_rows

HEADER = "ticket_id,subject,updated_at\n"


def read(
    root: Path, text: str | bytes, declared: ObjectSettings = TICKET, report: FetchReport | None = None
) -> list[Any]:
    file = deliver_csv(root, text)
    return read_rows(delimited.read_exports(Folder(root), parts_of(root, file), declared, report or FetchReport()))


def test_a_row_keeps_its_text(tmp_path: Path) -> None:
    [row] = read(tmp_path, HEADER + "007,NA,2026-03-01 10:00:00\n")
    assert row["payload"] == '{"ticket_id":"007","subject":"NA","updated_at":"2026-03-01 10:00:00"}'
    assert row["record_key"] == "007"
    assert row["changed_at"].hour == 10
    assert row["locator"] == "2026-03-01/a.csv#line=2"
    assert row["defect"] is None


@pytest.mark.parametrize("name", ["100%", "%s", "%(a)s", 'say "so"', "a\\b", "{b}", "größe", "\x01"])
@pytest.mark.parametrize("value", ["5%", "%s", 'a "b" c', "a\\b\tc\x1f", "größe 😀 \u2028", "\n"])
def test_a_payload_is_the_json_of_its_row(tmp_path: Path, name: str, value: str) -> None:
    expected = {"ticket_id": "1", "subject": value, "updated_at": None, name: value}
    [row] = read(tmp_path, csv_text([list(expected), [text or "" for text in expected.values()]]))
    # To the byte: a row's hash is its version.
    assert row["payload"] == json.dumps(expected, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("empty", ["", '""'])
def test_an_empty_field_is_null(tmp_path: Path, empty: str) -> None:
    [row] = read(tmp_path, HEADER + f"1,{empty},2026-03-01\n")
    assert json.loads(row["payload"])["subject"] is None


def test_line_numbers_count_lines_and_not_rows(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + '1,"two\nlines",2026-03-01\n\n2,b,2026-03-01\n')
    assert [row["locator"].split("=")[1] for row in rows] == ["2", "5"]
    assert json.loads(rows[0]["payload"])["subject"] == "two\nlines"


@pytest.mark.parametrize(
    ("line", "defect", "key"),
    [
        ("1,a,b,2026-03-01\n", "4 fields where the header has 3", "1"),
        ("1,2026-03-01\n", "2 fields where the header has 3", "1"),
        ('1,"a"b,2026-03-01\n', "text after a closing quote", "1"),
        ('1,"a,2026-03-01\n', "a quote is opened and not closed", "1"),
        ("1,a", "cut off: 2 of 3 fields and no line end", "1"),
        ("1", "cut off: 1 of 3 fields and no line end", None),
        ('1,"a', "a quote is opened and not closed", "1"),
    ],
)
def test_rows_that_do_not_fit(tmp_path: Path, line: str, defect: str, key: str | None) -> None:
    rows = read(tmp_path, HEADER + "0,a,2026-03-01\n" + line)
    assert [row["defect"] for row in rows] == [None, defect]
    assert json.loads(rows[1]["payload"]) == {"_raw": line}
    assert rows[1]["record_key"] == key
    assert rows[1]["locator"].endswith("#line=3")


def test_a_quote_left_open_takes_no_other_row_with_it(tmp_path: Path) -> None:
    sound = [f"{number},a,2026-03-01\n" for number in range(5000)]
    text = HEADER + 'x,"never closed,2026-03-01\n' + "".join(sound)
    rows = read(tmp_path, text)
    assert [row["defect"] for row in rows] == ["a quote is opened and not closed"] + [None] * 5000
    assert rows[-1]["locator"].endswith("#line=5002")


def test_a_last_line_without_line_end_is_whole_when_its_fields_are(tmp_path: Path) -> None:
    [row] = read(tmp_path, HEADER + "1,a,2026-03-01")
    assert row["defect"] is None


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_an_empty_file_holds_nothing(tmp_path: Path, text: str) -> None:
    report = FetchReport()
    assert read(tmp_path, text, report=report) == []
    assert report.notes == {"2026-03-01/a.csv": "empty file"}
    assert report.rows_by_part == {"2026-03-01/a.csv": 0}


def test_a_header_alone_holds_nothing(tmp_path: Path) -> None:
    report = FetchReport()
    assert read(tmp_path, HEADER, report=report) == []
    assert not report.drift


def test_repeated_and_missing_names_hide_no_value(tmp_path: Path) -> None:
    report = FetchReport()
    text = "ticket_id,subject,subject,,updated_at\n1,a,b,c,2026-03-01\n"
    [row] = read(tmp_path, text, report=report)
    assert json.loads(row["payload"]) == {
        "ticket_id": "1", "subject": "a", "subject__2": "b", "column_4": "c", "updated_at": "2026-03-01",
    }  # fmt: skip
    assert report.drift == Drift(new=("column_4", "subject__2"))


def test_a_first_line_that_is_no_header_is_not_quoted_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(SchemaDrift, match="first line is not the header") as refused:
        read(tmp_path, "T1,Jane Roe,2026-03-01\nT2,John Doe,2026-03-02\n")
    assert "Jane" not in str(refused.value)


def test_a_header_without_the_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SchemaDrift, match="key or cursor ticket_id"):
        read(tmp_path, "number,subject,updated_at\n1,a,2026-03-01\n")


def test_set_aside_marks_every_row(tmp_path: Path) -> None:
    declared = TICKET.model_copy(update={"on_drift": "set_aside"})
    [row] = read(tmp_path, "ticket_id,updated_at,colour\n1,2026-03-01,red\n", declared)
    assert row["defect"] == "columns differ from the declaration: new colour; gone subject"
    assert json.loads(row["payload"])["colour"] == "red"


def test_bytes_of_another_encoding_mark_their_row(tmp_path: Path) -> None:
    text = (HEADER + "1,Zoë Größe,2026-03-01\n").encode() + b"2,Zo\xeb,2026-03-01\n"
    rows = read(tmp_path, text)
    assert [row["defect"] for row in rows] == [None, "bytes that are invalid in the file's encoding"]
    assert json.loads(rows[1]["payload"])["subject"] == "Zo\ufffd\\xeb"


def test_a_declared_encoding_is_not_guessed(tmp_path: Path) -> None:
    declared = TICKET.model_copy(update={"encoding": "cp437"})
    [row] = read(tmp_path, (HEADER + "1,Zoë,2026-03-01\n").encode("cp437"), declared)
    assert json.loads(row["payload"])["subject"] == "Zoë"


def test_what_is_no_text_at_all(tmp_path: Path) -> None:
    with pytest.raises(SourceMalformed, match="line 2 is longer than"):
        read(tmp_path, HEADER + "a" * 17_000_000)


def test_many_rows_come_in_several_batches(tmp_path: Path) -> None:
    text = csv_text([("ticket_id", "subject", "updated_at"), *((str(n), "a", "2026-03-01") for n in range(40_000))])
    report = FetchReport()
    file = deliver_csv(tmp_path, text)
    batches = list(delimited.read_exports(Folder(tmp_path), parts_of(tmp_path, file), TICKET, report))
    assert len(batches) > 1
    assert sum(batch.num_rows for batch in batches) == report.rows == 40_000


def test_describe_names_the_columns(tmp_path: Path) -> None:
    file = deliver_csv(tmp_path, "a;b\n1;2\n")
    assert delimited.describe(Folder(tmp_path), *parts_of(tmp_path, file), TICKET) == [
        FieldInfo("a"),
        FieldInfo("b"),
    ]
    assert delimited.describe(Folder(tmp_path), *parts_of(tmp_path, deliver_csv(tmp_path, "")), TICKET) == []


def test_describe_leans_on_the_declared_columns(tmp_path: Path) -> None:
    # By width alone the tabs of the rows would win over the semicolons of the header.
    file = deliver_csv(tmp_path, "ticket_id;subject;updated_at\n" + "1;an example\n" * 3)
    found = delimited.describe(Folder(tmp_path), *parts_of(tmp_path, file), TICKET)
    assert [one.name for one in found] == ["ticket_id", "subject", "updated_at"]
