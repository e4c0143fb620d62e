"""A second Python gives what this one would, and its death costs nothing but time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.conform.phones import normalise_phone_value
from dataflow.conform.second import SecondPython, apply_here

NUMBERS = [(f"0151 {number:07d}", "DE") for number in range(2_000_000, 2_006_001)]


def test_both_halves_come_back_in_order() -> None:
    with SecondPython() as python:
        found = python.apply(normalise_phone_value, NUMBERS)
        again = python.apply(normalise_phone_value, NUMBERS[:3])
    assert found == apply_here(normalise_phone_value, NUMBERS)
    assert found[0] == ("+491512000000", None)
    assert again == found[:3]


def test_few_values_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.conform.second.subprocess.Popen", None)
    with SecondPython() as python:
        assert python.apply(normalise_phone_value, NUMBERS[:10]) == apply_here(normalise_phone_value, NUMBERS[:10])


def test_a_process_that_dies_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    dies = tmp_path / "python"
    dies.write_text("#!/bin/sh\nexit 1\n")
    dies.chmod(0o755)
    monkeypatch.setattr("dataflow.conform.second.sys.executable", str(dies))
    with SecondPython() as python:
        assert python.apply(normalise_phone_value, NUMBERS) == apply_here(normalise_phone_value, NUMBERS)


def test_an_error_over_there_is_raised_here(capfd: pytest.CaptureFixture[str]) -> None:
    numbers = [*NUMBERS, (151, "DE")]
    with SecondPython() as python, pytest.raises(TypeError):
        python.apply(normalise_phone_value, numbers)
    assert capfd.readouterr().err == ""


def test_the_process_is_gone_with_its_owner() -> None:
    with SecondPython() as python:
        python.apply(normalise_phone_value, NUMBERS)
        assert python._process is not None
        pid = python._process.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_it_ends_when_its_input_does() -> None:
    ended = subprocess.run([sys.executable, "-P", "-m", "dataflow.conform.second"], input=b"", timeout=60, check=False)
    assert ended.returncode == 0
