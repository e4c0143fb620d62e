"""The nightly check: a step for each object, so that a failure does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from dataflow.errors import DataFlowError
from dataflow.land import Checked, due_objects, record_checks, why_not_compared
from dataflow.run.session import RunSession
from dataflow.sources.protocol import BEGINNING, Window
from dataflow.workspace.report import GAP_FACT, StepReport
from flows.engine import Call
from flows.sessions import engine_of
from flows.steps import check, delete_gone
from lakehouse.plural import agreeing, counted

_Name = tuple[str, str]
_NAMED = 3


def check_objects(
    session: RunSession,
    *,
    source: str | None = None,
    object_name: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> str:
    """Compare each chosen object with raw and record what is missing; then find unrecorded deletions.

    Returns the run's message: what was compared, how many records are gone, what was not compared for deletions.
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
            parameters = {"run_id": run_id, "name": name, "since": since, "until": until}
            found.append(engine_of(session).run(Call("check", check, parameters, name=f"check {'.'.join(name)}")))
    session.reports += [checked.report() for checked in found]
    with session.one_at_a_time("land"):
        record_checks(session.lake, found, session.run)
    due = {name: () for name in due_objects(session.lake, session.settings, now=session.run.now) if name in chosen}
    reasons = {one.name: why_not_compared(session.settings, one.name) for one in found}
    doubted = {one.name: one.in_doubt for one in found if one.in_doubt and not reasons[one.name]}
    gone = _delete_gone(session, {**doubted, **due})
    return _message(found, gone, {name: reason for name, reason in reasons.items() if reason})


def _delete_gone(session: RunSession, ranges: Mapping[_Name, Sequence[Window]]) -> dict[_Name, int]:
    """Compare keys, of each object those in its ranges or all; return how many records are gone by object."""
    gone = {}
    for name, within in ranges.items():
        with _noted(session, name):
            parameters = {"run_id": session.run.run_id, "name": name, "within": within}
            gone[name] = engine_of(session).run(Call("keys", delete_gone, parameters, name=f"keys {'.'.join(name)}"))
    return gone


def _message(found: Sequence[Checked], gone: Mapping[_Name, int], not_compared: Mapping[_Name, str]) -> str:
    rows = sum(checked.at_source.count for checked in found)
    parts = [f"{counted(len(found), 'object')} compared with their sources, which hold {counted(rows, 'row')}"]
    if not found:
        parts = ["no object compared with its source"]
    later = {checked.name: checked.whole.window.start for checked in found if checked.whole.window.start > BEGINNING}
    if later:
        parts.append(f"from {min(later.values()):%Y-%m-%d} on: {_listed('.'.join(name) for name in later)}")
    total = sum(gone.values())
    by_name = ", ".join(f"{counted(count, 'record')} of {'.'.join(name)}" for name, count in gone.items() if count)
    deleted = f"gone at the source: {by_name}; the next run {agreeing(total, 'deletes it', 'deletes them')}"
    parts.append(deleted if total else "no record found that is gone at its source")
    if not_compared:
        named = _listed(f"{'.'.join(name)} ({reason})" for name, reason in not_compared.items())
        parts.append(f"not compared for deletions: {named}")
    return "; ".join(parts)


def _listed(texts: Iterable[str]) -> str:
    every = list(texts)
    more = f" and {len(every) - _NAMED} more" if len(every) > _NAMED else ""
    return ", ".join(every[:_NAMED]) + more


@contextmanager
def _noted(session: RunSession, name: _Name) -> Iterator[None]:
    """Record that an object could not be checked, which makes the run partial, and continue."""
    try:
        yield
    except DataFlowError as error:
        facts = {GAP_FACT: f"could not be checked: {error}"}
        session.reports.append(StepReport(stage="check", subject=".".join(name), rows_in=0, rows_out=0, facts=facts))
