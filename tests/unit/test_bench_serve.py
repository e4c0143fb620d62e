"""`dataflow bench serve`: what its figures say; and the sinks of a small sample, measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dataflow.bench.serving import ServeFigure
from dataflow.cli.main import run


def test_a_figure_is_met_at_its_limit() -> None:
    assert ServeFigure(figure="f", value=5.0, unit="s", most=5.0).target == "met (≤ 5 s)"
    assert ServeFigure(figure="f", value=5.1, unit="s", most=5.0).target == "MISSED (≤ 5 s)"
    assert ServeFigure(figure="f", value=7.9, unit="customers/s", least=8.0).target == "MISSED (≥ 8 customers/s)"
    assert ServeFigure(figure="f", value=1.0, unit="s").as_dict()["target"] == ""


def test_without_a_sink_there_is_nothing_to_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "dataflow.toml"
    config.write_text('[warehouse]\npath = ""\n')
    assert run(["--config", str(config), "bench", "serve"]) == 2
    assert "Neither warehouse nor cache is on" in capsys.readouterr().err


@pytest.mark.soak
def test_all_figures_are_measured_in_one_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "serve", "--records", "500", "-o", "json"]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert [one["figure"] for one in figures] == [
        "warehouse, first load",
        "warehouse, first load, own CPU",
        "warehouse, increment",
        "warehouse, increment, own CPU",
    ]
    assert all(one["value"] > 0 for one in figures)
