"""`dataflow check` and `dataflow backfill`: what was lost is found, told, and had again."""

import json

import pytest

from dataflow.access.lake import open_lake
from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.settings import Settings
from tests.lib.homes import NOW, lake_state

RAW = "raw.salesforce_contact"


def lose_rows(settings: Settings) -> int:
    """Take rows out of raw behind the pipeline's back; returns how many."""
    with open_lake(settings, purpose="test") as lake:
        where = f"_record_key IN (SELECT _record_key FROM lake.{RAW} ORDER BY _record_key LIMIT 3)"
        delete = f"DELETE FROM lake.{RAW} WHERE {where}"
        [(lost,)], _ = lake.transact(lambda con: con.execute(delete).fetchall(), author="", run_id="", message="test")
    return int(lost)


def told_gaps(settings: Settings, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, int]]:
    capsys.readouterr()
    assert run(["--home", str(settings.home), "status", "-o", "json"]) == 0
    return [(gap["object"], gap["missing"]) for gap in json.loads(capsys.readouterr().out)["gaps"]]


REPAIRS = [["run", "--ingest-only"], ["backfill", "--from", "2026-01-01", "--to", "2026-01-02", "--window", "1d"]]


def test_what_is_lost_is_found_told_and_had_again(published: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    home = ["--home", str(published.home)]
    assert run([*home, "check", "--now", NOW]) == 0
    answer = " ".join(capsys.readouterr().out.split())
    assert "Complete: 8 objects compared with their sources, which hold" in answer
    assert "(a source of kind files cannot be asked for its keys)" in answer
    whole = lake_state(published)[RAW]
    for repair in REPAIRS:
        lost = lose_rows(published)
        assert lost
        assert run([*home, "check", "--now", NOW]) == 4
        told = capsys.readouterr()
        assert "Partial" in told.out
        assert "rows of the source are not in raw" in told.err
        # One of the records has a second version, which came on the second day.
        gaps = told_gaps(published, capsys)
        assert {name for name, _ in gaps} == {"contact"}
        assert sum(missing for _, missing in gaps) == lost
        assert run([*home, *repair, "--now", NOW]) == 0
        assert told_gaps(published, capsys) == []
        assert lake_state(published)[RAW].split(" rows")[0] == whole.split(" rows")[0]
    con = open_published(published)
    statuses = [row[0] for row in con.execute("SELECT status FROM ops.run ORDER BY run_id").fetchall()]
    con.close()
    assert statuses == ["published", "complete", "partial", "landed", "partial", "published"]
