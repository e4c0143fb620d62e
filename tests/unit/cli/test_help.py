"""The help is the manual, and it is there at once."""

import subprocess
import sys

import pytest

from dataflow.cli.main import run
from tests.lib.commands import every_command


@pytest.mark.parametrize("command", [name for name, _ in every_command()])
def test_every_command_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split(), "--help"]) == 0
    told = capsys.readouterr().out
    assert "Usage: dataflow" in told
    assert f"dataflow {command}" in told.replace(f"Usage: dataflow {command}", "")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dataflow.cli.main import run\nrun(['--help'])\n"
        "heavy = {'duckdb', 'pydantic', 'prefect', 'ibis', 'splink', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("module", ["dataflow.cli", "dataflow.cli.main"])
def test_the_command_line_runs_as_a_module(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "fly"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "fly" in done.stderr


def test_an_unknown_command_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fly"]) == 2
    assert "fly" in capsys.readouterr().err
