"""Send what `[telemetry]` asks for at the end of a run; a failure of it never fails the run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import TextIO

from dataflow.access.pipeline import open_published
from dataflow.errors import AuditRefused, DataFlowError
from dataflow.observe.telemetry.measurements import EndedRun, Measurement, measure_lake, measure_run
from dataflow.observe.telemetry.texts import write_emf, write_log
from dataflow.run.session import RunSession
from dataflow.settings import Settings
from lakehouse import LakeError
from lakehouse.table import DATABASE


def send_telemetry(
    settings: Settings,
    session: RunSession,
    error: BaseException | None,
    *,
    now: datetime,
    stream: TextIO | None = None,
) -> list[str]:
    """Write log lines and embedded metrics to `stream`, by default stderr, and send metrics and trace by OTLP.

    Returns what failed; raises nothing.
    """
    declared = settings.telemetry
    if not (declared.otlp or declared.emf or declared.log_lines):
        return []
    try:
        run = ended_run(session, error, now=now)
        if declared.log_lines:
            _write(write_log(run), stream)
        if not (declared.otlp or declared.emf):
            return []
        found = [*measure_run(run), *_of_lake(settings, now=now)]
        if declared.emf:
            _write(write_emf(found, at=now), stream)
        return _send(settings, run, found) if declared.otlp else []
    except Exception as second:  # noqa: BLE001 (any error: it must not hide how the run ended)
        return [f"Its telemetry could not be sent ({type(second).__name__})."]


def ended_run(session: RunSession, error: BaseException | None, *, now: datetime) -> EndedRun:
    """Return how the run of a session ended."""
    failed = "refused" if isinstance(error, AuditRefused) else "failed"
    outcome = session.outcome
    return EndedRun(
        run_id=session.run.run_id,
        kind=session.run.kind,
        status=failed if error is not None else outcome.status if outcome is not None else "complete",
        started_at=session.started_at,
        finished_at=now if outcome is None else outcome.finished_at,
        reports=tuple(session.reports),
        timings=tuple(session.timings),
        error="" if error is None else type(error).__name__,
    )


def measure_published(settings: Settings, *, now: datetime) -> list[Measurement]:
    """Measure what readers of the lake see. Raises: LakeError, DataFlowError."""
    with closing(open_published(settings)) as con:
        con.execute(f"USE {DATABASE}")
        return measure_lake(con, settings, now=now)


def _of_lake(settings: Settings, *, now: datetime) -> list[Measurement]:
    try:
        return measure_published(settings, now=now)
    except (LakeError, DataFlowError):
        return []  # of a lake that cannot be read the run's own measurements say so


def _send(settings: Settings, run: EndedRun, found: Sequence[Measurement]) -> list[str]:
    # Imported here: a run without OTLP does not need the SDK.
    from dataflow.observe.telemetry.otlp import OtlpEndpoint

    with closing(OtlpEndpoint(settings.telemetry)) as endpoint, _quiet_sdk():
        sent = {"metrics": endpoint.send_metrics(found), "trace": endpoint.send_trace(run)}
    refused = [name for name, taken in sent.items() if not taken]
    return [f"The endpoint telemetry.otlp did not take {' and '.join(refused)}."] if refused else []


@contextmanager
def _quiet_sdk() -> Iterator[None]:
    """Keep the SDK's log, which repeats answers of the endpoint, out of ours: what failed is returned."""
    logger = logging.getLogger("opentelemetry")
    before, logger.disabled = logger.disabled, True
    level = logger.level
    # Loggers below it ask for its level, and for nothing else of it.
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.disabled = before
        logger.setLevel(level)


def _write(lines: Iterable[str], stream: TextIO | None) -> None:
    # One write a line: lines of several processes do not mix.
    for line in lines:
        (stream or sys.stderr).write(f"{line}\n")
