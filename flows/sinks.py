"""Update the sinks in parallel; an error of one does not affect the others."""

from __future__ import annotations

from typing import Any

from dataflow.publish import Publication
from dataflow.run.session import RunSession
from dataflow.sinks import active_sinks
from dataflow.workspace.cost import COST_FACT
from dataflow.workspace.report import BEHIND_FACT, StepReport
from flows.engine import Call
from flows.sessions import engine_of
from flows.steps import feed_sink


def feed_sinks(session: RunSession, publication: Publication) -> list[StepReport]:
    """Update every sink to the publication, also to an unchanged one: an earlier run can have died before its sinks.

    Shape: one report for each sink; that of a sink not updated has the fact `behind` with the reason.
    """
    names = [kind.name for kind in active_sinks(session.settings)]
    if not names:
        return []
    run_id = session.run.run_id
    calls = [
        Call("sink", feed_sink, {"run_id": run_id, "name": name, "publication": publication}, name=f"sink {name}")
        for name in names
    ]
    with session.stage("sink"):
        answers = engine_of(session).run_all(calls, workers=len(calls))
    return [_report(name, answer) for name, answer in zip(names, answers, strict=True)]


def _report(name: str, answer: Any) -> StepReport:
    if isinstance(answer, StepReport):
        return answer
    # Errors with an owner have messages without customer data; others, such as Prefect's, are named by class only.
    why = str(answer) if getattr(answer, "owner", None) else f"unexpected {type(answer).__name__}"
    cost = getattr(answer, "cost", None)
    facts = {BEHIND_FACT: why, **({COST_FACT: cost} if cost else {})}
    return StepReport(stage="sink", subject=name, rows_in=0, rows_out=0, facts=facts)
