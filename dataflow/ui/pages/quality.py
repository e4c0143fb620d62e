"""Quality: dead letters by cause; to roles that open the lake also completeness, gaps and withdrawn files."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.govern.dead_letters import READS
from dataflow.observe.status import read_status
from dataflow.tables.ops import DEAD_LETTER_WAITS
from dataflow.ui.as_of import as_of
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.visit import Visit, visit_of
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

_CAUSES = f"""
    SELECT _source AS source, _object AS object, rule, any_value(reason) AS reason, status, count(*) AS rows,
        min(first_seen_at) AS since, max(last_seen_at) AS last_seen_at
    FROM {{letters}} WHERE {DEAD_LETTER_WAITS} GROUP BY ALL
    ORDER BY rows DESC, source, object, rule
"""


@router.get("/quality")
def quality(visit: Annotated[Visit, Depends(visit_of("quality"))]) -> Response:
    """Show what was set aside and why, and what is not whole."""
    site = visit.site
    status: dict[str, list[dict[str, Any]]] | None = None
    with visit.open(READS) as door:
        published = as_of(door)
        letters = lay_over_dead_letters(door.con, door.waiting).relation
        causes = fetch_records(door.con, _CAUSES.format(letters=letters))
        if visit.role.opens_lake:
            status = read_status(door.con, settings=site.settings, now=site.now(), inbox=door.waiting)
    return visit.render("quality.html.j2", causes=causes, status=status, published=published)
