"""A lake that is gone while the warehouse is there: doctor and the next run report it."""

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from dataflow.cli.main import run
from dataflow.run.former_lake import former_lake
from dataflow.run.session import open_run
from dataflow.settings import Settings, load_settings
from dataflow.workspace.report import list_notes


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home without a lake, whose warehouse shows publication 7."""
    settings = load_settings(home=tmp_path / "home")
    settings.home.mkdir()
    with duckdb.connect(settings.warehouse.path) as con:
        con.execute("CREATE TABLE _publication AS SELECT 7::BIGINT AS snapshot_id, 'r' AS run_id")
    return settings


def test_a_run_notes_the_new_lake_once(settings: Settings) -> None:
    with open_run(settings, "ingest") as session:
        [note] = list_notes(session.reports)
        session.conclude("landed", "nothing")
    assert "shows publication 7 of a lake that is no longer at" in note
    assert former_lake(settings) == ""
    with open_run(settings, "ingest") as session:
        assert list_notes(session.reports) == []
        session.conclude("landed", "nothing")


def test_doctor_fails_the_lake(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    run(["--home", str(settings.home), "doctor", "-o", "json"])
    found = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert not found["lake"]["is_well"]
    assert "shows publication 7" in found["lake"]["found"]


def test_without_a_readable_warehouse_there_is_nothing_to_report(settings: Settings) -> None:
    Path(settings.warehouse.path).write_text("x")
    assert former_lake(settings) == ""
    shutil.rmtree(settings.home)
    assert former_lake(settings) == ""
