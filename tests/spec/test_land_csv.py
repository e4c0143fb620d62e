"""CSV exports as they come: encodings, dialects, line ends. The same three tickets land from each of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.lib.deliveries import TICKET_HEADER, company, csv_text, deliver_csv, land, opened, raw_rows

TICKETS = [
    ["007", 'says "NA", twice\nand again', "2026-03-01 10:00:00"],
    ["008", "Größe für Zoë; à bientôt", "2026-03-01 11:00:00"],
    ["009", "NA", "2026-03-01 12:00:00"],
]
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
    deliver_csv(tmp_path / "desk", text)
    with opened(settings) as lake:
        [report] = land(lake, settings, source="desk")
        landed = raw_rows(lake, "desk_ticket", "_defect")
    assert (report.rows_in, len(landed)) == (rows, rows)
    assert [defect for (defect,) in landed if defect] == defects
