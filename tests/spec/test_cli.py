"""What each command answers, on a lake of two small days."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from dataflow.access import statements
from dataflow.cli.main import run
from dataflow.settings import Settings, load_settings
from tests.lib.homes import LATER, NOW, lake_state, make_sample, newest_snapshot, published_hash
from tests.lib.modes import modes_below


@pytest.fixture
def own_copy(second_day: Path, tmp_path: Path) -> Settings:
    """A copy of both days, to change."""
    shutil.copytree(second_day, tmp_path / "home")
    return load_settings(home=tmp_path / "home")


def answer(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, code: int = 0) -> Any:
    """Run a command with `-o json` and return what it answered."""
    capsys.readouterr()
    assert run(["--home", str(home), *arguments, "-o", "json"]) == code
    return json.loads(capsys.readouterr().out)


def snapshots_of(capsys: pytest.CaptureFixture[str], home: Path) -> list[int]:
    """The snapshots that publications made, oldest first."""
    sql = "select snapshot_id from ducklake_snapshots('lake') where commit_message = 'daily: published' order by 1"
    return [row["snapshot_id"] for row in answer(capsys, home, "query", sql)]


class TestRun:
    def test_twice_publishes_nothing_and_says_so(self, own_copy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        before = published_hash(own_copy.home)
        told = answer(capsys, own_copy.home, "run", "--now", LATER)
        assert told["status"] == "unchanged"
        assert [step["stage"] for step in told["steps"] if step["inserted"] + step["updated"] + step["deleted"]] == []
        assert told["report_page"] is None
        assert published_hash(own_copy.home) == before

    def test_landing_and_publishing_apart_is_the_same_as_together(
        self, first_day: Path, second_day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        home = tmp_path / "home"
        shutil.copytree(first_day, home)
        landed = answer(capsys, home, "run", "--ingest-only", "--now", LATER)
        # The page is of what is published: a run every few minutes need not draw it.
        assert (landed["status"], landed["report_page"]) == ("landed", None)
        assert published_hash(home) == published_hash(first_day)
        assert answer(capsys, home, "run", "--publish-only", "--now", LATER)["status"] == "published"
        assert published_hash(home) == published_hash(second_day)

    def test_rows_add_up_at_every_stage(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        sql = "select steps from ops.run where status = 'published'"
        for row in answer(capsys, second_day, "query", sql):
            for step in json.loads(row["steps"]):
                assert step["rows_in"] == step["rows_out"] + step["set_aside"] + step["merged"]


class TestReading:
    def test_status(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        told = answer(capsys, second_day, "status")
        assert [run["status"] for run in told["runs"]] == ["published", "published"]
        assert [(one["sink"], one["state"]) for one in told["sinks"]] == [("warehouse", "on")]
        assert told["sinks"][0]["publication"] in snapshots_of(capsys, second_day)
        assert {row["object"] for row in told["freshness"]} >= {"contact", "orders", "ticket"}
        assert all(row["is_complete"] for row in told["completeness"])
        assert all(row["windows"] == 2 for row in told["completeness"])
        assert sum(row["rows"] for row in told["dead_letters"]) > 0
        assert run(["--home", str(second_day), "status"]) == 0

    def test_status_before_the_first_publication(
        self, second_day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "runs" / "20260101T000000000000Z-daily").mkdir(parents=True)
        found = answer(capsys, tmp_path, "status", code=1)
        assert "published" in found.pop("error")
        assert [(one["kind"], one["status"]) for one in found.pop("runs")] == [("daily", "running")]
        assert set(found.values()) == {None}
        assert found.keys() | {"runs"} == answer(capsys, second_day, "status").keys()

    def test_query_in_each_form(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        sql = "select count(*) as n from published.customer_360"
        [row] = answer(capsys, second_day, "query", sql)
        assert row["n"] > 0
        assert run(["--home", str(second_day), "query", "-o", "csv", sql]) == 0
        assert capsys.readouterr().out == f"n\n{row['n']}\n"

    def test_query_loses_no_column_and_writes_json(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        sql = "select 1 as a, 2 as a, 'nan'::double as b, '-infinity'::double as c, 'infinity'::date as d"
        [row] = answer(capsys, second_day, "query", sql)
        assert row == {"a": 1, "a_1": 2, "b": "nan", "c": "-inf", "d": "infinity"}
        assert run(["--home", str(second_day), "query", "-o", "csv", sql]) == 0
        assert capsys.readouterr().out == "a,a_1,b,c,d\n1,2,nan,-inf,infinity\n"
        assert run(["--home", str(second_day), "query", sql]) == 0
        heading, row = capsys.readouterr().out.splitlines()
        assert (heading.split(), row.split()) == (["a", "a_1", "b", "c", "d"], ["1", "2", "nan", "-inf", "infinity"])

    def test_query_shows_a_plan_in_lines(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        capsys.readouterr()
        assert run(["--home", str(second_day), "query", "explain select 'a\x1b[31mb' as x"]) == 0
        shown = capsys.readouterr().out
        assert len(shown.splitlines()) > 5
        assert "PROJECTION" in shown
        assert "\\n" not in shown
        assert "\x1b" not in shown

    def test_query_shows_no_stack_trace_of_duckdb(
        self, second_day: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(statements, "SCALAR_FUNCTIONS", statements.SCALAR_FUNCTIONS | {"txid_current"})
        assert run(["--home", str(second_day), "query", "select txid_current()"]) == 2
        shown = capsys.readouterr().err
        assert "INTERNAL Error: DuckTransaction::Get called on non-DuckDB transaction" in shown
        assert "Stack Trace" not in shown
        assert ".so" not in shown

    def test_query_as_of(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        sql = "select count(*) as n from published.tickets"
        first, second = snapshots_of(capsys, second_day)
        [then] = answer(capsys, second_day, "query", "--as-of", str(first), sql)
        [now] = answer(capsys, second_day, "query", "--as-of", str(second), sql)
        assert 0 < then["n"] < now["n"]

    def test_diff(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        first, second = snapshots_of(capsys, second_day)
        told = answer(capsys, second_day, "diff", str(first), str(second))
        added = {table["table"]: table["added"] for table in told["tables"]}
        assert added["published.tickets"] > 0
        assert told["identities"]["created"] > 0
        same = answer(capsys, second_day, "diff", str(second), str(second))
        assert not any(table["added"] + table["changed"] + table["removed"] for table in same["tables"])

    def test_diff_as_files_is_private_and_on_record(
        self, second_day: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        first, second = (str(one) for one in snapshots_of(capsys, second_day))
        out = tmp_path / "changes"
        asked = ["--home", str(second_day), "diff", first, second, "-o", "parquet", "--out", str(out)]
        assert run(asked) == 0
        assert "published.customer_360" in capsys.readouterr().out
        assert {mode for mode, _ in modes_below(out).values()} == {"0700", "0600"}
        entry = answer(capsys, second_day, "audit", "list", "--table", "published.customer_360")[0]
        told = json.loads((out / "diff.json").read_text(encoding="utf-8"))
        changed = sum(each["inserted"] + each["updated"] + each["deleted"] for each in told["tables"])
        assert entry["door"] == "diff"
        assert entry["rows"] >= changed > 0
        assert run(asked) == 2

    def test_plan_says_what_a_run_lands(self, first_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = newest_snapshot(load_settings(home=first_day))
        told = answer(capsys, first_day, "plan")
        assert {row["window"] for row in told} == {"2026-01-02"}
        assert len(told) == 8
        assert answer(capsys, first_day, "plan", "--until", "2026-01-02") == []
        assert newest_snapshot(load_settings(home=first_day)) == before

    def test_plan_before_there_is_a_lake(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        make_sample(tmp_path)
        assert len(answer(capsys, tmp_path, "plan")) == 8
        assert not (tmp_path / "lake").exists()


class TestSnapshots:
    def test_they_are_listed_with_what_made_them(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        told = answer(capsys, second_day, "snapshots", "--limit", "200")
        assert [one["snapshot"] for one in told] == sorted((one["snapshot"] for one in told), reverse=True)
        published = [one for one in told if one["publishes"]]
        assert len(published) == 2
        assert all(one["run_id"].endswith("-daily") and one["message"] == "daily: published" for one in published)
        assert answer(capsys, second_day, "snapshots", "--limit", "1") == told[:1]


class TestMending:
    def test_restore_and_run_again(self, own_copy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        home = own_copy.home
        after, every_table = published_hash(home), lake_state(own_copy)
        shown = every_table.pop("published.customer_history")
        first, _ = snapshots_of(capsys, home)
        told = answer(capsys, home, "restore", "--to", str(first), "--yes")
        assert told["to_snapshot"] == first
        assert published_hash(home) != after
        assert answer(capsys, home, "run", "--now", LATER)["status"] == "published"
        again = lake_state(own_copy)
        for state in (again, every_table):
            # It records what has been read so far, which a restore does not change.
            state.pop("ops.access_anchor", None)
        # Readers were shown the first day once more.
        assert int(again.pop("published.customer_history").split()[0]) > int(shown.split()[0])
        assert again == every_table

    def test_restore_asks_first(self, own_copy: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        before = newest_snapshot(own_copy)
        with Path(os.devnull).open() as nobody:
            monkeypatch.setattr("sys.stdin", nobody)
            assert run(["--home", str(own_copy.home), "restore", "--to", "1"]) != 0
        assert newest_snapshot(own_copy) == before

    def test_dead_letters(self, own_copy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        home = own_copy.home
        listed = answer(capsys, home, "dlq", "list", "--limit", "500")
        assert "payload" not in listed[0]
        [shown] = answer(capsys, home, "dlq", "show", listed[0]["id"])
        assert shown["payload"]
        assert run(["--home", str(home), "dlq", "discard", listed[0]["id"], "--why", "rows of a test"]) == 0
        left = answer(capsys, home, "dlq", "list", "--limit", "500")
        assert len(left) == len(listed) - 1
        source = left[0]["source"]
        assert run(["--home", str(home), "dlq", "replay", "--source", source]) == 0
        replaying = answer(capsys, home, "dlq", "list", "--status", "replaying", "--limit", "500")
        assert len(replaying) == sum(row["source"] == source for row in left)

    def test_maintain_keeps_what_is_published(self, own_copy: Settings, capsys: pytest.CaptureFixture[str]) -> None:
        before = published_hash(own_copy.home)
        [told] = answer(capsys, own_copy.home, "maintain", "--older-than-days", "0")
        assert told["snapshots_expired"] > 0
        assert published_hash(own_copy.home) == before
        assert answer(capsys, own_copy.home, "run", "--now", LATER)["status"] == "unchanged"


class TestBeginning:
    def test_init_writes_once(self, tmp_path: Path) -> None:
        folder = tmp_path / "project"
        assert run(["init", str(folder)]) == 0
        config = folder / "dataflow.toml"
        assert load_settings(config).home == folder / ".dataflow"
        config.write_text("# mine")
        assert run(["init", str(folder)]) == 2
        assert config.read_text() == "# mine"
        assert run(["init", str(folder), "--force"]) == 0
        assert config.read_text() != "# mine"

    def test_doctor_is_well_with_a_sample(self, second_day: Path, capsys: pytest.CaptureFixture[str]) -> None:
        told = answer(capsys, second_day, "doctor")
        assert all(probe["is_well"] for probe in told), told

    def test_doctor_exits_with_the_number_of_failed_probes(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        told = answer(capsys, tmp_path, "doctor", code=5)
        failed = {probe["name"]: probe["fix"] for probe in told if not probe["is_well"]}
        folders = {f"source {name}: folder" for name in ("salesforce", "mysql", "tickets")}
        assert set(failed) == folders | {"geoip", "firmographics"}
        assert all("dataflow sample" in fix for fix in failed.values())

    def test_demo_in_one_command(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        told = answer(capsys, tmp_path, "demo", "--records", "600", "--now", NOW)
        validated = [step for step in told["run"]["steps"] if step["stage"] == "validate"]
        assert sum(step["rows_in"] for step in validated) == told["sample"]["records"] == 600
        assert sum(step["set_aside"] for step in validated) == told["dead_letters"]
        assert sum(told["customers"].values()) == told["published"]["customers"]
        assert 0 < told["quality"]["pairwise_f1"] <= 1
        assert Path(told["run"]["report_page"]).read_text(encoding="utf-8").count("<svg") > 10


SPEC = """
entity_type = "person"
[columns]
vorname = "given_name"
"""


class TestResolve:
    @pytest.fixture
    def people(self, tmp_path: Path) -> Path:
        """Forty people, each known twice under one e-mail."""
        rows = [
            f"{copy}{person},Given{person},Surname{person},person{person}@example.com,{person}"
            for person in range(40)
            for copy in "ab"
        ]
        file = tmp_path / "people.csv"
        file.write_text("\n".join(["id,vorname,last_name,email,person", *rows]))
        (tmp_path / "people.toml").write_text(SPEC)
        return file

    def test_own_file_against_own_truth(self, people: Path, capsys: pytest.CaptureFixture[str]) -> None:
        spec, out = people.with_suffix(".toml"), people.with_name("clusters.csv")
        chosen = ["--key", "id", "--spec", str(spec), "--truth", "person", "--out", str(out)]
        told = answer(capsys, people.parent, "resolve", str(people), *chosen)
        assert told["records"] == told["evaluation"]["records"] == 80
        assert told["evaluation"]["pairwise_precision"] == 1.0
        assert len(out.read_text().splitlines()) == 81
        assert not (people.parent / "lake").exists()

    @pytest.mark.parametrize(
        ("text", "words"),
        [(SPEC.replace("given_name", "shoe_size"), "shoe_size"), ("[columns", "TOML"), ("key = 'id'", "key")],
    )
    def test_a_wrong_spec(self, text: str, words: str, people: Path, capsys: pytest.CaptureFixture[str]) -> None:
        spec = people.with_suffix(".toml")
        spec.write_text(text)
        assert run(["--home", str(people.parent), "resolve", str(people), "--spec", str(spec)]) == 2
        assert words in capsys.readouterr().err
