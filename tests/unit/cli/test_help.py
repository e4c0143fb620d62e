"""The help is the manual, and it is there at once."""

import subprocess
import sys

import pytest

from dataflow.cli.main import run

COMMANDS = [
    "init",
    "doctor",
    "describe",
    "docs",
    "demo",
    "sample",
    "plan",
    "run",
    "backfill",
    "status",
    "query",
    "diff",
    "restore",
    "resolve",
    "maintain",
    "bench",
    "bench_sources",
    "dlq_list",
    "dlq_count",
    "dlq_show",
    "dlq_replay",
    "dlq_discard",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_teaches_by_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command.split("_"), "--help"]) == 0
    told = capsys.readouterr().out
    assert "Usage: dataflow" in told
    assert "dataflow " + command.replace("_", " ") in told.replace("Usage: dataflow " + command.replace("_", " "), "")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom dataflow.cli.main import run\nrun(['--help'])\n"
        "heavy = {'duckdb', 'pydantic', 'prefect', 'ibis', 'splink', 'pyarrow', 'altair'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_an_unknown_command_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fly"]) == 2
    assert "fly" in capsys.readouterr().err
