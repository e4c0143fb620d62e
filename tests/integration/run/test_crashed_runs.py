"""Of runs that go on at the same time, as a catalogue on a server allows, one puts a crashed run on record."""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from dataflow.access.lake import lake_location
from dataflow.access.pipeline import open_published
from dataflow.run.claims import list_unended
from dataflow.run.folders import name_run
from dataflow.run.session import open_run
from dataflow.settings import Settings, load_settings
from tests.lib.servers.postgres import PostgresServer


def on_server(postgres_tls: PostgresServer, home: Path) -> Settings:
    address = postgres_tls.address(postgres_tls.create_database(f"crashed_{home.name}"))
    settings = load_settings(home=home)
    return settings.model_copy(update={"lake": settings.lake.model_copy(update={"catalogue": address})})


def leave_crashed(settings: Settings) -> None:
    folder = Path(settings.runs) / name_run("daily", datetime(2026, 1, 2, tzinfo=UTC))
    folder.mkdir(parents=True)
    (folder / "owner.json").write_text('{"pid": 1, "created": 0}')
    os.utime(folder, (time.time() - 60,) * 2)


KILLED = """
import sys, time
from pathlib import Path
from dataflow.run.session import open_run
from dataflow.settings import load_settings
with open_run(load_settings(home=Path(sys.argv[1])), "daily"):
    print("running", flush=True)
    time.sleep(600)
"""


def test_a_run_that_is_killed_on_another_machine_is_known_to_have_crashed(
    postgres_tls: PostgresServer, tmp_path: Path
) -> None:
    """The other machine shares no disk: another home."""
    here = on_server(postgres_tls, tmp_path / "here")
    place = {"DATAFLOW_LAKE__CATALOGUE": here.lake.catalogue, "DATAFLOW_LAKE__DATA": here.lake.data}
    command = [sys.executable, "-c", KILLED, str(tmp_path / "there")]
    with subprocess.Popen(command, env={**os.environ, **place}, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "running\n"
        [running] = list_unended(lake_location(here), Path(here.runs))
        assert (running.kind, running.is_running) == ("daily", True)
        assert f"({other.pid} on " in running.running_message
        other.kill()
    with open_run(here, "ingest") as run:
        run.conclude("landed", "nothing")
    with open_published(here) as con:
        rows = con.execute("SELECT kind, status FROM ops.run ORDER BY run_id").fetchall()
    assert rows == [("daily", "crashed"), ("ingest", "landed")]
    assert list_unended(lake_location(here), Path(here.runs)) == []


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
