"""The benchmark of the access log measures what a door does, and a log that verifies."""

from __future__ import annotations

from pathlib import Path

from dataflow.access.log.segment import Line, read_lines
from dataflow.bench.audit import measure_audit, write_log


def test_both_steps_are_measured_and_judged() -> None:
    messages: list[str] = []
    record, verify = measure_audit(300, notify=messages.append)
    assert (record.step, verify.step, verify.entries) == ("record", "verify", 300)
    assert record.bytes > 0
    assert record.target.endswith("(≤ 0.001 s)")
    assert verify.target == "met (≤ 30 s)"
    assert set(verify.as_dict()) >= {"step", "seconds", "cpu_seconds", "target"}
    assert len(messages) == 3


def test_the_log_has_the_entries_asked_for(tmp_path: Path) -> None:
    write_log(tmp_path / "log", 5)
    assert [Line.parse(raw).entry.rows for raw in read_lines(tmp_path / "log" / "entries.log")] == list(range(5))
