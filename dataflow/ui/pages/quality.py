"""Quality: dead letters by cause and their replay; to roles that open the lake also completeness, gaps and drift."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.access.identify import record_refusal
from dataflow.errors import AccessRefused, UsageError
from dataflow.govern.dead_letters import (
    READS,
    DeadLetterFilter,
    count_dead_letters,
    discard_dead_letters,
    replay_dead_letters,
)
from dataflow.observe.status import read_status
from dataflow.settings.roles import ENGINEER
from dataflow.tables.ops import DEAD_LETTER_WAITS
from dataflow.ui.as_of import as_of
from dataflow.ui.commands import ask_command, do_command
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.visit import Form, Visit, visit_of
from dataflow.validate.dead_letter_decisions import lay_over_dead_letters
from lakehouse.query import fetch_records

router = APIRouter()
PAGE = Page(
    name="quality",
    title="Quality",
    path="/quality",
    group="Operation",
    door="ui-quality",
    is_for=reads_whole(READS),
    router=router,
)

_DRIFT_SECONDS = 120.0

Visiting = Annotated[Visit, Depends(visit_of("quality"))]

_CAUSES = f"""
    SELECT _source AS source, _object AS object, rule, any_value(reason) AS reason, status, count(*) AS rows,
        min(first_seen_at) AS since, max(last_seen_at) AS last_seen_at
    FROM {{letters}} WHERE {DEAD_LETTER_WAITS} GROUP BY ALL
    ORDER BY rows DESC, source, object, rule
"""


@router.get("/quality")
def quality(visit: Visiting) -> Response:
    """Show what was set aside and why, and what is not whole."""
    site = visit.site
    status: dict[str, list[dict[str, Any]]] | None = None
    with visit.open(READS) as door:
        published = as_of(door)
        letters = lay_over_dead_letters(door.con, door.waiting).relation
        causes = fetch_records(door.con, _CAUSES.format(letters=letters))
        if visit.role.opens_lake:
            status = read_status(door.con, settings=site.settings, now=site.now(), inbox=door.waiting)
    return visit.render(
        "quality.html.j2",
        causes=causes,
        status=status,
        published=published,
        drift=visit.site.drift if visit.role.opens_lake else None,
        may_accept=visit.role.name == ENGINEER,
    )


@router.post("/quality/replay")
def replay(visit: Visiting, form: Form) -> Response:
    """Decide that the next run validates the dead letters of one cause again; or only count them, as a dry run."""
    chosen = _chosen(form)
    if form.get("dry"):
        with visit.open(READS) as door:
            letters = lay_over_dead_letters(door.con, door.waiting)
            count = sum(one.count for one in count_dead_letters(door.con, chosen, dead_letters=letters))
        return visit.redirect("/quality", notice=f"A replay would validate {_rows(count)} of {_name(chosen)} again.")
    with visit.open_to_decide(READS) as (door, inbox):
        letters = lay_over_dead_letters(door.con, door.waiting)
        count = replay_dead_letters(
            door.con, inbox, chosen, who=visit.session.who.name, now=visit.site.now(), dead_letters=letters
        )
    return visit.redirect("/quality", notice=f"The next run validates {_rows(count)} of {_name(chosen)} again.")


@router.post("/quality/discard")
def discard(visit: Visiting, form: Form) -> Response:
    """Decide that the dead letters of one cause stay out for good, with the reason."""
    chosen = _chosen(form)
    with visit.open_to_decide(READS) as (door, inbox):
        letters = lay_over_dead_letters(door.con, door.waiting)
        count = discard_dead_letters(
            door.con,
            inbox,
            chosen,
            who=visit.session.who.name,
            why=form.get("why", ""),
            now=visit.site.now(),
            dead_letters=letters,
        )
    return visit.redirect("/quality", notice=f"Discarded: {_rows(count)} of {_name(chosen)}. A replay takes it back.")


@router.post("/quality/drift")
def find_drift(visit: Visiting, _: Form) -> Response:
    """Ask the sources for fields that differ from their declaration."""
    _require_lake(visit)
    with visit.site.place():
        rows = ask_command(visit.site.settings, "drift", "list", seconds=_DRIFT_SECONDS)
    visit.site.drift = {"at": visit.site.now(), "rows": rows}
    return visit.redirect("/quality#drift")


@router.post("/quality/drift/accept")
def accept_drift(visit: Visiting, form: Form) -> Response:
    """Write one change of a field into dataflow.toml; the new file is checked before it replaces the old one."""
    if visit.role.name != ENGINEER:
        record_refusal(visit.site.settings, visit.who, door=PAGE.door, detail="drift")
        raise AccessRefused("The configuration is changed by an engineer.")
    source, name, field = (form.get(part, "") for part in ("source", "object", "field"))
    with visit.site.place():
        command = ("drift", "accept", f"--field={field}", "--", source, name)
        do_command(visit.site.settings, *command, seconds=_DRIFT_SECONDS)
    visit.site.drift = None
    return visit.redirect("/quality#drift", notice=f"Accepted: the next run reads {field} of {source}.{name}.")


def _chosen(form: dict[str, str]) -> DeadLetterFilter:
    """Return the dead letters of one cause, as the page lists them. Raises: UsageError without a cause."""
    source, name, rule = (form.get(part, "") for part in ("source", "object", "rule"))
    if not (source and name and rule):
        raise UsageError("Choose a cause of dead letters.")
    return DeadLetterFilter(source=source, object=name, rule=rule)


def _name(chosen: DeadLetterFilter) -> str:
    return f"{chosen.source}.{chosen.object} by {chosen.rule}"


def _rows(count: int) -> str:
    return f"{count:,} dead {'letter' if count == 1 else 'letters'}"


def _require_lake(visit: Visit) -> None:
    if not visit.role.opens_lake:
        record_refusal(visit.site.settings, visit.who, door=PAGE.door, detail="drift")
        raise AccessRefused(f"The role {visit.role.name} does not see the sources.")
