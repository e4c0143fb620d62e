"""`dataflow bench access`: the figures of marts and log in one run, and what they say."""

from __future__ import annotations

import json

import pytest

from dataflow.bench.access import AccessFigure
from dataflow.cli.main import run
from dataflow.settings.roles import SHIPPED_ROLES


def figure(value: float) -> AccessFigure:
    return AccessFigure(figure="all marts, of an increment", value=value, most=10, unit="%", parts={})


def test_a_figure_is_met_up_to_its_limit() -> None:
    assert figure(10.0).target == "met (≤ 10 %)"
    assert figure(10.1).target == "MISSED (≤ 10 %)"
    assert figure(1.0).as_dict()["target"] == "met (≤ 10 %)"


@pytest.mark.soak
def test_all_figures_are_measured_in_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "access", "--records", "600", "--entries", "300", "-o", "json"]) == 0
    first, increment, largest, record, verify = json.loads(capsys.readouterr().out)["figures"]
    assert first["value"] > 0 < increment["value"]
    assert set(largest["parts"]) == set(SHIPPED_ROLES)
    assert largest["value"] == max(largest["parts"].values())
    assert (record["unit"], verify["parts"]) == ("ms of CPU", {"entries": 300})
