"""Customers: search, and the 360 page of one."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.access.door import Door
from dataflow.access.log.history import Choice, entries_in
from dataflow.access.log.place import log_root
from dataflow.access.masks import ABSENT, CLEAR
from dataflow.govern.audit import references_of
from dataflow.serve.customer_page import current_id, names_of, read_customer
from dataflow.serve.search import Sees, search_customers
from dataflow.serve.search_index import build_index
from dataflow.tables.published import CUSTOMER_360
from dataflow.ui.as_of import as_of
from dataflow.ui.errors import NotFound
from dataflow.ui.pages.page import Page, sees_clear
from dataflow.ui.visit import Visit, visit_of
from lakehouse.table import Table

router = APIRouter()
PAGE = Page(
    name="customers",
    title="Customers",
    path="/customers",
    group="Customers",
    door="ui-customers",
    is_for=sees_clear(CUSTOMER_360, "full_name", "email"),
    router=router,
)

_SHOWN = 50
_READS_SHOWN = 20

Visiting = Annotated[Visit, Depends(visit_of("customers"))]


@router.get("/customers")
def customers(visit: Visiting, q: str = "") -> Response:
    """Search; an empty search shows how."""
    found: list[dict[str, Any]] = []
    with visit.open() as door:
        published = as_of(door)
        if q.strip():
            found = search_customers(
                door.con,
                q,
                names=lambda: door.prepared("names", build_index, reads=CUSTOMER_360),
                sees=_sees(visit),
                limit=_SHOWN,
            )
            _note(visit, door, [str(row["customer_id"]) for row in found])
    return visit.render(
        "customers.html.j2",
        asked=q,
        found=found,
        limit=_SHOWN,
        published=published,
        names_of=names_of,
        base_currency=str(visit.site.settings.currency.base),
    )


@router.get("/customers/{customer_id}")
def customer(visit: Visiting, customer_id: str) -> Response:
    """Show one customer; a retired id leads to the current one."""
    with visit.open() as door:
        shown = read_customer(door.con, customer_id, has=lambda table, name: _treatment(visit, table, name) != ABSENT)
        further = current_id(door.con, customer_id) if shown is None else None
        published = as_of(door)
        if shown is not None:
            _note(visit, door, [customer_id])
    if further is not None:
        notice = "The id was merged into this customer."
        return visit.redirect(f"/customers/{quote(further, safe='')}", notice=notice)
    if shown is None:
        raise NotFound("There is no customer with this id.")
    return visit.render(
        "customer.html.j2",
        customer=shown,
        customer_id=customer_id,
        name=names_of(shown.values),
        published=published,
        readers=_readers(visit, customer_id),
        base_currency=str(visit.site.settings.currency.base),
    )


def _treatment(visit: Visit, table: Table, column: str) -> str:
    return visit.role.treatment(table.full_name, column)


def _sees(visit: Visit) -> Sees:
    return lambda table, name: _treatment(visit, table, name) == CLEAR


def _note(visit: Visit, door: Door, customer_ids: list[str]) -> None:
    """Note in the access log whom the page is about. A masked id is not that of a customer."""
    if _treatment(visit, CUSTOMER_360, "customer_id") == CLEAR:
        door.recorder.about(customer_ids)


def _readers(visit: Visit, customer_id: str) -> list[dict[str, Any]] | None:
    """Return who read of this customer, the newest first; None for a role that may not read the log."""
    if not visit.role.opens_lake:
        return None
    settings = visit.site.settings
    references = references_of(settings, customer_id)
    if not references:
        return []
    newest = deque(entries_in(log_root(settings), Choice(subjects=references)), maxlen=_READS_SHOWN)
    return [
        {"at": one.entry.at, "who": one.entry.who, "role": one.entry.role, "door": one.entry.door}
        for one in reversed(newest)
    ]
