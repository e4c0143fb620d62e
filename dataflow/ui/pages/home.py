"""Home: what is published and from when, what ran, the key figures and their change, what waits for a decision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.access.door import Door
from dataflow.observe.key_figures import DAYS, read_key_figures
from dataflow.observe.status import read_status
from dataflow.run.claims import list_unended
from dataflow.tables.ops import DEAD_LETTER_WAITS, DEAD_LETTERS, REVIEW_QUEUE
from dataflow.tables.published import CUSTOMER_360
from dataflow.ui.as_of import as_of
from dataflow.ui.pages.page import Page, everyone
from dataflow.ui.visit import Visit, visit_of
from lakehouse.query import fetch_int, fetch_records
from lakehouse.table import Table

router = APIRouter()
PAGE = Page(name="home", title="Home", path="/", group="", door="ui-home", is_for=everyone, router=router)

_LAST_RUNS = 5


@router.get("/")
def home(visit: Annotated[Visit, Depends(visit_of("home"))]) -> Response:
    """Show the state of the lake to the roles that open it; to others what their mart holds."""
    with visit.open() as door:
        figures = read_key_figures(door.con)
        published = as_of(door)
        shown = _of_the_lake(visit, door) if visit.role.opens_lake else _of_a_mart(visit, door)
    currency = str(visit.site.settings.currency.base)
    return visit.render(
        "home.html.j2", figures=figures, days=DAYS, published=published, base_currency=currency, **shown
    )


def _of_the_lake(visit: Visit, door: Door) -> dict[str, Any]:
    site = visit.site
    folders = list_unended(door.location, Path(site.settings.runs))
    found = read_status(
        door.con, settings=site.settings, now=site.now(), runs=_LAST_RUNS, inbox=door.waiting, folders=folders
    )
    return {
        "counts": found["published"][0],
        "status": found,
        "waiting": {
            "pairs": int(found["published"][0]["pairs_to_review"]),
            "letters": sum(int(row["rows"]) for row in found["dead_letters"]),
            "decisions": sum(int(row["count"]) for row in found["inbox"] if row["kind"] != "files"),
            "gaps": len(found["gaps"]),
        },
    }


def _of_a_mart(visit: Visit, door: Door) -> dict[str, Any]:
    role = visit.role
    has_customers = role.sql and CUSTOMER_360.full_name in role.tables
    counts = fetch_records(door.con, _counts(visit))[0] if has_customers else {}
    waiting = {}
    if _sees(visit, REVIEW_QUEUE):
        waiting["pairs"] = fetch_int(door.con, f"SELECT count(*) FROM {REVIEW_QUEUE.sql_name}")
    if _sees(visit, DEAD_LETTERS):
        waiting["letters"] = fetch_int(
            door.con, f"SELECT count(*) FROM {DEAD_LETTERS.sql_name} WHERE {DEAD_LETTER_WAITS}"
        )
    return {"counts": counts, "status": None, "waiting": waiting}


def _sees(visit: Visit, table: Table) -> bool:
    return visit.role.sql and table.full_name in visit.role.tables


def _counts(visit: Visit) -> str:
    seen = [name for name in ("customers", "orders", "tickets", "records") if _table_of(name) in visit.role.tables]
    return "SELECT " + ", ".join(f"(SELECT count(*) FROM {_table_of(name)}) AS {name}" for name in seen)


def _table_of(name: str) -> str:
    return {
        "customers": "published.customer_360",
        "orders": "published.orders",
        "tickets": "published.tickets",
        "records": "published.xref",
    }[name]
