"""A steward's day: the queue, the reasons, judgements, and what the next run publishes, down to the segments."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from dataflow.access.lake import open_lake
from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.resolve.judgements.explain import explain_pairs
from dataflow.settings import load_settings

LATER = "2026-01-05"


@pytest.fixture(scope="module")
def home(first_day: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of its own: these tests follow one another, as days do."""
    home = tmp_path_factory.mktemp("steward") / "home"
    shutil.copytree(first_day, home)
    return home


def answer(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str) -> Any:
    capsys.readouterr()
    assert run(["--home", str(home), *arguments, "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def told(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str, code: int = 0) -> str:
    """Run a command for people; return stdout and stderr."""
    capsys.readouterr()
    assert run(["--home", str(home), *arguments]) == code
    output = capsys.readouterr()
    return output.out + output.err


def buyers(capsys: pytest.CaptureFixture[str], home: Path) -> list[dict[str, Any]]:
    """Two people who have ordered, each of one record of the shop, the one with more records first."""
    return list(answer(capsys, home, "query", """
        select customer_id, min(record_id) as record_id, any_value(order_count) as orders,
            any_value(order_amount)::double as amount, any_value(record_count) as records
        from published.customer_360 join resolved.xref using (customer_id)
        where order_count > 0 and customer_360.entity_type = 'person' and record_id like 'mysql|%'
        group by customer_id order by records desc, customer_id limit 2
    """))  # fmt: skip


def state(capsys: pytest.CaptureFixture[str], home: Path) -> list[dict[str, Any]]:
    sql = "select record_id, customer_id from resolved.xref order by all"
    return list(answer(capsys, home, "query", sql))


def test_what_waits_is_listed_by_value_and_explained(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waiting = answer(capsys, home, "review", "list", "--limit", "100")
    assert waiting
    assert [pair["value"] for pair in waiting] == sorted((pair["value"] for pair in waiting), reverse=True)
    shown = answer(capsys, home, "review", "show", waiting[0]["pair_id"][:8])
    explained = shown["explanation"]
    assert explained["steps"][0]["kind"] == "start"
    assert sum(step["weight"] for step in explained["steps"]) == pytest.approx(explained["weight"], abs=0.1)
    assert shown["reason_text"]
    text = told(capsys, home, "review", "show", waiting[0]["pair_id"])
    assert "How it adds up" in text
    assert explained["summary"] in text
    assert "Pairs to review" in told(capsys, home, "review", "list")


def test_every_explanation_adds_up_and_kin_never_raises_a_weight(home: Path) -> None:
    con = open_published(load_settings(home=home))
    try:
        pairs = con.execute("select record_id_l, record_id_r from resolved.edge order by md5(record_id_l) limit 300")
        explained = explain_pairs(con, [(left, right) for left, right in pairs.fetchall()])
    finally:
        con.close()
    assert len(explained) > 100
    for explanation in explained.values():
        cautions = [step.weight for step in explanation.steps if step.kind == "caution"]
        assert sum(step.weight for step in explanation.steps) == pytest.approx(explanation.weight, abs=0.15)
        assert max(cautions, default=0.0) <= 0.0


def test_the_pairs_for_training_can_be_listed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = answer(capsys, home, "review", "list", "--for", "training", "--limit", "5")
    assert {pair["reason"] for pair in asked} == {"training"}
    assert len({pair["pair_id"] for pair in asked}) == len(asked) > 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "ffffffff"), "No pair has an id"),
        (("show", "abc"), "at least 6 characters"),
        (("show", "mysql|customers|none", "--with", "mysql|customers|nobody"), "two different present records"),
        (("decide", "ffffffff", "same", "--why", "so"), "No pair has an id"),
        (("decide", "ffffffff", "perhaps", "--why", "so"), "perhaps"),
        (("list", "--reason", "bad mood"), "Unknown reason"),
        (("list", "--for", "training", "--type", "person"), "--for training"),
        (("show", "ffffffff", "-o", "csv"), "-o json"),
    ],
)
def test_wrong_arguments_are_usage_errors(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    assert says in told(capsys, home, "review", *arguments, code=2)


def test_before_the_first_run_there_is_nothing_to_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = told(capsys, tmp_path, "review", "decide", "ffffffff", "same", "--why", "so", code=2)
    assert "`dataflow run` first" in output


def test_a_judgement_needs_a_reason_something_to_withdraw_and_one_type(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other = (buyer["record_id"] for buyer in buyers(capsys, home))
    assert "the person who decides it and a reason" in told(
        capsys, home, "review", "decide", one, "same", "--with", other, "--why", " ", code=2
    )
    assert "no judgement on this pair" in told(
        capsys, home, "review", "undo", one, "--with", other, "--why", "x", code=2
    )
    [firm] = answer(capsys, home, "query", "select record_id from resolved.xref where entity_type = 'company' limit 1")
    assert "never one customer" in told(
        capsys, home, "review", "decide", one, "same", "--with", firm["record_id"], "--why", "x", code=2
    )


def test_a_judgement_reaches_orders_scores_segments_and_features_and_can_be_taken_back(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATAFLOW_RESOLVE__SECOND_PERSON_FROM_RECORDS", "1")
    before = state(capsys, home)
    first, second = buyers(capsys, home)
    pair = (first["record_id"], "same", "--with", second["record_id"], "--why", "called them")
    [letter] = answer(capsys, home, "dlq", "list", "--limit", "1")
    with open_lake(load_settings(home=home), purpose="a run that takes hours"):
        # no run has to end first, and each decision is seen at once by the next
        assert "a second person" in told(capsys, home, "review", "decide", *pair, "--who", "ann")
        assert [row["reason"] for row in answer(capsys, home, "review", "list", "--reason", "second person")]
        assert "applies it" in told(capsys, home, "review", "decide", *pair, "--who", "bob")
        assert answer(capsys, home, "review", "list", "--reason", "second person") == []
        [decided] = answer(capsys, home, "review", "decided")
        assert (decided["verdict"], decided["who"], decided["holds"]) == ("same", "bob", "same holds")
        assert decided["state"] == "waiting for the next run"
        shown = answer(capsys, home, "review", "show", decided["pair"])
        assert [(word["decided_by"], word["state"]) for word in shown["judgements"]] == [
            ("ann", "waiting for the next run"),
            ("bob", "waiting for the next run"),
        ]
        told(capsys, home, "dlq", "discard", letter["id"], "--why", "a test row")
        [discarded] = answer(capsys, home, "dlq", "list", "--status", "discarded")
        assert (discarded["id"], discarded["state"]) == (letter["id"], "waiting for the next run")
        tried = answer(capsys, home, "dlq", "replay", letter["id"], "--dry-run")
        assert (tried["dead_letters"], tried["is_dry_run"], tried["causes"][0]["rows"]) == (1, True, 1)
        told(capsys, home, "dlq", "replay", letter["id"])
        waiting = {row["kind"]: row["count"] for row in answer(capsys, home, "status")["inbox"]}
        assert waiting == {"judgement": 2, "letter_decision": 2}

    # nothing has arrived since, and yet there is something to publish
    ended = answer(capsys, home, "run", "--until", "2026-01-02", "--now", LATER)
    assert ended["status"] == "published"
    assert [(step["rows_in"], step["rows_out"]) for step in ended["steps"] if step["stage"] == "inbox"] == [(4, 4)]
    assert answer(capsys, home, "status")["inbox"] == []
    assert answer(capsys, home, "query", "select distinct outcome from ops.inbox_taken") == [{"outcome": "applied"}]
    assert [row["state"] for row in answer(capsys, home, "review", "decided")] == [""]
    [again] = answer(capsys, home, "dlq", "show", letter["id"])
    assert (again["status"], again["attempts"]) == ("open", letter["attempts"] + 1)
    # Of the decisions that waited only the last one stands.
    assert [event["state"] for event in again["events"]] == ["open", "replaying", "open"]
    assert [bool(event["by"]) for event in again["events"]] == [False, True, False]
    causes = answer(capsys, home, "dlq", "list", "--by-cause")
    assert sum(cause["rows"] for cause in causes) == len(answer(capsys, home, "dlq", "list", "--limit", "9999"))
    assert all(cause["likeliest_fix"] for cause in causes)
    [kept] = answer(capsys, home, "query", f"""
        select customer_id, order_count, order_amount::double as amount, lifecycle_score is not null as scored
        from published.customer_360 where customer_id in ('{first["customer_id"]}', '{second["customer_id"]}')
    """)  # fmt: skip
    assert kept["order_count"] == first["orders"] + second["orders"]
    assert kept["amount"] == pytest.approx(first["amount"] + second["amount"])
    assert kept["scored"]
    lost = ({first["customer_id"], second["customer_id"]} - {kept["customer_id"]}).pop()
    sql = f"select to_customer_id from published.redirects where customer_id = '{lost}'"
    assert answer(capsys, home, "query", sql) == [{"to_customer_id": kept["customer_id"]}]
    for table in ("orders", "segments", "customer_features", "xref", "customer_360"):
        sql = f"select count(*) as n from published.{table} where customer_id = '{lost}'"
        assert answer(capsys, home, "query", sql) == [{"n": 0}], table
    assert answer(capsys, home, "review", "list", "--reason", "second person") == []

    undone = ("--with", second["record_id"], "--why", "another number", "--who", "ann")
    told(capsys, home, "review", "undo", first["record_id"], *undone)
    assert answer(capsys, home, "run", "--until", "2026-01-02", "--now", LATER)["status"] == "published"
    assert state(capsys, home) == before
    sql = "select verdict, decided_by from ops.judgement order by decided_at"
    words = [tuple(row.values()) for row in answer(capsys, home, "query", sql)]
    assert words == [("same", "ann"), ("same", "bob"), ("withdrawn", "ann")]


def test_judgements_outlive_a_restore(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sql = "select min(snapshot_id) as id from ducklake_snapshots('lake') where commit_message = 'daily: published'"
    [first] = answer(capsys, home, "query", sql)
    answer(capsys, home, "restore", "--to", str(first["id"]), "--yes")
    assert len(answer(capsys, home, "query", "from ops.judgement")) == 3
    # what was taken is never taken again, although its file should come back
    assert len(answer(capsys, home, "query", "from ops.inbox_taken")) == 5
