"""A backfill on ECS: tasks that share nothing but a bucket and PostgreSQL publish what one process publishes."""

from __future__ import annotations

import csv
import io
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from dataflow.access.pipeline import open_published
from dataflow.settings import Settings, load_settings
from flows.deploying import deploy
from flows.start import run_flow
from tests.lib.ecs_double import QUEUE, Ecs, TaskProcess, ecs_double
from tests.lib.homes import lake_state
from tests.lib.servers.moto import MotoServer
from tests.lib.servers.postgres import PostgresServer
from tests.lib.servers.prefect import PrefectServer, running_worker
from tests.lib.servers.s3 import S3Server
from tests.lib.small_company import CONFIG, person, purchase

ROOT = Path(__file__).parents[3]
POOL = "ecs"
NOW = "2026-03-20T00:00:00Z"
# For a busy machine; nothing is asserted of it.
PATIENCE_SECONDS = 600.0
SEED = 20
ENGINE = "python -m prefect.engine"
"""What the command of a task ends in, which is three processes: a third of the CPU seconds. The soak has the whole."""
LONGEST_SECONDS = {"backfill": 12.0, "fetch": 6.0}
"""About what such a task takes: to just past its end."""

SOURCE = """
adapter = "s3"
root = "{bucket}/shop"
[sources.shop.s3]
region = "us-east-1"
endpoint = "{s3.endpoint}"
key_id = "{s3.key_id}"
secret = "{s3.secret}"
url_style = "path"
ca_file = "{s3.ca_file}"
"""
PLACES = """
[warehouse]
path = ""
"""
APART = """
[lake]
data = "{bucket}/lake/data"
[lake.s3]
endpoint = "{s3.endpoint}"
key_id = "{s3.key_id}"
secret = "{s3.secret}"
url_style = "path"
ca_file = "{s3.ca_file}"
[prefect]
exchange = "{bucket}/exchange"
fetch_deployment = "fetch/ecs-fetch"
retry_delay_seconds = 0.1
"""


class Company:
    """A small company whose exports are in a bucket, and its configuration: for one process, and for ECS."""

    def __init__(self, folder: Path, s3: S3Server, *, days: int) -> None:
        self.folder, self.s3, self.days = folder, s3, days
        self.bucket = s3.create_bucket(f"ecs-{folder.name[-30:].strip('_').replace('_', '-').lower()}")
        for day in range(1, days + 1):
            self._put("person", day, [person(10 * day + n, day=day) for n in range(4)])
            self._put("purchase", day, [purchase(10 * day + n, of=10 * day + n, day=day) for n in range(3)])

    def _put(self, name: str, day: int, rows: list[dict[str, Any]]) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, [*rows[0], *({"gone"} - set(rows[0]) if name == "person" else ())])
        writer.writeheader()
        writer.writerows(rows)
        key = f"shop/{name}/2026-03-{day:02}.csv"
        self.s3.client().put_object(Bucket=self.bucket.removeprefix("s3://"), Key=key, Body=text.getvalue().encode())

    def config(self, *, apart: bool) -> Path:
        """Write dataflow.toml: of one process with all in its home, or of tasks that share no disk."""
        text = CONFIG.replace('adapter = "files"\nroot = "unused"\n', SOURCE.lstrip())
        for name in ("person", "purchase"):
            text = text.replace('path = "{date}.csv"', f'path = "{name}/{{date}}.csv"', 1)
        text = text.replace("{date}", "{{date}}").replace("{ ", "{{ ").replace(" }", " }}")
        text = ('reports = "{bucket}/reports"\n' if apart else "") + text + PLACES + (APART if apart else "")
        file = self.folder / f"dataflow-{'apart' if apart else 'alone'}.toml"
        file.write_text(text.format(bucket=self.bucket, s3=self.s3), encoding="utf-8")
        return file

    @property
    def range(self) -> dict[str, date]:
        return {"start": date(2026, 3, 1), "end": date(2026, 3, self.days)}

    def alone(self) -> Settings:
        """Backfill in this process, into a lake in a folder."""
        settings = load_settings(self.config(apart=False), home=self.folder / "alone")
        assert run_flow(settings, "backfill", now=datetime.fromisoformat(NOW), **self.range).status == "published"
        return settings


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        assert time.monotonic() < deadline
        # Each look costs a tenth of a CPU second, here and at the server.
        time.sleep(2)


class OnEcs:
    """The flows of the company as tasks of the double, by a real worker."""

    def __init__(self, company: Company, server: PrefectServer, ecs: Ecs, *, workers: int, is_quick: bool) -> None:
        self.company, self.server, self.ecs, self.workers, self.is_quick = company, server, ecs, workers, is_quick

    def deploy(self) -> None:
        """Deploy backfill and fetch under names of their own: the server has those of the process pool too."""
        declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
        used = [one for one in declared["deployments"] if one["name"] in ("backfill", "fetch")]
        profile = declared["definitions"]["profiles"]["ecs"]
        for pool in (profile["work_pool"], *profile["parts"].values()) if self.is_quick else ():
            pool["job_variables"]["command"] = ENGINE
        profile["parts"] = {f"ecs-{name}": pool for name, pool in profile["parts"].items()}
        file = self.company.folder / "prefect.yaml"
        renamed = [{**one, "name": f"ecs-{one['name']}", "schedules": []} for one in used]
        file.write_text(yaml.safe_dump({**declared, "deployments": renamed}), encoding="utf-8")
        with self.server.in_process():
            assert deploy("ecs", file, self.server.environment | self.ecs.variables) == ["ecs-backfill", "ecs-fetch"]

    def backfill(self) -> str:
        """Start a backfill and wait for it; the name of its last state."""
        found = self.server.get("deployments/name/backfill/ecs-backfill")
        given = {**{name: str(day) for name, day in self.company.range.items()}, "workers": self.workers, "now": NOW}
        run = self.server.post(f"deployments/{found['id']}/create_flow_run", {"parameters": given})
        last: dict[str, Any] = {}

        def ended() -> bool:
            last.update(self.server.get(f"flow_runs/{run['id']}")["state"])
            return last["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")

        wait_until(ended)
        return str(last["name"])

    def of_flow(self, name: str) -> list[TaskProcess]:
        return [task for task in self.ecs.tasks if task.tags["prefect.io/flow-name"] == name]


@pytest.fixture
def on_ecs(
    s3_tls: S3Server,
    postgres_tls: PostgresServer,
    moto: MotoServer,
    prefect_server: PrefectServer,
    tmp_path: Path,
    rounds: Callable[[int, int], int],
) -> Iterator[OnEcs]:
    company = Company(tmp_path, s3_tls, days=rounds(5, 30))
    catalogue = postgres_tls.address(postgres_tls.create_database(f"ecs_{tmp_path.name[-20:]}"))
    environment = {"DATAFLOW_CONFIG": str(company.config(apart=True)), "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
    worker = moto.environment | {
        "PREFECT_API_AUTH_STRING": "not-for-tasks",
        "PREFECT_INTEGRATIONS_AWS_ECS_OBSERVER_SQS_QUEUE_NAME": QUEUE,
    }
    secrets = {"DATAFLOW_LAKE__CATALOGUE": catalogue}
    with ecs_double(moto, tmp_path / "tasks", environment=environment, secrets=secrets) as ecs:
        found = OnEcs(company, prefect_server, ecs, workers=rounds(2, 10), is_quick=rounds(1, 0) == 1)
        found.deploy()
        with running_worker(prefect_server, pool=POOL, kind="ecs", environment=worker):
            yield found


def lake_on_servers(on_ecs: OnEcs, monkeypatch: pytest.MonkeyPatch) -> Settings:
    secrets = on_ecs.ecs.moto.client("secretsmanager")
    address = secrets.get_secret_value(SecretId="DATAFLOW_LAKE__CATALOGUE")["SecretString"]
    monkeypatch.setenv("DATAFLOW_LAKE__CATALOGUE", address)
    return load_settings(on_ecs.company.config(apart=True), home=on_ecs.company.folder / "reader")


class Killer:
    """Kills first tasks of each flow, each at a random time after it was started."""

    def __init__(self, kills: dict[str, int], chance: random.Random) -> None:
        self._left, self._chance = dict(kills), chance
        self._timers: list[threading.Timer] = []
        self.killed: list[str] = []

    def __call__(self, task: TaskProcess) -> None:
        flow = task.tags["prefect.io/flow-name"]
        # Not every share: one that is lost as often as it is tried again is a gap.
        if self._left.get(flow, 0) and (flow == "backfill" or self._chance.random() < 0.7):
            self._left[flow] -= 1
            # Importing Prefect and the packages is half of a task's time.
            timer = threading.Timer(self._chance.uniform(0, LONGEST_SECONDS[flow]), self._kill, [task, flow])
            self._timers.append(timer)
            timer.start()

    def _kill(self, task: TaskProcess, flow: str) -> None:
        if task.process.poll() is None:
            task.kill()
            self.killed.append(flow)

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()


def test_tasks_that_share_no_disk_and_are_killed_publish_what_one_process_does(
    on_ecs: OnEcs, monkeypatch: pytest.MonkeyPatch, rounds: Callable[[int, int], int]
) -> None:
    killer = Killer({"backfill": rounds(1, 20), "fetch": rounds(2, 20)}, random.Random(SEED))
    on_ecs.ecs.on_start = killer
    ended = [on_ecs.backfill()]
    while ended[-1] not in ("Published", "Unchanged"):
        assert ended[-1] in ("Crashed", "Partial")
        ended.append(on_ecs.backfill())
    killer.stop()
    assert killer.killed
    expected = lake_state(on_ecs.company.alone())
    lake = lake_on_servers(on_ecs, monkeypatch)
    assert lake_state(lake) == expected
    with open_published(lake) as con:
        runs = con.execute("SELECT status FROM ops.run ORDER BY run_id").fetchall()
    assert [status for (status,) in runs].count("crashed") <= ended.count("Crashed")
    tasks = on_ecs.ecs.tasks
    assert len(on_ecs.of_flow("fetch")) >= on_ecs.workers
    # Nothing was registered.
    assert {task.request["taskDefinitionArn"] for task in tasks} == {on_ecs.ecs.definition}
    assert on_ecs.ecs.moto.client("ecs").list_task_definitions()["taskDefinitionArns"] == [on_ecs.ecs.definition]
    # No secret is in what RunTask was given.
    given = [text for task in tasks for text in (*task.variables, *task.variables.values())]
    assert not any("not-for-tasks" in text or "postgresql://" in text or "PREFECT_API_KEY" in text for text in given)
