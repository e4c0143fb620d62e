"""Stray quotes swallow no row: the exporter is recognised, or the lines are set aside one by one."""

import json
from pathlib import Path
from typing import Any

import pytest

from dataflow.settings import ObjectSettings
from dataflow.sources import FetchReport
from dataflow.sources.files import delimited
from dataflow.sources.files.store import Folder
from tests.lib.deliveries import deliver_csv, parts_of, read_rows

SHOP = ObjectSettings(
    format="csv",
    path="{date}/*.csv",
    key="id",
    cursor="updated_at",
    fields={"id": "VARCHAR", "email": "VARCHAR", "name": "VARCHAR", "updated_at": "TIMESTAMPTZ"},
)
HEADER = "id,email,name,updated_at\n"
AT = "2026-03-01T10:00:00Z"


def line(number: int, name: str) -> str:
    return f"{number},{number}@x.example,{name},{AT}\n"


STRAY = line(1, '"The Shop') + line(2, "Bob") + line(3, "Cy") + line(4, 'Diner 5"') + line(5, "Eve")
ASIDE = "one of 4 lines between two quotes, with whole rows among them: stray quotes, or a value with line ends"


def read(root: Path, text: str, report: FetchReport | None = None) -> list[Any]:
    file = deliver_csv(root, text)
    return read_rows(delimited.read_exports(Folder(root), parts_of(root, file), SHOP, report or FetchReport()))


def names(rows: list[Any]) -> dict[str, str]:
    return {row["record_key"]: json.loads(row["payload"])["name"] for row in rows if row["defect"] is None}


def test_an_exporter_that_does_not_quote_is_recognised(tmp_path: Path) -> None:
    report = FetchReport()
    rows = read(tmp_path, HEADER + STRAY, report)
    assert names(rows) == {"1": '"The Shop', "2": "Bob", "3": "Cy", "4": 'Diner 5"', "5": "Eve"}
    assert report.formats == {"2026-03-01/a.csv": "utf-8, comma, no quotes"}
    assert report.notes == {"2026-03-01/a.csv": "its exporter does not quote, so quotes are read as characters"}


def test_quotes_that_are_needed_elsewhere_set_the_lines_between_stray_ones_aside(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + STRAY + line(6, '"Foe, Ltd"'))
    assert names(rows) == {"5": "Eve", "6": "Foe, Ltd"}
    assert [(row["record_key"], row["defect"]) for row in rows[:4]] == [(key, ASIDE) for key in "1234"]
    assert [row["locator"].split("=")[1] for row in rows] == ["2", "3", "4", "5", "6", "7"]
    assert json.loads(rows[1]["payload"]) == {"_raw": line(2, "Bob")}


def test_a_quoted_header_proves_that_the_exporter_quotes(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER.replace("id", '"id"') + STRAY)
    assert names(rows) == {"5": "Eve"}


def test_stray_quotes_far_from_the_beginning_are_found(tmp_path: Path) -> None:
    many = [line(number, "Ann") for number in range(10, 3000)]
    assert len(names(read(tmp_path, HEADER + "".join(many) + STRAY))) == len(many) + 5


def test_a_text_with_line_ends_is_one_value(tmp_path: Path) -> None:
    text = "two\nlines, with commas, and 2026-03-01\nand an end"
    rows = read(tmp_path, HEADER + line(1, f'"{text}"') + line(2, '"a\nb"'))
    assert names(rows) == {"1": text, "2": "a\nb"}


def test_a_first_column_with_line_ends_is_one_value(tmp_path: Path) -> None:
    text = f'name,email,id,updated_at\n"two\nlines",1@x.example,1,{AT}\n'
    [row] = read(tmp_path, text)
    assert (row["record_key"], row["defect"]) == ("1", None)


def test_a_text_cannot_forge_rows(tmp_path: Path) -> None:
    # Who writes the text of a ticket could else write a row of any other one.
    forged = f'"x,{AT}\n7,7@x.example,forged,2099-01-01T00:00:00Z\n8,,y"'
    rows = read(tmp_path, HEADER + line(1, '"Foe, Ltd"') + line(2, forged))
    assert names(rows) == {"1": "Foe, Ltd"}
    assert all(row["defect"] for row in rows[1:]) and len(rows) == 4


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    rows = read(tmp_path, (HEADER + STRAY).replace(",", delimiter))
    assert len(names(rows)) == 5


def test_a_single_stray_quote_sets_its_row_aside(tmp_path: Path) -> None:
    rows = read(tmp_path, HEADER + line(1, '"The Shop') + line(2, "Bob"))
    assert [row["defect"] for row in rows] == ["a quote is opened and not closed", None]
