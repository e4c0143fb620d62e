"""The inbox as a prefix of a bucket, on a real S3 server: what the folder guarantees."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from dataflow.access.inbox import inbox_at
from dataflow.access.message_bucket import MessageBucket
from lakehouse import Inbox, InboxContents, LakeLocation, LakeUnreachable, LakeUnwritable, S3Keys
from tests.lib.inboxes import NOTE, TAKEN, inbox_of, noted, take, take_beside_another, take_until_killed, write
from tests.lib.lakes import kill_at_random, opened, processes, running
from tests.lib.servers.ports import free_port
from tests.lib.servers.postgres import PostgresServer
from tests.lib.servers.s3 import S3Server

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.fixture
def location(s3: S3Server, tmp_path: Path, request: pytest.FixtureRequest) -> LakeLocation:
    """Return the place of a lake with its data and its inbox in one bucket."""
    bucket = s3.create_bucket(f"inbox-{abs(hash(request.node.nodeid))}")
    return LakeLocation(
        catalogue=tmp_path / "lake.ducklake",
        data=f"{bucket}/data",
        published=tmp_path / "published",
        s3=s3.access,
        inbox=f"{bucket}/decisions",
    )


def _store(location: LakeLocation) -> MessageBucket:
    assert isinstance(location.inbox, str)
    assert location.s3 is not None
    return MessageBucket.of(location.inbox, location.s3)


def test_messages_are_read_in_order_and_removed(location: LakeLocation) -> None:
    inbox = inbox_of(location)
    assert inbox.read() == InboxContents()
    written = [inbox.write("note", author="ann", body={"name": "Zo\u00eb"}, now=NOON) for _ in range(3)]
    assert inbox_of(location).read() == InboxContents(tuple(written))
    inbox.remove([written[0].id, "never-there"])
    assert inbox.read().messages == tuple(written[1:])


def test_a_thousand_and_more_messages_are_all_listed(location: LakeLocation) -> None:
    store = _store(location)
    for number in range(1005):
        store.put_if_absent(f"{number}", b"x")
    assert len(store.names()) == 1005


def test_a_name_is_given_once(location: LakeLocation) -> None:
    refused, barrier = [], threading.Barrier(4)

    def put(number: int) -> None:
        store = _store(location)
        barrier.wait()
        try:
            store.put_if_absent("name", b"%d" % number)
        except FileExistsError:
            refused.append(number)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [kept] = set(range(4)) - set(refused)
    assert _store(location).read("name", limit=10) == b"%d" % kept
    # The same bytes again: a request that the client repeated because its answer was lost.
    _store(location).put_if_absent("name", b"%d" % kept)


def test_what_is_not_a_message_is_named_and_set_aside_even_twice(location: LakeLocation) -> None:
    store = _store(location)
    inbox = Inbox(store)
    for content in (b"not JSON", b""):
        store.put_if_absent("20261130T120000000000Z-0123456789abcdef.json", content)
        message = write(inbox, 1)
        found = inbox.read()
        assert [one.id for one in found.messages] == [message.id]
        assert found.damaged == ("20261130T120000000000Z-0123456789abcdef.json",)
        inbox.set_aside(found.damaged)
        inbox.remove([message.id])
    left = inbox.read()
    assert (left.damaged, len(left.set_aside)) == ((), 2)


def test_a_message_longer_than_the_limit_is_not_read_whole(location: LakeLocation) -> None:
    store = _store(location)
    store.put_if_absent("long", b"x" * 2000)
    assert len(store.read("long", limit=100)) == 100
    with pytest.raises(FileNotFoundError):
        store.read("missing", limit=1)


def test_a_bucket_that_cannot_be_reached_is_named(location: LakeLocation, s3: S3Server) -> None:
    nowhere = replace(location, s3=replace(s3.access, endpoint=f"127.0.0.1:{free_port()}"))
    wrong = replace(location, s3=replace(s3.access, keys=partial(S3Keys, key_id=s3.key_id, secret="wrong")))
    missing = replace(location, inbox="s3://no-such-bucket/decisions")
    for place in (nowhere, wrong, missing):
        with pytest.raises(LakeUnreachable, match="Reading the inbox s3://"):
            inbox_of(place).read()
        with pytest.raises(LakeUnwritable, match="Writing a message to the inbox s3://"):
            _store(place).put_if_absent("name", b"x")


def test_of_takers_that_race_one_takes_each_message(location: LakeLocation, postgres: PostgresServer) -> None:
    location = replace(location, catalogue=postgres.create_database("inbox_bucket"), inbox=None)
    assert str(inbox_at(location)).endswith("/data.inbox")
    inbox = inbox_of(location)
    with opened(location) as lake:
        lake.ensure((NOTE, TAKEN))
        written = [write(inbox, number).id for number in range(3)]
        ready, counts = processes.Barrier(2), processes.Queue()
        with ExitStack() as stack:
            takers = [stack.enter_context(running(take_beside_another, location, ready, counts)) for _ in range(2)]
            for taker in takers:
                taker.join(120)
                assert taker.exitcode == 0
        assert sorted(counts.get(timeout=10) for _ in takers) == [0, 3]
        assert noted(lake) == sorted(written)
        assert inbox.read().messages == ()


def test_killed_takers_lose_and_double_nothing(location: LakeLocation, rounds: Callable[[int, int], int]) -> None:
    import random

    inbox, written, chance = inbox_of(location), [], random.Random(20)
    for _ in range(rounds(2, 20)):
        written += [write(inbox, number).id for number in range(10)]
        kill_at_random(location, take_until_killed, worker="victim", chance=chance)
    with opened(location) as lake:
        take(lake, inbox)
        assert noted(lake) == written
