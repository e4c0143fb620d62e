"""CSV exports as they come: encodings, dialects, line ends. The same three tickets land from each of them."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataflow.errors import SourceMalformed
from dataflow.settings import Settings
from dataflow.sources.files.any_table import load_table
from tests.lib.deliveries import (
    TICKET,
    TICKET_HEADER,
    company,
    csv_text,
    deliver_csv,
    land,
    left_alone,
    opened,
    raw_rows,
)

TICKETS = [
    ["007", 'says "NA", twice\nand again', "2026-03-01 10:00:00"],
    ["008", "Größe für Zoë; à bientôt", "2026-03-01 11:00:00"],
    ["009", "NA", "2026-03-01 12:00:00"],
]
SUBJECT_LAST = TICKET.model_copy(
    update={"fields": {"ticket_id": "VARCHAR", "updated_at": "TIMESTAMPTZ", "subject": "VARCHAR"}}
)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"]
DIALECTS: dict[str, dict[str, Any]] = {
    "comma": {},
    "semicolon": {"delimiter": ";"},
    "tab": {"delimiter": "\t"},
    "bar": {"delimiter": "|"},
    "everything quoted": {"quoting": 1},
    "line feeds": {"lineterminator": "\n"},
    "backslash escapes": {"doublequote": False, "escapechar": "\\"},
    "single quotes": {"quotechar": "'", "quoting": 1},
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_in_every_dialect(tmp_path: Path, encoding: str) -> None:
    settings = company(tmp_path)
    for number, dialect in enumerate(DIALECTS.values(), start=1):
        text = csv_text([TICKET_HEADER, *TICKETS], **dialect)
        deliver_csv(tmp_path / "desk", text, encoding=encoding, day=f"2026-03-0{number}")
    with opened(settings) as lake:
        reports = land(lake, settings, source="desk")
        landed = raw_rows(lake, "desk_ticket", "_record_key, _defect, payload")
    assert [report.facts["defects"] for report in reports] == [0] * len(DIALECTS)
    # All files hold the same rows, so that each row is in raw once, whatever it was wrapped in.
    expected = [(row[0], None, dict(zip(TICKET_HEADER, row, strict=True))) for row in TICKETS]
    assert [(key, defect, json.loads(payload)) for key, defect, payload in landed] == expected


@pytest.mark.parametrize("line", ["sep=;", '"sep=;"', "SEP=;"])
@pytest.mark.parametrize("quoting", [0, 1])
def test_a_spreadsheets_line_that_names_the_delimiter_is_no_header(tmp_path: Path, line: str, quoting: int) -> None:
    settings = company(tmp_path)
    file = deliver_csv(
        tmp_path / "desk", f"{line}\r\n" + csv_text([TICKET_HEADER, *TICKETS], delimiter=";", quoting=quoting)
    )
    with opened(settings) as lake:
        land(lake, settings, source="desk")
        landed = raw_rows(lake, "desk_ticket", "_record_key, _defect, _locator")
    assert landed == [
        (key, None, f"2026-03-01/{file.name}#line={at}") for key, at in (("007", 3), ("008", 5), ("009", 6))
    ]
    con = duckdb.connect()
    assert load_table(con, file, doing="Reading", into="t") == list(TICKET_HEADER)
    assert con.execute("SELECT c0 FROM t ORDER BY 1").fetchall() == [("007",), ("008",), ("009",)]


@pytest.mark.parametrize(
    ("text", "rows", "defects"),
    [
        ("", 0, []),
        ("ticket_id,subject,updated_at", 0, []),
        ("ticket_id,subject,updated_at\n", 0, []),
        ("ticket_id,subject,updated_at\n1,a,2026-03-01", 1, []),
        ("ticket_id,subject,updated_at\r\n1,a,2026-03-01\r\n\r\n", 1, []),
        ("ticket_id,subject,updated_at\n1,a,2026-03-01\n2,b,20", 2, []),
        ("ticket_id,subject,updated_at\n1,a,2026-03-01\n2,b", 2, ["cut off: 2 of 3 fields and no line end"]),
        ("ticket_id,subject,updated_at\n1,a,2026-03-01\n2", 2, ["cut off: 1 of 3 fields and no line end; no key"]),
        ("ticket_id,subject,updated_at\n1,a,2026-03-01\n,b,2026-03-01\n", 2, ["no key"]),
        ("ticket_id,subject,updated_at\n1,a,b,2026-03-01\n2,b,2026-03-01\n", 2, ["4 fields where the header has 3"]),
        ('ticket_id,subject,updated_at\n1,"a,2026-03-01\n2,b,2026-03-01\n', 2, ["a quote is opened and not closed"]),
    ],
)
def test_what_an_export_may_look_like(tmp_path: Path, text: str, rows: int, defects: list[str]) -> None:
    settings = company(tmp_path)
    left_alone(deliver_csv(tmp_path / "desk", text))
    with opened(settings) as lake:
        [report] = land(lake, settings, source="desk")
        landed = raw_rows(lake, "desk_ticket", "_defect")
    assert (report.rows_in, len(landed)) == (rows, rows)
    assert [defect for (defect,) in landed if defect] == defects


WHOLE = "ticket_id,subject,updated_at\n1,a,2026-03-01\n"


def landed_subjects(settings: Settings, number: int) -> list[str]:
    with opened(settings) as lake:
        land(lake, settings, number=number, source="desk")
        return [json.loads(payload)["subject"] for (payload,) in raw_rows(lake, "desk_ticket", "payload")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16"])
def test_a_last_line_without_line_end_waits_until_it_is_whole(tmp_path: Path, encoding: str) -> None:
    settings = company(tmp_path, ticket=SUBJECT_LAST)
    header = "ticket_id,updated_at,subject\n"
    for number, (cut, subjects) in enumerate(
        [
            (header + "1,2026-03-01,whole\n2,2026-03-01,cut of", ["whole"]),
            (header + "1,2026-03-01,whole\n2,2026-03-01,cut off here\n", ["whole", "cut off here"]),
        ],
        start=1,
    ):
        deliver_csv(tmp_path / "desk", cut, encoding=encoding)
        assert landed_subjects(settings, number) == subjects


def test_a_last_line_is_whole_when_the_file_has_not_changed(tmp_path: Path) -> None:
    settings = company(tmp_path)
    deliver_csv(tmp_path / "desk", WHOLE + "2,b,2026-03-01")
    assert landed_subjects(settings, 1) == ["a"]
    assert landed_subjects(settings, 2) == ["a", "b"]
    assert landed_subjects(settings, 3) == ["a", "b"]


def test_a_waiting_last_line_is_noted(tmp_path: Path) -> None:
    settings = company(tmp_path)
    deliver_csv(tmp_path / "desk", WHOLE + '2,"two\nlin')
    with opened(settings) as lake:
        [report] = land(lake, settings, source="desk")
    assert report.facts["notes"] == [
        "2026-03-01/a.csv: it was just written and its last line has no line end: the next run reads that line"
    ]
    assert (report.rows_in, report.facts["defects"]) == (1, 0)


def test_what_is_packed_does_not_wait(tmp_path: Path) -> None:
    settings = company(tmp_path)
    deliver_csv(tmp_path / "desk", gzip.compress((WHOLE + "2,b,2026-03-01").encode()))
    assert landed_subjects(settings, 1) == ["a", "b"]


def test_a_zip_archive_is_named_as_one(tmp_path: Path) -> None:
    settings = company(tmp_path)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.csv", WHOLE)
    deliver_csv(tmp_path / "desk", content.getvalue())
    with opened(settings) as lake, pytest.raises(SourceMalformed, match="it is a ZIP archive"):
        land(lake, settings, source="desk")


def test_folders_named_by_field_and_value_are_fields(tmp_path: Path) -> None:
    declared = TICKET.model_copy(
        update={
            "path": "year=*/month=*/*.csv",
            "key": "ticket_id, year",
            "fields": {**TICKET.fields, "year": "BIGINT", "month": "VARCHAR"},
        }
    )
    settings = company(tmp_path, ticket=declared)
    for number, month in enumerate(("03", "a%20%25", "__HIVE_DEFAULT_PARTITION__"), start=1):
        text = WHOLE.replace("1,a", f"{number},a")
        deliver_csv(tmp_path / "desk", text, day=f"year=2026/month={month}")
    with opened(settings) as lake:
        [report] = land(lake, settings, source="desk")
        landed = raw_rows(lake, "desk_ticket", "_record_key, _defect, payload")
    assert "drift" not in report.facts
    assert {(key, defect) for key, defect, _ in landed} == {(f"{number}|2026", None) for number in (1, 2, 3)}
    months = [json.loads(payload)["month"] for *_, payload in landed]
    assert sorted(months, key=str) == ["03", None, "a %"]
    assert {json.loads(payload)["year"] for *_, payload in landed} == {"2026"}
