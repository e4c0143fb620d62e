"""Setup: the connections and what the doctor finds of them, and which field of which source feeds what."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.observe.coverage import read_coverage
from dataflow.ui.commands import ask_command
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.visit import Form, Visit, visit_of

router = APIRouter()
PAGE = Page(
    name="setup",
    title="Setup",
    path="/setup",
    group="Administration",
    door="ui-setup",
    is_for=reads_whole(None),
    router=router,
)

_DOCTOR_SECONDS = 120.0

Visiting = Annotated[Visit, Depends(visit_of("setup"))]


@router.get("/setup")
def setup(visit: Visiting) -> Response:
    """Show the sources, the last probes, and the coverage of the mappings."""
    settings = visit.site.settings
    uses = read_coverage(settings)
    objects = [
        {"name": name, "fields": fields, "unused": sum(not field.feeds for field in fields)}
        for name, fields in ((name, list(found)) for name, found in groupby(uses, key=lambda use: use.object))
    ]
    return visit.render(
        "setup.html.j2",
        sources=[
            {"name": name, "adapter": source.adapter, "objects": list(source.objects)}
            for name, source in settings.sources.items()
        ],
        config_file=str(settings.config_file) if settings.config_file else "",
        objects=objects,
        fields=len(uses),
        unused=sum(not use.feeds for use in uses),
        probed=visit.site.probed,
    )


@router.post("/setup/probe")
def probe(visit: Visiting, _: Form) -> Response:
    """Run the probes of `dataflow doctor`, in a process of its own: they open the lake as a run does."""
    with visit.site.place():
        found = ask_command(visit.site.settings, "doctor", seconds=_DOCTOR_SECONDS)
    visit.site.probed = {"at": visit.site.now(), "findings": found}
    return visit.redirect("/setup")
