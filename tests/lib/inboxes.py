"""Lakes whose commits take messages from their inbox, and the work of processes on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier, Event

import pyarrow as pa
from duckdb import DuckDBPyConnection

from dataflow.access.inbox import inbox_at
from lakehouse import Column, Inbox, Lake, LakeLocation, Message, Table
from lakehouse.inbox import claim, ids_taken, without_taken
from tests.lib.lakes import opened

NOTE = Table(
    schema="ops",
    name="note",
    grain="time a message was taken",
    key=("message_id",),
    owner="tests",
    append_only=True,
    columns=(
        Column("message_id", "VARCHAR", "Id of the message", nullable=False),
        Column("body", "VARCHAR", "What it says"),
    ),
)
TAKEN = Table(
    schema="ops",
    name="taken",
    grain="message taken",
    key=("message_id",),
    owner="tests",
    append_only=True,
    columns=(Column("message_id", "VARCHAR", "Id of the message", nullable=False),),
)


def inbox_of(location: LakeLocation) -> Inbox:
    """The inbox of a lake that has one."""
    inbox = inbox_at(location)
    assert inbox is not None
    return inbox


def write(inbox: Inbox, number: int) -> Message:
    """Write one small message."""
    return inbox.write("note", author="tests", body={"number": number}, now=datetime.now(UTC))


def take(lake: Lake, inbox: Inbox, *, meanwhile: Callable[[], None] = lambda: None) -> list[str]:
    """Take every message in one commit, as a run does; returns their ids. `meanwhile` is done before the commit."""

    def work(con: DuckDBPyConnection) -> list[str]:
        waiting = without_taken(con, inbox.read(), relation=TAKEN.in_lake).messages
        if waiting:
            bodies = [json.dumps(message.body) for message in waiting]
            con.register("taking", pa.table({"message_id": [message.id for message in waiting], "body": bodies}))
            claim(con, "SELECT message_id FROM taking", taken=TAKEN, is_alone=lake.is_alone)
            con.execute(f"INSERT INTO {TAKEN.in_lake} SELECT message_id FROM taking")
            con.execute(f"INSERT INTO {NOTE.in_lake} FROM taking")
            con.unregister("taking")
        meanwhile()
        return [message.id for message in waiting]

    ids, _ = lake.transact(work, author="test", run_id="test", message="take")
    inbox.remove(ids)
    return ids


def take_until_killed(location: LakeLocation, _worker: str, started: Event) -> None:
    """Take what is there until killed; what an earlier killed taker left is removed first."""
    inbox = inbox_of(location)
    with opened(location) as lake:
        lake.ensure((NOTE, TAKEN))
        started.set()
        while True:
            inbox.remove(ids_taken(lake.con, inbox.read().messages, relation=TAKEN.in_lake))
            take(lake, inbox)


def take_beside_another(location: LakeLocation, ready: Barrier, told: Queue[int | str]) -> None:
    """Take what is there; both takers have read the inbox before either commits."""
    waits = [ready]
    with opened(location) as lake:
        told.put(len(take(lake, inbox_of(location), meanwhile=lambda: _wait_once(waits))))


def _wait_once(waits: list[Barrier]) -> None:
    if waits:
        waits.pop().wait(60)


def noted(lake: Lake) -> list[str]:
    """The ids of the messages taken, one for each time that one was."""
    rows = lake.con.execute(f"SELECT message_id FROM {NOTE.in_lake} ORDER BY message_id").fetchall()
    return [message_id for (message_id,) in rows]
