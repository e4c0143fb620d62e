"""`dataflow bench access`: the figures of marts and log in one run, and what they say."""

from __future__ import annotations

import json

import pytest

from dataflow.bench.access import AccessFigure, _seconds_of_marts
from dataflow.cli.main import run
from dataflow.errors import BenchmarkFailed
from dataflow.settings.roles import SHIPPED_ROLES


def figure(value: float) -> AccessFigure:
    return AccessFigure(figure="all marts, of an increment", value=value, most=10, unit="%", parts={})


def test_a_figure_is_met_up_to_its_limit() -> None:
    assert figure(10.0).target == "met (≤ 10 %)"
    assert figure(10.1).target == "MISSED (≤ 10 %)"
    assert figure(1.0).as_dict()["target"] == "met (≤ 10 %)"


def test_a_run_without_marts_is_no_measurement() -> None:
    steps = [{"subject": "warehouse", "seconds": 2.0}, {"subject": "marts", "seconds": 1.5}]
    assert _seconds_of_marts({"steps": steps}) == 1.5
    with pytest.raises(BenchmarkFailed, match="0 steps of the sink marts"):
        _seconds_of_marts({"steps": steps[:1]})


@pytest.mark.soak
def test_all_figures_are_measured_in_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "access", "--records", "600", "--entries", "300", "-o", "json"]) == 0
    first, increment, largest, record, verify = json.loads(capsys.readouterr().out)["figures"]
    assert first["value"] > 0 < increment["value"]
    assert set(largest["parts"]) == set(SHIPPED_ROLES)
    assert largest["value"] == max(largest["parts"].values())
    assert (record["unit"], verify["parts"]) == ("ms of CPU", {"entries": 300})
