"""A publication starts a deployment: the event goes to a real Prefect server, whose automation starts it."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dataflow.settings import EventSettings
from dataflow.sinks.events.sink import Events
from tests.lib.servers.prefect import PrefectServer
from tests.lib.three_publications import open_shop

WAIT_SECONDS = 120.0


def test_each_publication_starts_the_deployment_once(
    deployed: PrefectServer, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    [deployment] = [each for each in deployed.post("deployments/filter") if each["name"] == "after-publication"]
    endpoint = EventSettings(kind="prefect", to=deployed.url)
    with open_shop(tmp_path_factory) as shop:
        settings = shop.settings.model_copy(update={"events": {"prefect": endpoint}, "home": tmp_path})
        number = shop.days[-1].number
        Events(settings).follow(shop.days[-1])
        # As after a kill between sending and noting: the same event once more.
        Events(settings).clear()
        Events(settings).follow(shop.days[-1])

    def completed() -> list[Any]:
        found = deployed.post("flow_runs/filter", {"deployments": {"id": {"any_": [deployment["id"]]}}})
        return [run for run in found if run["state"]["type"] == "COMPLETED"]

    [run] = until(completed)
    assert run["parameters"]["event"]["publication"] == number
    assert run["parameters"]["event"]["id"].endswith(f":{number}")
    [artifact] = deployed.post("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert {"published.orders"} <= {row["table"] for row in json.loads(artifact["data"])}
    assert len(deployed.post("flow_runs/filter", {"deployments": {"id": {"any_": [deployment["id"]]}}})) == 1


def until(look: Callable[[], list[Any]]) -> list[Any]:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, "no run of the deployment completed"
        time.sleep(0.5)
    return found
