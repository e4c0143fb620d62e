"""Every error becomes one message and the exit code of its class."""

from pathlib import Path

import pytest

from dataflow.cli.failing import explain
from dataflow.errors import AuditRefused, ConfigurationError, SinkError, SourceIncomplete, UsageError
from lakehouse.errors import LakeLocked, SnapshotNotFound


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("x"), 2),
        (ConfigurationError("x"), 2),
        (SinkError("x"), 1),
        (AuditRefused("x"), 3),
        (SourceIncomplete("x"), 4),
        (LakeLocked("x"), 1),
        (SnapshotNotFound("x"), 2),
        (ValueError("x"), 1),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    assert explain(error, debug=False) == code


def test_message_next_move_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    error = UsageError("A [day] is missing.", next_move="Give one.")
    error.add_note("tickets failed too")
    explain(error, debug=False)
    told = capsys.readouterr()
    assert told.out == ""
    assert "Error: A [day] is missing. Give one." in told.err
    assert "tickets failed too" in told.err


def raise_unforeseen() -> None:
    raise ValueError("Jane Doe")


def test_an_unforeseen_error_keeps_its_words_to_itself(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError) as caught:
        raise_unforeseen()
    assert explain(caught.value, debug=False) == 1
    told = capsys.readouterr().err
    assert "ValueError" in told
    assert "cli/test_failing.py" in told
    assert "Jane" not in told


def test_debug_shows_it_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError) as caught:
        raise_unforeseen()
    explain(caught.value, debug=True)
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "Jane" in told


def test_a_folder_that_cannot_be_made_is_no_defect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        (tmp_path / "file" / "home").mkdir(parents=True)
    assert explain(caught.value, debug=False) == 2
    assert "home cannot be made: Not a directory. Name a folder" in " ".join(capsys.readouterr().err.split())
