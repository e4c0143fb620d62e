"""Events: each publication at least once, in order, with one id, to every kind of endpoint, whatever it does."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from dataflow.errors import SinkError
from dataflow.settings import EventSettings, Settings
from dataflow.sinks.events import channel
from dataflow.sinks.events.sink import Events
from tests.lib.event_receivers import KINDS, SECRET, TOPIC, Receiver, receiver_of
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.moto import MotoServer
from tests.lib.servers.ports import free_port
from tests.lib.three_publications import Shop


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "_FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tests")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "tests")


@pytest.fixture(params=KINDS)
def receiver(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[Receiver]:
    """A receiver of each kind in turn."""
    with receiver_of(request.param, certificates) as made:
        yield made


@pytest.fixture
def webhook(certificates: Certificates) -> Iterator[Receiver]:
    with receiver_of("webhook", certificates) as made:
        yield made


def declared(shop: Shop, home: Path, **endpoints: EventSettings) -> Settings:
    """The shop's settings with these endpoints; what they have had is noted in `home`."""
    return shop.settings.model_copy(update={"events": endpoints, "home": home})


def has_had(shop: Shop, home: Path, name: str, number: int) -> None:
    (home / "sinks").mkdir(exist_ok=True)
    had = {"publication": number, "lake_id": shop.lake.lake_id()}
    (home / "sinks" / f"event-{name}.json").write_text(json.dumps(had))


def test_each_publication_is_sent_once_in_order(
    shop: Shop, receiver: Receiver, certificates: Certificates, tmp_path: Path
) -> None:
    settings = declared(shop, tmp_path, crm=receiver.settings(certificates, tmp_path))
    newest = max(day.number for day in shop.days)
    Events(settings).follow(shop.days[0])
    # Switched on after several publications, it begins with the newest.
    assert receiver.numbers() == [newest]
    [event] = receiver.had
    assert event["id"] == f"{shop.lake.lake_id()}:{newest}"
    assert event["type"] == "dataflow.publication"
    assert "published.orders" in event["tables"]
    for day in shop.days:
        assert Events(settings).follow(day).rows_out == 0
    assert receiver.numbers() == [newest]
    shown = Events(settings).shows()
    assert shown is not None
    assert shown.publication == newest


def test_a_day_of_errors_is_made_up_for_in_order(
    shop: Shop, receiver: Receiver, certificates: Certificates, tmp_path: Path
) -> None:
    settings = declared(shop, tmp_path, crm=receiver.settings(certificates, tmp_path))
    has_had(shop, tmp_path, "crm", shop.days[0].number)
    for _ in range(2):
        receiver.answers = [500, 503, 429]
        with pytest.raises(SinkError, match=rf"did not take publication {shop.days[1].number}: it answered 429"):
            Events(settings).follow(shop.days[2])
        assert (receiver.answers, receiver.had) == ([], [])
    receiver.answers = [503, 200, 500, 500, 500]
    with pytest.raises(SinkError, match=rf"did not take publication {shop.days[2].number}: it answered 500"):
        Events(settings).follow(shop.days[2])
    Events(settings).follow(shop.days[2])
    assert receiver.numbers() == [day.number for day in shop.days[1:3]]


def test_one_that_is_down_keeps_none_of_the_others_from_theirs(
    shop: Shop, receiver: Receiver, webhook: Receiver, certificates: Certificates, tmp_path: Path
) -> None:
    down = receiver.settings(certificates, tmp_path, port=free_port())
    if receiver.kind == "pubsub":
        # Its token is had, its topic is not reached.
        down = down.model_copy(update={"endpoint": f"https://127.0.0.1:{free_port()}"})
    settings = declared(shop, tmp_path, broken=down, crm=webhook.settings(certificates, tmp_path))
    with pytest.raises(SinkError, match=r"The endpoint broken of \[events\] did not take") as failed:
        Events(settings).follow(shop.days[2])
    assert "nothing listens there" in str(failed.value)
    assert SECRET not in str(failed.value)
    assert len(webhook.had) == 1
    assert Events(settings).shows() is None
    lifted = receiver.settings(certificates, tmp_path / "..")
    Events(settings.model_copy(update={"events": {**settings.events, "broken": lifted}})).follow(shop.days[2])
    assert receiver.numbers() == webhook.numbers() == [shop.days[2].number]


def test_a_slow_one_is_waited_for_and_one_that_hangs_is_given_up(
    shop: Shop, receiver: Receiver, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_TRIES", 2)
    endpoint = receiver.settings(certificates, tmp_path)
    settings = declared(shop, tmp_path, crm=endpoint.model_copy(update={"timeout_seconds": 0.1}))
    receiver.seconds = 0.4
    with pytest.raises(SinkError, match="does not answer in time"):
        Events(settings).follow(shop.days[2])
    assert receiver.requests == 2
    receiver.seconds, receiver.requests = 0.2, 0
    Events(declared(shop, tmp_path, crm=endpoint.model_copy(update={"timeout_seconds": 30.0}))).follow(shop.days[2])
    assert receiver.requests == 1


KILLED = """
import os, pickle, signal, sys
from dataflow.settings import load_settings
from dataflow.sinks.events.sink import Events
shop, home, events, publication = pickle.load(open(sys.argv[1], "rb"))
Events._note = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Events(load_settings(home=shop).model_copy(update={"events": events, "home": home})).follow(publication)
"""


@pytest.mark.parametrize(
    "receiver",
    ["webhook", *(pytest.param(kind, marks=pytest.mark.soak) for kind in ("prefect", "sns"))],
    indirect=True,
)
def test_killed_between_sending_and_noting_it_is_sent_again_with_the_same_id(
    shop: Shop, receiver: Receiver, certificates: Certificates, tmp_path: Path
) -> None:
    endpoint = receiver.settings(certificates, tmp_path).model_copy(update={"timeout_seconds": 30.0})
    settings = declared(shop, tmp_path, crm=endpoint)
    (tmp_path / "call").write_bytes(pickle.dumps((shop.settings.home, tmp_path, settings.events, shop.days[2])))
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "call")], check=False, capture_output=True, cwd=Path.cwd()
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    Events(settings).follow(shop.days[2])
    first, second = receiver.had
    assert first == second


@pytest.mark.parametrize("note", ["{", '{"publication": 1, "lake_id": "another"}'])
def test_a_note_that_is_damaged_or_of_another_lake_stops_its_own_endpoint_only(
    shop: Shop, webhook: Receiver, certificates: Certificates, tmp_path: Path, note: str
) -> None:
    endpoint = webhook.settings(certificates, tmp_path)
    settings = declared(shop, tmp_path, broken=endpoint, crm=endpoint)
    (tmp_path / "sinks").mkdir()
    (tmp_path / "sinks" / "event-broken.json").write_text(note)
    with pytest.raises(SinkError, match="broken"):
        Events(settings).follow(shop.days[2])
    assert len(webhook.had) == 1


@pytest.mark.parametrize("status", [302, 400, 401, 404, 410])
def test_a_refusal_is_not_repeated_and_a_redirect_is_not_followed(
    shop: Shop, webhook: Receiver, certificates: Certificates, tmp_path: Path, status: int
) -> None:
    webhook.answers = [status]
    with pytest.raises(SinkError, match=f"it answered {status}"):
        Events(declared(shop, tmp_path, crm=webhook.settings(certificates, tmp_path))).follow(shop.days[2])
    assert (webhook.requests, webhook.had) == (1, [])


@pytest.mark.parametrize(("code", "requests"), [("ThrottlingException", 3), ("NotAuthorizedForSource", 1)])
def test_a_bus_that_answers_well_but_takes_no_entry_has_not_taken_it(
    shop: Shop, certificates: Certificates, tmp_path: Path, code: str, requests: int
) -> None:
    refusal = json.dumps({"FailedEntryCount": 1, "Entries": [{"ErrorCode": code, "ErrorMessage": "no"}]}).encode()
    with receiver_of("eventbridge", certificates) as bus:
        bus.answers = [refusal] * 3
        settings = declared(shop, tmp_path, bus=bus.settings(certificates, tmp_path))
        with pytest.raises(SinkError, match=f"it answered {code}"):
            Events(settings).follow(shop.days[2])
        assert (bus.requests, bus.had) == (requests, [])


def test_an_answer_that_is_not_of_aws_takes_nothing_and_is_not_quoted(
    shop: Shop, certificates: Certificates, tmp_path: Path
) -> None:
    with receiver_of("sns", certificates) as topic:
        topic.answers = [b"a proxy's page"] * 3
        settings = declared(shop, tmp_path, topic=topic.settings(certificates, tmp_path))
        with pytest.raises(SinkError, match="its answer is not one of AWS") as failed:
            Events(settings).follow(shop.days[2])
        assert "proxy" not in str(failed.value)
        assert topic.requests == 3


def test_a_topic_passes_each_publication_on_to_its_subscribers(shop: Shop, moto: MotoServer, tmp_path: Path) -> None:
    queues, topics = moto.client("sqs"), moto.client("sns")
    queue = queues.create_queue(QueueName="readers")["QueueUrl"]
    topic = topics.create_topic(Name="publications")["TopicArn"]
    arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topics.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    endpoint = EventSettings.model_validate({"kind": "sns", "to": topic, "endpoint": moto.url})
    settings = declared(shop, tmp_path, topic=endpoint)
    has_had(shop, tmp_path, "topic", shop.days[0].number)
    Events(settings).follow(shop.days[2])
    passed = queues.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    events = [json.loads(json.loads(one["Body"])["Message"]) for one in passed]
    lake_id = shop.lake.lake_id()
    assert sorted(event["id"] for event in events) == sorted(f"{lake_id}:{day.number}" for day in shop.days[1:3])


@pytest.mark.parametrize("receiver", ["webhook", "sns", "pubsub"], indirect=True)
def test_another_certificate_is_refused(
    shop: Shop, receiver: Receiver, certificates: Certificates, tmp_path: Path
) -> None:
    endpoint = receiver.settings(certificates, tmp_path).model_copy(update={"ca_file": str(certificates.other_ca)})
    with pytest.raises(SinkError, match="certificate is not trusted"):
        Events(declared(shop, tmp_path, crm=endpoint)).follow(shop.days[2])
    assert receiver.requests == 0


def test_another_lake_is_refused_until_it_is_adopted(
    shop: Shop, webhook: Receiver, certificates: Certificates, tmp_path: Path
) -> None:
    settings = declared(shop, tmp_path, crm=webhook.settings(certificates, tmp_path))
    (tmp_path / "sinks").mkdir()
    (tmp_path / "sinks" / "event-crm.json").write_text('{"publication": 1, "lake_id": "another"}')
    with pytest.raises(SinkError, match="of another lake"):
        Events(settings).follow(shop.days[2])
    Events(settings).clear()
    Events(settings).follow(shop.days[2])
    assert len(webhook.had) == 1
    (tmp_path / "sinks" / "event-crm.json").write_text("{")
    with pytest.raises(SinkError, match="cannot be read"):
        Events(settings).follow(shop.days[2])


@pytest.mark.parametrize(
    ("declaration", "told"),
    [
        ({"kind": "webhook", "to": "http://example.org/hook", "secret": SECRET}, "https://"),
        ({"kind": "webhook", "to": "https://me:secret@example.org/", "secret": SECRET}, "https://"),
        ({"kind": "webhook", "to": "https://example.org/"}, "needs secret"),
        ({"kind": "sns", "to": "publications"}, "ARN of a topic"),
        ({"kind": "sns", "to": TOPIC, "credentials": "key.json"}, "does not take credentials"),
        ({"kind": "pubsub", "to": "publications"}, "projects/PROJECT/topics/TOPIC"),
        ({"kind": "carrier-pigeon", "to": "home"}, "webhook"),
    ],
)
def test_a_declaration_that_does_not_fit_its_kind_is_refused(declaration: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        EventSettings.model_validate(declaration)


@pytest.mark.parametrize(
    ("declaration", "told"),
    [
        ({"kind": "prefect", "to": "http://prefect.example/api"}, "is not an address"),
        ({"kind": "sns", "to": TOPIC, "endpoint": "http://sns.example"}, "is not an address"),
        ({"kind": "pubsub", "to": "projects/p/topics/t", "credentials": "/absent.json"}, "no credentials of Google"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_named_and_the_others_get_theirs(
    shop: Shop, webhook: Receiver, certificates: Certificates, tmp_path: Path, declaration: dict[str, str], told: str
) -> None:
    wrong = EventSettings.model_validate(declaration)
    settings = declared(shop, tmp_path, wrong=wrong, crm=webhook.settings(certificates, tmp_path))
    with pytest.raises(SinkError, match=told):
        Events(settings).follow(shop.days[2])
    assert len(webhook.had) == 1
