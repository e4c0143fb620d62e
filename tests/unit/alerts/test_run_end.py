"""What runs find opens, repeats and resolves incidents, each once; what cannot be sent waits and is not lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.alerts.delivering import Delivered, deliver
from dataflow.alerts.findings import LAKE, Found, Sighting
from dataflow.alerts.incidents import derive_incidents
from dataflow.alerts.recording import acknowledge, record_findings
from dataflow.alerts.run_end import end_run
from dataflow.errors import ConfigurationError, UsageError
from dataflow.settings import AlertSettings, Settings
from dataflow.workspace.incident_events import Outbox, parse_events
from lakehouse import LakeDamaged, LakeError, LakeLocked, LakeUnreachable, LakeUnwritable
from lakehouse.errors import Part
from tests.lib.alert_receivers import AlertReceiver, alert_receiver
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.moto import MotoServer
from tests.lib.servers.smtp import MailServer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDERS = ("mysql.orders", "landing")


@pytest.fixture
def receiver(certificates: Certificates) -> Iterator[AlertReceiver]:
    with alert_receiver(certificates) as made:
        yield made


class Company:
    """A home, its channels, and a clock that moves on by an hour with each run."""

    def __init__(self, home: Path, **channels: AlertSettings) -> None:
        self.settings = Settings(home=home, lake={"catalogue": str(home / "lake" / "cat")}, alerts=channels)  # type: ignore[arg-type]
        self.outbox = Outbox(self.settings)
        self.now = NOW

    def run(self, *findings: Sighting, in_order: Sequence[tuple[str, str]] = (), hours: float = 1) -> list[Delivered]:
        self.now += timedelta(hours=hours)
        found = Found(run_id=f"run-{self.now:%d-%H}", sightings=findings, in_order=frozenset(in_order))
        record_findings(self.settings, found, self.outbox, in_lake=[], now=self.now)
        return self.deliver()

    def deliver(self, *, minutes: float = 0, recorded: Sequence[str] = ()) -> list[Delivered]:
        self.now += timedelta(minutes=minutes)
        return deliver(self.settings, self.outbox, now=self.now, recorded=recorded)

    def events(self) -> list[str]:
        return [event.kind for event in parse_events(self.outbox.read())]

    def states(self) -> list[tuple[str, str, int]]:
        found = derive_incidents(parse_events(self.outbox.read()))
        return [(one.rule, one.state, one.seen) for one in found]


def down(summary: str = "orders: it does not answer", **more: Any) -> Sighting:
    """The orders database does not answer."""
    declared = {"rule": "SourceUnavailable", "about": ORDERS, "severity": "error", "owner": "source's owner"}
    return Sighting(**{**declared, "summary": summary, **more})


def test_an_incident_is_triggered_once_seen_again_and_resolved(receiver: AlertReceiver, tmp_path: Path) -> None:
    company = Company(tmp_path, pager=receiver.pagerduty(link="https://bench.example/incidents/{incident}"))
    assert company.run(down()) == [Delivered(channel="pager", sent=1)]
    company.run(down("orders: still no answer"))
    company.run(in_order=[LAKE])
    assert company.states() == [("SourceUnavailable", "open", 2)]
    company.run(in_order=[ORDERS])
    company.run(in_order=[ORDERS])
    company.deliver()
    assert receiver.actions() == ["trigger", "resolve"]
    trigger, resolve = receiver.had
    assert trigger["dedup_key"] == resolve["dedup_key"]
    assert trigger["payload"]["class"] == "SourceUnavailable"
    assert trigger["payload"]["summary"] == "SourceUnavailable of mysql.orders: orders: it does not answer"
    key = trigger["dedup_key"].removeprefix("dataflow-")
    assert trigger["links"] == [{"href": f"https://bench.example/incidents/{key}", "text": f"Incident {key}"}]
    assert company.events() == ["opened", "seen", "resolved"]
    # Found again after it was healed, it is another incident.
    company.run(down())
    assert receiver.actions() == ["trigger", "resolve", "trigger"]


def test_an_acknowledgement_is_passed_on_without_who(receiver: AlertReceiver, tmp_path: Path) -> None:
    company = Company(tmp_path, pager=receiver.pagerduty(), chat=receiver.slack())
    company.run(down())
    [incident] = derive_incidents(parse_events(company.outbox.read()))
    acknowledge(company.outbox, incident, who="ann@example.org", now=company.now)
    company.deliver()
    assert receiver.actions() == ["trigger", "acknowledge"]
    assert "ann@" not in str(receiver.had)
    [again] = derive_incidents(parse_events(company.outbox.read()))
    assert (again.state, again.acknowledged_by) == ("acknowledged", "ann@example.org")


def test_each_kind_of_channel_groups_what_happened_together(receiver: AlertReceiver, tmp_path: Path) -> None:
    company = Company(tmp_path, chat=receiver.slack(), hook=receiver.webhook(), pager=receiver.pagerduty())
    company.run(down("a <b> & c"), down(about=("mysql.customers", "landing")))
    texts = [one["text"] for one in receiver.had if "text" in one]
    hooks = [one for one in receiver.had if one.get("type") == "dataflow.incidents"]
    assert len(texts) == len(hooks) == 1
    assert "a &lt;b&gt; &amp; c" in texts[0]
    assert texts[0].count("SourceUnavailable of") == 2
    assert [one["object"] for one in hooks[0]["notifications"]] == ["mysql.orders", "mysql.customers"]
    assert receiver.actions() == ["trigger", "trigger"]
    assert receiver.requests == 4


def test_by_severity_and_owner(receiver: AlertReceiver, tmp_path: Path) -> None:
    company = Company(
        tmp_path,
        grave=receiver.pagerduty(severity="critical"),
        crm=receiver.webhook(owners=["crm team"]),
    )
    company.run(down(), down(about=("salesforce.lead", "landing"), owner="crm team", severity="warning"))
    [hook] = receiver.had
    assert [one["object"] for one in hook["notifications"]] == ["salesforce.lead"]
    company.run(down(about=LAKE, severity="critical", rule="LakeDamaged"))
    assert receiver.actions() == ["trigger"]


def test_what_cannot_be_sent_waits(receiver: AlertReceiver, tmp_path: Path) -> None:
    company = Company(tmp_path, pager=receiver.pagerduty())
    receiver.answers = [500, 429, 400]
    for _ in range(3):
        [delivered] = company.run(down(), hours=0.1)
        assert (delivered.sent, delivered.waiting) == (0, 1)
        assert "did not take it: it answered" in delivered.failure
        assert "a-routing-key" not in delivered.failure
    company.run(in_order=[ORDERS])
    assert receiver.actions() == ["trigger", "resolve"]


def test_in_quiet_what_is_not_critical_waits_and_is_forgotten_where_it_healed(
    receiver: AlertReceiver, tmp_path: Path
) -> None:
    # 13:00 to 17:00 UTC
    company = Company(tmp_path, pager=receiver.pagerduty(quiet="14:00-18:00", time_zone="Europe/Berlin"))
    company.run(down())  # 13:00
    company.run(down(about=("tickets.ticket", "landing")), down(about=LAKE, severity="critical", rule="LakeDamaged"))
    assert [one["payload"]["component"] for one in receiver.had] == ["lake"]
    company.run(in_order=[ORDERS])  # 15:00
    assert company.run(hours=3) == [Delivered(channel="pager", sent=1)]
    assert [one["payload"]["component"] for one in receiver.had] == ["lake", "tickets.ticket"]


def test_no_more_messages_than_an_hour_may_have(receiver: AlertReceiver, tmp_path: Path) -> None:
    company = Company(tmp_path, pager=receiver.pagerduty(messages_per_hour=2))
    company.run(*(down(about=(f"mysql.t{number}", "landing")) for number in range(5)))
    assert len(receiver.had) == 2
    company.deliver(minutes=30)
    assert len(receiver.had) == 2
    company.deliver(minutes=31)
    assert len(receiver.had) == 4
    company.deliver(minutes=61)
    assert len(receiver.had) == 5


def test_an_event_leaves_the_outbox_when_the_lake_has_it_and_every_channel_had_it(
    receiver: AlertReceiver, tmp_path: Path
) -> None:
    company = Company(tmp_path, pager=receiver.pagerduty(), chat=receiver.slack())
    receiver.answers = [202, 503]
    company.run(down())
    recorded = [event.event_id for event in parse_events(company.outbox.read())]
    receiver.answers = [503]
    company.deliver(recorded=recorded)
    assert company.events() == ["opened"]
    company.deliver(minutes=1)
    company.deliver(minutes=1, recorded=recorded)
    assert company.events() == []
    assert len(receiver.had) == 2
    company.deliver(minutes=120)
    assert company.outbox.read() == []


@pytest.mark.parametrize(
    "error",
    [
        LakeUnreachable("the catalogue's server does not answer"),
        LakeUnwritable("the disk is full"),
        LakeDamaged("the catalogue is not one", part=Part.CATALOGUE, next_move="Restore it."),
    ],
    ids=["PostgreSQL stopped", "disk full", "catalogue damaged"],
)
def test_a_lake_that_cannot_be_used_is_one_page_that_the_next_good_run_resolves(
    receiver: AlertReceiver, tmp_path: Path, error: LakeError
) -> None:
    company = Company(tmp_path, pager=receiver.pagerduty())
    for hour in range(3):
        assert end_run(company.settings, None, error, now=NOW + timedelta(hours=hour)) == []
    company.run(in_order=[LAKE], hours=4)
    assert receiver.actions() == ["trigger", "resolve"]
    assert receiver.had[0]["payload"]["severity"] == "critical"


@pytest.mark.parametrize("error", [LakeLocked("another run holds it"), UsageError("a wrong day")])
def test_what_the_caller_was_answered_is_no_incident(tmp_path: Path, error: Exception) -> None:
    company = Company(tmp_path)
    assert end_run(company.settings, None, error, now=NOW) == []
    assert company.events() == []


def test_the_text_of_an_unexpected_error_stays_out(receiver: AlertReceiver, tmp_path: Path) -> None:
    company = Company(tmp_path, pager=receiver.pagerduty())
    end_run(company.settings, None, ValueError("jane@example.org"), now=NOW)
    assert "jane" not in str(receiver.had)
    assert receiver.had[0]["payload"]["class"] == "ValueError"


def test_an_outbox_that_cannot_be_written_loses_no_notification(receiver: AlertReceiver, tmp_path: Path) -> None:
    company = Company(tmp_path / "home", pager=receiver.pagerduty())
    (tmp_path / "home").mkdir()
    # Files in the place of the folders: root can write into any folder.
    for name in ("outbox", "lake"):
        (tmp_path / "home" / name).touch()
    assert end_run(company.settings, None, LakeUnreachable("no space"), now=NOW) == []
    assert receiver.actions() == ["trigger"]
    (tmp_path / "home" / "outbox").unlink()
    end_run(company.settings, None, LakeUnreachable("no space"), now=NOW)
    assert [path.name for path in (tmp_path / "home" / "outbox").glob("2*.json")] != []
    assert len({one["dedup_key"] for one in receiver.had}) == 1


def test_a_channel_whose_settings_are_wrong_does_not_keep_others_from_theirs(
    receiver: AlertReceiver, tmp_path: Path
) -> None:
    wrong = receiver.pagerduty(ca_file=str(tmp_path / "absent.pem"))
    company = Company(tmp_path, wrong=wrong, pager=receiver.pagerduty())
    found = company.run(down())
    assert [(one.channel, one.sent) for one in found] == [("wrong", 0), ("pager", 1)]
    assert "certificates" in found[0].failure


def test_e_mail_over_tls(mail_server: MailServer, certificates: Certificates, tmp_path: Path) -> None:
    declared = {
        "kind": "email", "to": "ops@example.org, crm@example.org", "sender": "dataflow@example.org",
        "server": f"localhost:{mail_server.port}", "ca_file": str(mail_server.ca_file),
    }  # fmt: skip
    company = Company(tmp_path, mail=AlertSettings.model_validate(declared))
    assert company.run(down("Zürich: keine Antwort"), down(about=LAKE, rule="LakeDamaged"))[0].failure == ""
    [mail] = mail_server.take()
    assert mail["To"] == "ops@example.org, crm@example.org"
    assert mail["Subject"] == "2 notifications of incidents: 2 opened"
    assert "Zürich" in mail.get_payload(decode=True).decode()  # type: ignore[union-attr]
    stranger = AlertSettings.model_validate({**declared, "ca_file": str(certificates.other_ca)})
    [refused] = Company(tmp_path / "other", mail=stranger).run(down())
    assert "certificate is not trusted" in refused.failure
    assert mail_server.take() == []


def test_sns(moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    topic = moto.client("sns").create_topic(Name="incidents")["TopicArn"]
    queue = moto.client("sqs").create_queue(QueueName="incidents")["QueueUrl"]
    moto.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=topic.replace(":sns:", ":sqs:"))
    declared = AlertSettings.model_validate({"kind": "sns", "to": topic, "endpoint": moto.url})
    assert Company(tmp_path, topic=declared).run(down())[0].failure == ""
    [message] = moto.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert "SourceUnavailable" in message["Body"]
    gone = AlertSettings.model_validate({"kind": "sns", "to": f"{topic}-gone", "endpoint": moto.url})
    [refused] = Company(tmp_path / "other", topic=gone).run(down())
    assert "it answered 404 NotFound" in refused.failure
    assert refused.waiting == 1
    shutil.rmtree(tmp_path / "other")


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"kind": "pagerduty"}, "needs secret"),
        ({"kind": "slack", "secret": "x", "to": "https://hooks.example"}, "left out"),
        ({"kind": "email", "to": "ops@example.org"}, "needs server"),
        ({"kind": "email", "to": "ops", "server": "mail:587"}, "addresses"),
        ({"kind": "sns", "to": "incidents"}, "ARN of a topic"),
        ({"kind": "pagerduty", "secret": "x", "server": "mail:587"}, "does not take server"),
        ({"kind": "pagerduty", "secret": "x", "quiet": "9-5"}, "22:00-07:00"),
    ],
)
def test_a_channel_that_does_not_fit_its_kind_is_refused(declared: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        AlertSettings.model_validate(declared)


def test_a_wrong_configuration_is_an_incident_of_its_own(tmp_path: Path) -> None:
    company = Company(tmp_path)
    end_run(company.settings, None, ConfigurationError("mappings.x names what is not there."), now=NOW)
    assert company.states() == [("ConfigurationError", "open", 1)]
