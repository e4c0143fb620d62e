"""Whatever a run leaves behind is for its user alone, or for the lake's group."""

from pathlib import Path

import pytest

from dataflow.cli.main import run
from dataflow.settings import Settings
from tests.lib.homes import LATER
from tests.lib.modes import member_of_a_group, modes_below


def test_runs_leave_nothing_that_others_can_read(second_day: Path) -> None:
    found = modes_below(second_day)
    assert {mode for mode, _ in found.values()} == {"0700", "0600"}
    parts = {name.split("/")[0] for name in found}
    assert {"lake", "landing", "reports", "runs", "sample", "warehouse.duckdb"} <= parts


def test_a_group_shares_what_its_runs_leave(
    published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = published.home
    with member_of_a_group() as (name, number):
        monkeypatch.setenv("DATAFLOW_LAKE__GROUP", name)
        assert run(["--home", str(home), "run", "--now", LATER]) == 2
        assert "doctor --fix-modes" in capsys.readouterr().err
        assert run(["--home", str(home), "doctor", "--fix-modes"]) == 0
        assert run(["--home", str(home), "run", "--now", LATER]) == 0
    wanted = {("2770", number), ("0660", number)}
    assert {path: mode for path, mode in modes_below(home).items() if mode not in wanted} == {}
