"""A publication that fails its audit is one incident, notified once at each endpoint, resolved by the next good run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataflow.cli.main import run
from dataflow.publish.invariants import Invariant
from dataflow.settings import Settings
from dataflow.sinks.warehouse import warehouse_snapshot
from dataflow.tables.published import CUSTOMER_360
from tests.lib.alert_receivers import KEY, SECRET, AlertReceiver, alert_receiver
from tests.lib.homes import LATER, NOW, published_hash
from tests.lib.otlp_receiver import otlp_receiver
from tests.lib.servers.certificates import Certificates

PART = ("run", "--source", "tickets")


@pytest.fixture
def receiver(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[AlertReceiver]:
    """A receiver that every process of the test has two channels to."""
    with alert_receiver(certificates) as made:
        channels = {
            "PAGER": {"KIND": "pagerduty", "TO": made.url, "SECRET": KEY},
            "HOOK": {"KIND": "webhook", "TO": f"{made.url}/hook", "SECRET": SECRET},
        }
        for name, declared in channels.items():
            for setting, value in {**declared, "CA_FILE": made.ca_file}.items():
                monkeypatch.setenv(f"DATAFLOW_ALERTS__{name}__{setting}", value)
        yield made


def ask(capsys: pytest.CaptureFixture[str], home: Path, *arguments: str) -> Any:
    """What a command answers in JSON."""
    capsys.readouterr()
    assert run(["--home", str(home), *arguments, "-o", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_refused_publication_from_the_incident_to_its_end(
    published: Settings, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = published.home
    before = (published_hash(home), warehouse_snapshot(Path(published.warehouse.path)))
    every = f"SELECT customer_id FROM {CUSTOMER_360.in_lake}"
    with monkeypatch.context() as broken, otlp_receiver() as collector:
        invariant = Invariant("no_customers", CUSTOMER_360, "a company has no customers", every)
        broken.setattr("dataflow.publish.invariants.INVARIANTS", (invariant,))
        broken.setenv("DATAFLOW_TELEMETRY__OTLP", collector.url)
        broken.setenv("DATAFLOW_TELEMETRY__LOG_LINES", "true")
        capsys.readouterr()
        assert run(["--home", str(home), *PART, "--now", NOW, "-o", "json"]) == 3
    told = capsys.readouterr()
    refused = json.loads(told.out)
    assert (refused["status"], [check["check"] for check in refused["checks"]]) == ("refused", ["no_customers"])
    lines = [json.loads(line) for line in told.err.splitlines() if line.startswith("{")]
    assert (lines[-1]["event"], lines[-1]["status"], lines[-1]["error"]) == ("run ended", "refused", "AuditRefused")
    assert len(collector.traces) == 1
    measured = collector.values(0)
    assert measured["dataflow.run.duration", "s", "daily", "refused"] > 0
    assert measured["dataflow.published.rows", "1", "published.customer_360"] > 0
    assert (published_hash(home), warehouse_snapshot(Path(published.warehouse.path))) == before
    [incident] = ask(capsys, home, "alerts", "list")
    facts = {name: incident[name] for name in ("rule", "object", "cause", "severity", "state", "owner", "seen")}
    assert facts == {
        "rule": "AuditRefused",
        "object": "publication",
        "cause": "audit",
        "severity": "error",
        "state": "open",
        "owner": "engineer",
        "seen": 1,
    }
    trigger, hook = receiver.had
    assert "no_customers" in trigger["payload"]["summary"]
    assert [one["event"] for one in hook["notifications"]] == ["opened"]

    assert run(["--home", str(home), "alerts", "ack", incident["incident"][:6], "--who", "ann"]) == 0
    assert run(["--home", str(home), "alerts", "ack", incident["incident"]]) == 0
    assert "is acknowledged already" in capsys.readouterr().err
    assert run(["--home", str(home), "alerts", "ack", "nothing"]) == 2

    assert run(["--home", str(home), *PART, "--now", LATER]) == 0
    assert receiver.actions() == ["trigger", "acknowledge", "resolve"]
    assert len({one["dedup_key"] for one in receiver.had if "dedup_key" in one}) == 1
    assert [one["notifications"][0]["event"] for one in receiver.had if "type" in one] == [
        "opened",
        "acknowledged",
        "resolved",
    ]
    assert ask(capsys, home, "alerts", "list") == []
    [resolved] = ask(capsys, home, "alerts", "list", "--all")
    assert (resolved["state"], resolved["incident"]) == ("resolved", incident["incident"])
    shown = ask(capsys, home, "alerts", "show", incident["incident"])
    assert [one["event"] for one in shown["events"]] == ["opened", "acknowledged", "resolved"]
    assert shown["acknowledged_by"] == "ann"
    # The good run has put into the lake what came before its end.
    recorded = ask(capsys, home, "query", "select kind, run_id from ops.incident_event order by event_id")
    assert [one["kind"] for one in recorded] == ["opened", "acknowledged"]

    assert run(["--home", str(home), "alerts", "test"]) == 0
    assert receiver.actions()[-1] == "trigger"
    receiver.answers = [400, 400]
    assert run(["--home", str(home), "alerts", "test"]) == 1
    assert ask(capsys, home, "alerts", "deliver") == [
        {"channel": name, "sent": 0, "waiting": 0, "failure": ""} for name in ("pager", "hook")
    ]
    assert run(["--home", str(home), "alerts", "list"]) == 0


def test_a_lake_that_is_gone_is_one_critical_incident_and_commands_work_without_it(
    tmp_path: Path, receiver: AlertReceiver, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lake" / "data").mkdir(parents=True)
    (tmp_path / "lake" / "catalogue.ducklake").write_text("this is not a catalogue")
    for _ in range(2):
        assert run(["--home", str(tmp_path), "run"]) != 0
    [incident] = ask(capsys, tmp_path, "alerts", "list")
    assert (incident["object"], incident["severity"], incident["seen"]) == ("lake", "critical", 2)
    assert run(["--home", str(tmp_path), "alerts", "ack", incident["incident"]]) == 0
    assert receiver.actions() == ["trigger", "acknowledge"]
