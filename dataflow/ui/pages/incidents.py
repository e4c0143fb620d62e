"""Incidents: what runs found wrong, who works on it, and which run healed it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.alerts.incidents import derive_incidents
from dataflow.alerts.reading import KnownEvents, find_incident, read_known_events
from dataflow.alerts.recording import acknowledge as write_acknowledgement
from dataflow.tables.ops import INCIDENT_EVENT
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.visit import Form, Visit, visit_of
from dataflow.workspace.incident_events import Outbox, read_incident_events

router = APIRouter()
PAGE = Page(
    name="incidents",
    title="Incidents",
    path="/incidents",
    group="Operation",
    door="ui-incidents",
    is_for=reads_whole((INCIDENT_EVENT,)),
    router=router,
)

_SHOWN = 200

Visiting = Annotated[Visit, Depends(visit_of("incidents"))]


@router.get("/incidents")
def incidents(visit: Visiting, all: str = "") -> Response:
    """List the open incidents, the newest first; with `all` those that are resolved too."""
    known = _known(visit)
    found = derive_incidents(known.events)
    shown = [one for one in reversed(found) if all or one.is_open][:_SHOWN]
    return visit.render(
        "incidents.html.j2",
        incidents=shown,
        resolved=sum(not one.is_open for one in found),
        is_all=bool(all),
        missing=known.missing,
    )


@router.get("/incidents/{key}")
def incident(visit: Visiting, key: str) -> Response:
    """Show one incident and everything that happened to it."""
    known = _known(visit)
    found = find_incident(known.events, key)
    events = [event for event in reversed(known.events) if event.incident_key == found.incident_key]
    return visit.render("incident.html.j2", incident=found, events=events, missing=known.missing)


@router.post("/incidents/{key}/acknowledge")
def acknowledge(visit: Visiting, _: Form, key: str) -> Response:
    """Record that this person works on an incident; the next delivery says so to the channels."""
    found = find_incident(_known(visit).events, key)
    if found.state != "open":
        return visit.redirect(f"/incidents/{found.incident_key}", notice=f"The incident is {found.state} already.")
    settings = visit.site.settings
    write_acknowledgement(Outbox(settings), found, who=visit.session.who.name, now=visit.site.now())
    return visit.redirect(f"/incidents/{found.incident_key}", notice="Acknowledged: it is yours.")


def _known(visit: Visit) -> KnownEvents:
    def in_lake() -> list[Any]:
        with visit.open((INCIDENT_EVENT,)) as door:
            return list(read_incident_events(door.con, all_of=True))

    return read_known_events(visit.site.settings, in_lake)
