"""Rules: the business rules of the company, and how many rows wait because of each."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.govern.dead_letters import READS
from dataflow.tables.ops import DEAD_LETTER_WAITS
from dataflow.ui.commands import ask_command
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.visit import Form, Visit, visit_of
from dataflow.validate.business_rules import place_of
from dataflow.validate.dead_letter_decisions import lay_over_dead_letters

router = APIRouter()
PAGE = Page(
    name="rules",
    title="Rules",
    path="/rules",
    group="Operation",
    door="ui-rules",
    is_for=reads_whole(READS),
    router=router,
)

_EXAMPLES_SECONDS = 60.0

Visiting = Annotated[Visit, Depends(visit_of("rules"))]


@router.get("/rules")
def rules(visit: Visiting) -> Response:
    """List the rules with the rows that wait because of them, and the other causes of dead letters."""
    settings = visit.site.settings
    with visit.open(READS) as door:
        letters = lay_over_dead_letters(door.con, door.waiting).relation
        rows = door.con.execute(
            f"SELECT rule, count(*) FROM {letters} WHERE {DEAD_LETTER_WAITS} GROUP BY rule ORDER BY ALL"
        ).fetchall()
    waiting = {str(name): int(count) for name, count in rows}
    found = [
        {"name": name, "rule": rule, "place": place_of(settings, name), "waiting": waiting.pop(name, 0)}
        for name, rule in settings.rules.items()
    ]
    return visit.render("rules.html.j2", rules=found, others=waiting, tested=visit.site.tested)


@router.post("/rules/test")
def test(visit: Visiting, _: Form) -> Response:
    """Run the examples of every rule."""
    with visit.site.place():
        results = ask_command(visit.site.settings, "rules", "test", seconds=_EXAMPLES_SECONDS)
    visit.site.tested = {"at": visit.site.now(), "results": results}
    return visit.redirect("/rules")
