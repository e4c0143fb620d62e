"""Key figures: each with its trend over comparable weeks, retention by cohort, and all of it as one file to print."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from markupsafe import Markup

from dataflow.observe.cohorts import MONTHS, read_cohorts
from dataflow.observe.key_figures import DAYS, read_key_figures
from dataflow.tables.published import ORDERS
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


# One file for print and mail: its styles are inside, and it reaches nothing.
_SHEET_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"

Visiting = Annotated[Visit, Depends(visit_of("figures"))]


@router.get("/figures")
def figures(visit: Visiting, days: str = str(DAYS)) -> Response:
    """Show the figures of a period against the one before, and who came back."""
    return visit.render("figures.html.j2", **_read(visit, days))


@router.get("/figures/sheet.html")
def sheet(visit: Visiting, days: str = str(DAYS)) -> Response:
    """Answer with the figures as one HTML file that needs nothing else."""
    # Our own file, and no HTML: within a style element nothing may be escaped.
    styles = Markup(files("dataflow.ui").joinpath("static", "sheet.css").read_text(encoding="utf-8"))
    page = visit.render("figures_sheet.html.j2", styles=styles, **_read(visit, days))
    page.headers["content-security-policy"] = _SHEET_POLICY
    page.headers["content-disposition"] = 'attachment; filename="key-figures.html"'
    return page


def _read(visit: Visit, days: str) -> dict[str, Any]:
    chosen = days if days in PERIODS else str(DAYS)
    role = visit.role
    with visit.open() as door:
        found = read_key_figures(door.con, days=int(chosen))
        published = as_of(door)
        sees_orders = role.opens_lake or (role.sql and ORDERS.full_name in role.tables)
        cohorts = read_cohorts(door.con) if sees_orders else []
    return {
        "figures": found,
        "days": chosen,
        "periods": PERIODS,
        "published": published,
        "cohorts": cohorts,
        "later": range(1, MONTHS),
        "base_currency": str(visit.site.settings.currency.base),
    }
