"""The deployments of prefect.yaml, on a real server, through a real worker."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from dataflow.access.pipeline import open_published
from dataflow.settings import load_settings
from dataflow.sinks.warehouse import warehouse_snapshot
from flows import pipelines
from tests.lib.alert_receivers import KEY, SECRET, AlertReceiver, alert_receiver
from tests.lib.canaries import assert_without, values_of
from tests.lib.homes import LATER, NOW, make_sample, published_hash
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.prefect import PrefectServer, ProcessWorker


def test_each_deployment_has_a_schedule_a_limit_and_the_pool(
    deployed: PrefectServer, process_worker: ProcessWorker
) -> None:
    found = {each["name"]: each for each in deployed.post("deployments/filter") if "dataflow" in each["tags"]}
    assert set(found) == {"ingest", "publish", "daily", "follow", "check", "backfill"}
    for each in found.values():
        assert each["schedules"]
        assert each["global_concurrency_limit"]["limit"] == 1
        assert each["work_pool_name"] == process_worker.pool
        assert each["entrypoint"] == f"flows.pipelines.{each['name']}"


@pytest.mark.parametrize(("state", "kind"), [("crashed", "CRASHED"), ("late", "SCHEDULED")])
def test_a_run_that_only_prefect_saw_is_reported(
    deployed: PrefectServer, process_worker: ProcessWorker, state: str, kind: str
) -> None:
    found = {each["name"]: each["id"] for each in deployed.post("deployments/filter")}
    automations = {each["name"]: each for each in deployed.post("automations/filter")}
    assert {"run-crashed", "run-late", "run-stuck"} <= set(automations)
    assert automations["run-stuck"]["trigger"]["posture"] == "Proactive"
    with process_worker.paused():
        run = deployed.post(f"deployments/{found['check']}/create_flow_run", {})
        asked = {"state": {"type": kind, "name": state.title()}, "force": True}
        deployed.post(f"flow_runs/{run['id']}/set_state", asked)
        reports = until(lambda: _runs_of(deployed, found["report-run"]))
        assert [one["parameters"] for one in reports] == [
            {"state": state, "flow_name": "check", "run_name": run["name"]}
        ]
        for one in (run, *reports):
            deployed.delete(f"flow_runs/{one['id']}")


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 180
    while not (found := look()):
        assert time.monotonic() < deadline, "nothing came of it"
        time.sleep(0.2)
    return found


def _runs_of(server: PrefectServer, deployment: str) -> Any:
    return server.post("flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})


def test_a_backfill_of_a_range_runs_through_the_worker_and_a_failed_audit_after_it_has_an_end(
    deployed: PrefectServer, tmp_path: Path, certificates: Certificates
) -> None:
    make_sample(tmp_path, days=3)
    parameters = ["start=2026-01-01", "end=2026-01-02", "window_days=1", f"home={tmp_path}", f"now={NOW}"]
    words = [word for parameter in parameters for word in ("-p", parameter)]
    deployed.cli("deployment", "run", "backfill/backfill", *words, "--watch", cwd=tmp_path)

    runs = deployed.post("flow_runs/filter", {"flows": {"name": {"any_": ["backfill"]}}})
    [run] = [run for run in runs if run["parameters"].get("home") == str(tmp_path)]
    assert (run["state"]["type"], run["state"]["name"]) == ("COMPLETED", "Published")
    con = open_published(load_settings(home=tmp_path))
    days = con.execute("SELECT DISTINCT window_from FROM ops.completeness ORDER BY 1").fetchall()
    customers = con.execute("SELECT count(*) FROM published.customer_360").fetchone()
    kinds = con.execute("SELECT kind, status FROM ops.run").fetchall()
    con.close()
    assert [day for (day,) in days] == [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]
    assert customers is not None
    assert customers[0] > 0
    assert kinds == [("backfill", "published")]
    _check_artifacts(deployed, run["id"], tmp_path)
    # With the parameters, states, logs and artifacts of this run and of those of other tests before it.
    database = [path for path in deployed.home.rglob("prefect.db*") if path.is_file()]
    assert database
    assert_without(values_of(tmp_path), {str(path): path.read_bytes() for path in database})
    with alert_receiver(certificates) as receiver:
        _check_failed_audit(deployed, tmp_path, receiver)


def _check_failed_audit(server: PrefectServer, home: Path, receiver: AlertReceiver) -> None:
    """A publication that a rule refuses changes nothing and is one incident, notified once; a good run resolves it."""
    declared = (
        files("dataflow.settings").joinpath("default.toml").read_text(encoding="utf-8")
        + f"""
[alerts.pager]
kind = "pagerduty"
to = "{receiver.url}"
secret = "{KEY}"
ca_file = "{receiver.ca_file}"
[alerts.hook]
kind = "webhook"
to = "{receiver.url}/hook"
secret = "{SECRET}"
ca_file = "{receiver.ca_file}"
"""
    )
    rule = """
[rules.enough_tickets]
on = "published.tickets"
rows = { at_least = 1000000 }
severity = "block"
reason = "fewer than a million tickets"
owner = "support"
"""
    config = home / "dataflow.toml"
    settings = load_settings(home=home)
    before = published_hash(home), warehouse_snapshot(Path(settings.warehouse.path))
    config.write_text(declared + rule, encoding="utf-8")
    assert _run_to_its_end(server, "daily", config, home)["type"] == "FAILED"
    assert (published_hash(home), warehouse_snapshot(Path(settings.warehouse.path))) == before
    assert receiver.actions() == ["trigger"]
    config.write_text(declared, encoding="utf-8")
    assert _run_to_its_end(server, "daily", config, home)["type"] == "COMPLETED"
    assert warehouse_snapshot(Path(settings.warehouse.path)) != before[1]
    assert receiver.actions() == ["trigger", "resolve"]
    assert len({one["dedup_key"] for one in receiver.had if "dedup_key" in one}) == 1
    hooks = [one["notifications"] for one in receiver.had if "notifications" in one]
    assert [[one["event"] for one in each] for each in hooks] == [["opened"], ["resolved"]]


def _run_to_its_end(server: PrefectServer, name: str, config: Path, home: Path) -> Any:
    """Run a deployment through the worker, as its schedule does; return the state in which it ends."""
    [deployment] = [each["id"] for each in server.post("deployments/filter") if each["name"] == name]
    parameters = {"config": str(config), "home": str(home), "source": "tickets", "now": LATER}
    run = server.post(f"deployments/{deployment}/create_flow_run", {"parameters": parameters})

    def ended() -> Any:
        state = server.get(f"flow_runs/{run['id']}")["state"]
        return state if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

    return until(ended)


def _check_artifacts(server: PrefectServer, run_id: str, home: Path) -> None:
    found = server.post("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}})
    artifacts = {each["key"]: each for each in found if each["key"]}
    assert {"backfill-report", "backfill-steps", "backfill-page", "backfill-progress"} <= set(artifacts)
    assert "| land |" in artifacts["backfill-report"]["data"]
    assert artifacts["backfill-progress"]["data"] == 100.0
    assert str(home / "reports") in artifacts["backfill-page"]["data"]
    steps = json.loads(artifacts["backfill-steps"]["data"])
    assert all(row["rows_in"] == row["rows_out"] + row["set_aside"] + row["merged"] for row in steps)


def test_a_day_that_is_none_fails_before_anything_is_touched(deployed: PrefectServer, tmp_path: Path) -> None:
    with deployed.in_process(), pytest.raises(ParameterTypeError, match="start"):
        pipelines.backfill(start="2026-02-30", end="2026-03-01", home=tmp_path)  # type: ignore[arg-type]
    assert not (tmp_path / "lake").exists()
