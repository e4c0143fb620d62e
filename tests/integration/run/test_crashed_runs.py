"""Of runs that go on at the same time, as a catalogue on a server allows, one puts a crashed run on record."""

import os
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from dataflow.access.pipeline import open_published
from dataflow.run.folders import name_run
from dataflow.run.session import open_run
from dataflow.settings import Settings, load_settings
from tests.lib.servers.postgres import PostgresServer


def on_server(postgres_tls: PostgresServer, home: Path) -> Settings:
    address = postgres_tls.address(postgres_tls.create_database("crashed_runs"))
    settings = load_settings(home=home)
    return settings.model_copy(update={"lake": settings.lake.model_copy(update={"catalogue": address})})


def leave_crashed(settings: Settings) -> None:
    folder = Path(settings.runs) / name_run("daily", datetime(2026, 1, 2, tzinfo=UTC))
    folder.mkdir(parents=True)
    (folder / "owner.json").write_text('{"pid": 1, "created": 0}')
    os.utime(folder, (time.time() - 60,) * 2)


def test_one_of_two_runs_at_once_puts_it_on_record(postgres_tls: PostgresServer, tmp_path: Path) -> None:
    settings = on_server(postgres_tls, tmp_path)
    leave_crashed(settings)
    with ExitStack() as runs:
        first = runs.enter_context(open_run(settings, "ingest"))
        second = runs.enter_context(open_run(settings, "ingest"))
        second.conclude("landed", "second")
        first.conclude("landed", "first")
    with open_published(settings) as con:
        rows = con.execute("SELECT kind, status, message FROM ops.run ORDER BY run_id").fetchall()
    assert [(kind, status) for kind, status, _ in rows] == [
        ("daily", "crashed"),
        ("ingest", "landed"),
        ("ingest", "landed"),
    ]
    assert list(Path(settings.runs).iterdir()) == []
