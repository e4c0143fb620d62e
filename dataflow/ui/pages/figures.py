"""Key figures: each with its trend, over weeks that can be compared."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.observe.key_figures import DAYS, read_key_figures
from dataflow.ui.as_of import as_of
from dataflow.ui.pages.page import Page, everyone
from dataflow.ui.visit import Visit, visit_of

router = APIRouter()
PAGE = Page(
    name="figures",
    title="Key figures",
    path="/figures",
    group="Business",
    door="ui-figures",
    is_for=everyone,
    router=router,
)

PERIODS = {"7": "Week", "28": "4 weeks", "91": "Quarter", "364": "Year"}
"""Days to the name of the period: whole weeks, so that each has every day of the week as often."""


@router.get("/figures")
def figures(visit: Annotated[Visit, Depends(visit_of("figures"))], days: str = str(DAYS)) -> Response:
    """Show the figures of a period against the one before."""
    chosen = days if days in PERIODS else str(DAYS)
    with visit.open() as door:
        found = read_key_figures(door.con, days=int(chosen))
        published = as_of(door)
    return visit.render(
        "figures.html.j2",
        figures=found,
        days=chosen,
        periods=PERIODS,
        published=published,
        base_currency=str(visit.site.settings.currency.base),
    )
