"""The nightly check as tasks: one for each object, so that a failure does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from dataflow.errors import DataFlowError
from dataflow.land import Checked, due_objects, record_checks
from dataflow.run.session import RunSession
from dataflow.workspace.report import GAP_FACT, StepReport
from flows.retry import with_retries
from flows.tasks import check, delete_gone


def check_objects(
    session: RunSession,
    *,
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> int:
    """Compare each chosen object with raw and record what is missing; return how many were compared.

    Then find unrecorded deletions, in the objects where that is due.
    """
    run_id = session.run.run_id
    found: list[Checked] = []
    chosen = [
        (name, of)
        for name, system in session.settings.sources.items()
        for of in system.objects
        if source in (None, name) and object_name in (None, of)
    ]
    for name in chosen:
        with _noted(session, name):
            found.append(
                with_retries(check, session.settings, name=f"check {'.'.join(name)}")(run_id, name, since, until)
            )
    session.reports += [checked.report() for checked in found]
    with session.one_at_a_time("land"):
        record_checks(session.lake, found, session.run)
    for name in due_objects(session.lake, session.settings, now=session.run.now):
        if name in chosen:
            with _noted(session, name):
                with_retries(delete_gone, session.settings, name=f"keys {'.'.join(name)}")(run_id, name)
    return len(found)


@contextmanager
def _noted(session: RunSession, name: tuple[str, str]) -> Iterator[None]:
    """Record that an object could not be checked, which makes the run partial, and continue."""
    try:
        yield
    except DataFlowError as error:
        facts = {GAP_FACT: f"could not be checked: {error}"}
        session.reports.append(StepReport(stage="check", subject=".".join(name), rows_in=0, rows_out=0, facts=facts))
