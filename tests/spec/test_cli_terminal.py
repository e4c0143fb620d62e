"""Values, headings, reasons and messages that a terminal or Rich would act on: each command shows them as they are."""

import json
import shutil
import unicodedata
from pathlib import Path

import pytest

from dataflow.access.lake import open_lake
from dataflow.cli.main import run
from dataflow.settings import load_settings
from lakehouse.table import literal

NASTY = "x\\[/foo]a:x:b\x1b[2J\x9b\u202e"
SHOWN = r"x\[/foo]a:x:b\x1b[2J\x9b\u202e"
# What a lake may have been given from outside, table by table.
UPDATES = {
    "ops.run": ("message",),
    "ops.dead_letters": ("reason", "locator", "payload", "rule"),
    "ops.watermark": ("object",),
    "conformed.customer_record": ("given_name", "city"),
    "published.segments": ("segment_name",),
}


@pytest.fixture(scope="module")
def nasty_home(second_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose texts are all of that kind, and whose source has such a field."""
    home = tmp_path_factory.mktemp("nasty") / "home"
    shutil.copytree(second_day, home)
    page = max((home / "sample/salesforce/Contact").glob("*/page-*.json"))
    told = json.loads(page.read_text())
    told["records"][0][NASTY] = "v"
    page.write_text(json.dumps(told))
    with open_lake(load_settings(home=home), purpose="test") as lake:
        for table, columns in UPDATES.items():
            assignments = ", ".join(f"{column} = {literal(NASTY)}" for column in columns)
            lake.transact(
                lambda con, table=table, change=assignments: con.execute(f"UPDATE lake.{table} SET {change}"),
                author="test",
                run_id="test",
                message=NASTY,
            )
    return home


def show(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, code: int = 0) -> str:
    """Run a command; what it printed, which holds no control character but the line feed."""
    capsys.readouterr()
    assert run(["--home", str(home), *arguments]) == code
    told = capsys.readouterr()
    printed = told.out + told.err
    assert {c for c in printed if unicodedata.category(c) == "Cc"} == {"\n"}
    assert "\u202e" not in printed
    return printed


@pytest.mark.parametrize(
    ("arguments", "times"),
    [
        (["query", f'select {literal(NASTY)} as "{NASTY}"'], 2),
        (["query", "select segment_name from published.segments limit 3"], 3),
        (["status"], 2),
        (["dlq", "list", "--limit", "2"], 4),
        (["dlq", "count"], 1),
        (["drift", "list"], 1),
        (["review", "show", "{pair}"], 4),
    ],
    ids=["a value and a heading", "names", "status", "dlq list", "dlq count", "drift", "a pair"],
)
def test_what_comes_from_outside(
    arguments: list[str], times: int, nasty_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "{pair}" in arguments:
        arguments = ["review", "show", first(capsys, nasty_home, "pair_id", "review", "list")]
    printed = show(capsys, nasty_home, *arguments)
    assert printed.count(SHOWN) >= times, printed


def first(capsys: pytest.CaptureFixture[str], home: Path, column: str, *arguments: str) -> str:
    """A column of the first row that a command answers."""
    capsys.readouterr()
    assert run(["--home", str(home), *arguments, "-o", "json"]) == 0
    return str(json.loads(capsys.readouterr().out)[0][column])


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["query", f"select {NASTY}"], 2),
        (["query", f'select "{NASTY}" from published.segments'], 2),
        (["dlq", "show", NASTY], 2),
        (["review", "show", NASTY], 2),
        (["plan", "--source", NASTY], 2),
        (["query", "--as-of", NASTY, "select 1"], 2),
        (["--config", f"{NASTY}.toml", "status"], 2),
    ],
    ids=["syntax", "column", "dead letter", "pair", "source", "time", "configuration"],
)
def test_errors(arguments: list[str], code: int, nasty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Error: " in show(capsys, nasty_home, *arguments, code=code)


def test_a_dead_letter_shown_whole(nasty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    letter = first(capsys, nasty_home, "id", "dlq", "list")
    printed = show(capsys, nasty_home, "dlq", "show", letter)
    assert printed.count(SHOWN) == 3
    assert show(capsys, nasty_home, "dlq", "discard", letter, "--why", NASTY, "--who", NASTY)


def test_programs_get_the_data_itself(nasty_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = f"select {literal(NASTY)} as value"
    assert first(capsys, nasty_home, "value", "query", sql) == NASTY
    assert run(["--home", str(nasty_home), "query", sql, "-o", "csv"]) == 0
    assert capsys.readouterr().out == f"value\n{NASTY}\n"
