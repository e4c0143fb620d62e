"""What a run makes of the messages in its inbox."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataflow.publish.commit import claim_messages
from dataflow.run.taking import KINDS, Taken, take_inbox
from dataflow.settings import load_settings
from dataflow.tables.ops import DEAD_LETTERS, INBOX_TAKEN, JUDGEMENT
from dataflow.tables.published import CUSTOMER_360
from dataflow.tables.resolved import XREF
from dataflow.validate.incoming import KNOWN, collect_known
from dataflow.workspace.report import list_notes
from dataflow.workspace.workspace import Workspace
from lakehouse import Inbox, Lake, LakeConflict
from tests.lib.inboxes import inbox_of
from tests.lib.tables import NOW, arrow_rows, read_rows, small_lake, workspace

SETTINGS = load_settings()
LETTERS = [("aaaaaa01", "open"), ("aaaaaa02", "discarded"), ("bbbbbb03", "resolved")]
LEFT, RIGHT, THIRD = "mysql|customers|1", "mysql|customers|2", "mysql|customers|3"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with small_lake(tmp_path_factory.mktemp("shared")) as lake:
        yield lake


@pytest.fixture
def lake(shared: Lake) -> Lake:
    """A lake with three dead letters, in which no message was taken, and an empty inbox."""
    shutil.rmtree(str(inbox_of(shared.location)), ignore_errors=True)
    for table in (DEAD_LETTERS, JUDGEMENT, INBOX_TAKEN, XREF, CUSTOMER_360):
        shared.con.execute(f"DELETE FROM {table.in_lake}")
    letters = [{"dead_letter_id": key, "status": status, "payload": "{}"} for key, status in LETTERS]
    insert(shared, DEAD_LETTERS, letters)
    return shared


def insert(lake: Lake, table: Any, rows: list[dict[str, Any]]) -> None:
    lake.con.register("given", arrow_rows(table, rows))
    lake.con.execute(f"INSERT INTO {table.in_lake} BY NAME FROM given")


@pytest.fixture
def inbox(lake: Lake) -> Inbox:
    return inbox_of(lake.location)


def judge(inbox: Inbox, left: str, right: str, verdict: str = "same", *, who: str = "ann", **given: Any) -> str:
    body = {
        "judgement_id": f"{left}{right}{verdict}{who}",
        "record_id_l": left,
        "record_id_r": right,
        "verdict": verdict,
        "decided_at": NOW.isoformat(),
        "reason": "as it is",
        "needs_second": False,
        "fingerprint_l": None,
        "fingerprint_r": None,
    }
    return inbox.write("judgement", author=who, body=body | given, now=NOW).id


def decide(inbox: Inbox, decision: str, *ids: str) -> str:
    body = {"decision": decision, "dead_letter_ids": list(ids), "reason": "a test row"}
    return inbox.write("letter_decision", author="ann", body=body, now=NOW).id


def run(lake: Lake, inbox: Inbox, folder: Path) -> Taken:
    """Take, commit, remove: the beginning and the end of a run."""
    with workspace(lake, folder) as ws:
        taken = take_inbox(ws, SETTINGS, inbox)
        commit(ws, lake)
    inbox.remove(taken.ids)
    return taken


def commit(ws: Workspace, lake: Lake) -> None:
    """Commit as a run does, but for its audits: they have nothing to look at here."""

    def write(con: duckdb.DuckDBPyConnection) -> None:
        claim_messages(con, ws, is_alone=lake.is_alone)
        ws.write(con)

    lake.transact(write, author="test", run_id="run", message="test")


def taken_rows(lake: Lake) -> list[dict[str, Any]]:
    return read_rows(lake.con, f"SELECT message_id, author, outcome FROM {INBOX_TAKEN.in_lake} ORDER BY message_id")


def test_an_empty_inbox_stages_nothing(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    with workspace(lake, tmp_path) as ws:
        assert take_inbox(ws, SETTINGS, inbox) == Taken()
        assert ws.staged == {}


def test_each_message_is_taken_once_and_its_outcome_is_on_record(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    ids = [judge(inbox, LEFT, RIGHT), decide(inbox, "discard", "aaaaaa01"), judge(inbox, LEFT, THIRD, "different")]
    taken = run(lake, inbox, tmp_path)
    assert taken.ids == tuple(ids)
    assert taken.report is not None
    assert (taken.report.rows_in, taken.report.rows_out) == (3, 3)
    assert taken_rows(lake) == [{"message_id": one, "author": "ann", "outcome": "applied"} for one in ids]
    assert inbox.read().messages == ()
    rows = read_rows(lake.con, f"SELECT verdict, decided_by, _run_id FROM {JUDGEMENT.in_lake} ORDER BY verdict")
    assert [tuple(row.values()) for row in rows] == [("different", "ann", "run"), ("same", "ann", "run")]
    assert run(lake, inbox, tmp_path) == Taken()


def test_a_message_of_a_run_that_died_before_removing_it_is_only_removed(
    lake: Lake, inbox: Inbox, tmp_path: Path
) -> None:
    message = decide(inbox, "discard", "aaaaaa01")
    with workspace(lake, tmp_path) as ws:
        take_inbox(ws, SETTINGS, inbox)
        commit(ws, lake)
    decide(inbox, "replay", "aaaaaa01")
    assert len(inbox.read().messages) == 2
    taken = run(lake, inbox, tmp_path)
    assert message not in taken.ids
    assert inbox.read().messages == ()
    assert status(lake, "aaaaaa01") == ("replaying", "ann")


def status(lake: Lake, key: str) -> tuple[str, str | None]:
    [row] = read_rows(lake.con, f"SELECT * FROM {DEAD_LETTERS.in_lake} WHERE dead_letter_id = '{key}'")
    return row["status"], row["decided_by"]


def test_a_run_that_is_rolled_back_takes_nothing(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    judge(inbox, LEFT, RIGHT)
    with workspace(lake, tmp_path) as ws:
        take_inbox(ws, SETTINGS, inbox)
    assert len(inbox.read().messages) == 1
    assert taken_rows(lake) == []


def test_a_commit_does_not_take_what_another_has_taken(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    message = judge(inbox, LEFT, RIGHT)
    with workspace(lake, tmp_path) as ws:
        take_inbox(ws, SETTINGS, inbox)
        insert(lake, INBOX_TAKEN, [{"message_id": message}])
        with pytest.raises(LakeConflict, match="taken 1 of them"):
            claim_messages(lake.con, ws, is_alone=True)


def test_validation_sees_what_was_decided(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    decide(inbox, "discard", "aaaaaa01")
    decide(inbox, "replay", "aaaaaa02", "aaaaaa01")
    with workspace(lake, tmp_path) as ws:
        take_inbox(ws, SETTINGS, inbox)
        collect_known(ws)
        known = dict(ws.con.execute(f"SELECT dead_letter_id, status FROM {KNOWN}").fetchall())
    assert known == {"aaaaaa01": "replaying", "aaaaaa02": "replaying", "bbbbbb03": "resolved"}


def test_a_decision_that_came_too_late_is_noted(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    message = decide(inbox, "replay", "aaaaaa01", "bbbbbb03", "cccccc04")
    taken = run(lake, inbox, tmp_path)
    [row] = taken_rows(lake)
    assert row["outcome"] == "1 of 3 applied; 1 already closed, 1 no longer exist"
    assert taken.report is not None
    assert list_notes([taken.report]) == [f"letter_decision {message} of 2026-03-01 12:00 UTC: {row['outcome']}"]
    assert status(lake, "aaaaaa01") == ("replaying", None)
    assert status(lake, "bbbbbb03") == ("resolved", None)


def test_what_is_no_message_is_set_aside_and_told(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    good = judge(inbox, LEFT, RIGHT)
    broken = judge(inbox, RIGHT, LEFT)  # the larger id first
    later = inbox.write("of_a_later_version", author="ann", body={}, now=NOW).id
    (Path(str(inbox)) / "notes.txt").write_text("do not delete")
    taken = run(lake, inbox, tmp_path)
    assert taken.ids == (good,)
    assert taken.report is not None
    assert taken.report.set_aside == 2
    notes = "; ".join(list_notes([taken.report]))
    assert "2 files" in notes and "notes.txt" in notes and broken in notes
    assert "1 message of the kind of_a_later_version waits" in notes
    left = inbox.read()
    assert [message.id for message in left.messages] == [later]
    assert left.set_aside == (f"{broken}.json", "notes.txt")
    # the next run has nothing more to do, and still says that one waits
    again = run(lake, inbox, tmp_path)
    assert (again.ids, again.report is not None) == ((), True)


def test_one_judgement_twice_is_one_row(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    judge(inbox, LEFT, RIGHT)
    judge(inbox, LEFT, RIGHT)
    run(lake, inbox, tmp_path)
    judge(inbox, LEFT, RIGHT)
    run(lake, inbox, tmp_path)
    assert lake.con.execute(f"SELECT count(*) FROM {JUDGEMENT.in_lake}").fetchall() == [(1,)]
    assert len(taken_rows(lake)) == 3


def test_whether_a_second_person_is_needed_is_asked_again(lake: Lake, inbox: Inbox, tmp_path: Path) -> None:
    """The customers grew between the decision and the run."""
    insert(lake, XREF, [{"record_id": record, "customer_id": record[-1]} for record in (LEFT, RIGHT, THIRD)])
    insert(lake, CUSTOMER_360, [{"customer_id": number, "record_count": 2} for number in "123"])
    settings = SETTINGS.model_copy(
        update={"resolve": SETTINGS.resolve.model_copy(update={"second_person_from_records": 2})}
    )
    judge(inbox, LEFT, RIGHT, decided_at=(NOW + timedelta(seconds=1)).isoformat())
    judge(inbox, LEFT, RIGHT, who="bob", needs_second=True)
    judge(inbox, LEFT, THIRD, "different")
    with workspace(lake, tmp_path) as ws:
        take_inbox(ws, settings, inbox)
        rows = ws.con.execute(f"SELECT decided_by, verdict, needs_second FROM {JUDGEMENT.sql_name} ORDER BY ALL")
        assert rows.fetchall() == [("ann", "different", False), ("ann", "same", True), ("bob", "same", True)]


def test_each_kind_is_registered_under_its_name() -> None:
    assert {name: import_module(module).KIND for name, module in KINDS.items()} == {name: name for name in KINDS}
