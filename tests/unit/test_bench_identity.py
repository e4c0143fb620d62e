"""`dataflow bench identity`: the records it makes, each step on a small size, and what its figures say."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from dataflow.bench.identity import TARGETS, IdentityFigures, IdentityTarget, growth, judge_identity
from dataflow.bench.people import write_people
from dataflow.cli.main import run
from dataflow.tables.resolved import MATCH_RECORD


def figures(step: str, existing: int, seconds: float, *, added: int = 0, memory: int = 0) -> IdentityFigures:
    return IdentityFigures(
        step=step, existing=existing, added=added, seconds=seconds, cpu_seconds=seconds, peak_rss_bytes=memory
    )


def test_each_step_is_measured_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "identity", "--sizes", "1500", "--added", "300", "-o", "json"]) == 0
    measured = {f["step"]: f for f in json.loads(capsys.readouterr().out)["figures"]}
    assert set(measured) == {"all at once", "clusters", "deletion", "judgement", "increment"}
    # six hundred people of whom one in a hundred is hardly known, and some of whom are taken for two
    assert 550 < measured["all at once"]["counts"]["customers"] < 800
    assert measured["increment"]["added"] == 300
    assert measured["increment"]["counts"]["region"] > 300
    assert 0 < measured["deletion"]["counts"]["region"] < 20
    assert 0 < measured["judgement"]["counts"]["region"] < 20


def test_the_records_are_those_of_the_table_and_always_the_same(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        write_people(con, tmp_path / "whole.parquet", start=0, count=400, known=400)
        write_people(con, tmp_path / "part.parquet", start=100, count=50, known=400)
        found = con.execute(f"DESCRIBE FROM '{tmp_path}/whole.parquet'").fetchall()
        assert [row[0] for row in found] == [name for name in MATCH_RECORD.column_names if name != "_run_id"]
        shared = f"SELECT count(*) FROM (FROM '{tmp_path}/part.parquet' INTERSECT FROM '{tmp_path}/whole.parquet')"
        assert con.execute(shared).fetchall() == [(50,)]
        assert con.execute(f"SELECT count(DISTINCT record_id) FROM '{tmp_path}/whole.parquet'").fetchall() == [(400,)]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.step} on {target.existing}")
def test_targets(target: IdentityTarget) -> None:
    memory = target.peak_rss_bytes or 0
    given = {"added": target.added}
    assert judge_identity(figures(target.step, target.existing, target.seconds, memory=memory, **given))[:3] == "met"
    assert judge_identity(figures(target.step, target.existing, target.seconds + 1, **given))[:6] == "MISSED"
    if memory:
        big = figures(target.step, target.existing, target.seconds, memory=memory + 1, **given)
        assert judge_identity(big)[:6] == "MISSED"


def test_no_target_no_judgement() -> None:
    assert judge_identity(figures("increment", 5_000, 1.0, added=100)) == ""


def test_growth_is_told_between_the_smallest_and_the_largest() -> None:
    found = [figures("increment", 10**6, 40.0), figures("increment", 10**4, 0.4), figures("deletion", 10**4, 1.0)]
    assert growth(found) == pytest.approx({"increment": 1.0})
