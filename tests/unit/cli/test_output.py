"""Answers for people and for programs."""

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from dataflow.cli.options import Output
from dataflow.cli.output import write_records, write_rows

COLUMNS = ["name", "n", "at", "tags"]
ROWS = [
    ("a[b]", Decimal("1234.50"), datetime(2026, 1, 1, tzinfo=UTC), ["x", "y"]),
    (None, None, None, None),
]


def test_json_keeps_names_and_nulls(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(COLUMNS, ROWS, output=Output.JSON)
    first, second = json.loads(capsys.readouterr().out)
    assert first == {"name": "a[b]", "n": "1234.50", "at": "2026-01-01T00:00:00+00:00", "tags": ["x", "y"]}
    assert second == dict.fromkeys(COLUMNS)


def test_json_has_no_number_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(name)

    nan, inf = float("nan"), float("inf")
    write_rows(["a", "b", "c"], [(nan, [inf, 1.5], {date(2026, 1, 1): -inf, 2: True})], output=Output.JSON)
    [row] = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert row == {"a": "nan", "b": ["inf", 1.5], "c": {"2026-01-01": "-inf", "2": True}}
    write_rows(["a", "b"], [(nan, [inf])], output=Output.CSV)
    assert capsys.readouterr().out == 'a,b\nnan,"[""inf""]"\n'


def test_json_never_loses_a_column() -> None:
    with pytest.raises(ValueError, match="one name"):
        write_rows(["a", "a"], [(1, 2)], output=Output.JSON)


def test_csv_can_be_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(COLUMNS, ROWS, output=Output.CSV)
    read = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert read == [COLUMNS, ["a[b]", "1234.50", "2026-01-01T00:00:00+00:00", '["x", "y"]'], ["", "", "", ""]]


def test_a_terminal_obeys_nothing_of_a_csv(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("\x1b[2J\x07", "a\nb")]
    write_rows(["x", "y"], rows, output=Output.CSV)
    assert list(csv.reader(io.StringIO(capsys.readouterr().out))) == [["x", "y"], list(rows[0])]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    write_rows(["x", "y"], rows, output=Output.CSV)
    assert capsys.readouterr().out == 'x,y\n\\x1b[2J\\x07,"a\nb"\n'


def test_a_table_shows_brackets_and_groups_digits(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(["name", "n", "day"], [("a[b]", 1234567, date(2026, 1, 1))], output=Output.TABLE, title="Things")
    shown = capsys.readouterr().out
    assert "Things" in shown
    assert "a[b]" in shown
    assert "1,234,567" in shown
    assert "2026-01-01" in shown


def test_no_records_are_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    write_records([], output=Output.TABLE, title="Dead letters")
    assert capsys.readouterr().out.strip() == "Dead letters none"
    write_records([], output=Output.JSON)
    assert json.loads(capsys.readouterr().out) == []
