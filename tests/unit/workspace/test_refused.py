"""What a refused run set aside stays readable for thirty days: by its user, through `dlq list --run`."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.errors import AuditRefused, DataFlowError
from dataflow.run.session import RunSession, open_run
from dataflow.settings import Settings, load_settings
from dataflow.tables.ops import DEAD_LETTERS
from dataflow.workspace.refused import KEPT_DAYS, forget_refused, list_refused, refused_name

LETTER = {
    "dead_letter_id": "abcdef0123",
    "_source": "mysql",
    "_object": "orders",
    "_record_key": "7",
    "_row_hash": "h",
    "payload": '{"id": 7}',
    "stage": "validate",
    "rule": "at_least",
    "reason": "amount of mappings.order is not 0 or more",
    "status": "open",
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home")


def end(settings: Settings, error: DataFlowError, **given: str) -> RunSession:
    """End a run with an error after it has set one row aside."""
    row = LETTER | given
    columns = ", ".join(f"'{value}' AS {name}" for name, value in row.items())
    nothing = ("_changed_at", "locator", "decided_by", "decision_reason")
    rest = ", ".join(f"NULL AS {name}" for name in nothing)
    with pytest.raises(type(error)), open_run(settings, "daily") as session, session.open_workspace() as workspace:
        now = f"{workspace.run.now_sql} AS first_seen_at, {workspace.run.now_sql} AS last_seen_at"
        rows = f"SELECT {columns}, {rest}, ['{row['rule']}'] AS rules, 1 AS attempts, {now}"
        workspace.stage(DEAD_LETTERS, rows, scope=f"SELECT '{row['dead_letter_id']}' AS dead_letter_id")
        raise error
    return session


def test_a_refused_run_keeps_its_dead_letters(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    run_id = end(settings, AuditRefused("1 check failed.", next_move="Look.")).run.run_id
    assert list_refused(settings) == [run_id]
    file = settings.home / "lake" / "catalogue.ducklake.refused" / refused_name(run_id)
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    with open_published(settings) as con:
        assert con.execute("SELECT count(*) FROM ops.dead_letters").fetchall() == [(0,)], "it was rolled back"
        (message,) = con.execute("SELECT message FROM ops.run").fetchall()[0]
    assert message == (
        "1 check failed. Look. It set aside mysql.orders: at_least: amount of mappings.order is not 0 or more, 1 rows: "
        f"`dataflow dlq list --run {run_id}` shows these rows for 30 days."
    )
    home = ["--home", str(settings.home)]
    assert run([*home, "dlq", "list", "--run", run_id, "-o", "json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["id"], listed["rules"], listed["state"]) == ("abcdef0123", "at_least", "")
    assert run([*home, "dlq", "show", "abcdef", "--run", run_id, "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["payload"] == LETTER["payload"]
    assert run([*home, "dlq", "list", "--run", "20260101T000000000000Z-daily"]) == 2
    assert f"are kept: {run_id}" in capsys.readouterr().err


def test_only_a_refused_run_with_dead_letters_leaves_a_file(settings: Settings) -> None:
    end(settings, DataFlowError("broken"))
    end(settings, AuditRefused("1 check failed."), status="resolved")
    assert list_refused(settings) == []


def test_a_file_is_kept_for_thirty_days(settings: Settings) -> None:
    run_id = end(settings, AuditRefused("1 check failed.")).run.run_id
    now = datetime.now(UTC)
    forget_refused(settings, now=now + timedelta(days=KEPT_DAYS - 1))
    assert list_refused(settings) == [run_id]
    forget_refused(settings, now=now + timedelta(days=KEPT_DAYS + 1))
    assert list_refused(settings) == []


@pytest.mark.parametrize("name", ["", "../catalogue", "20260101T000000000000Z-daily/../x"])
def test_a_name_that_is_not_a_run_is_no_file(name: str) -> None:
    with pytest.raises(ValueError, match="is not the id of a run"):
        refused_name(name)
