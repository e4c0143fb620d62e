"""Runs: the last ones, the journey of rows through each, and its report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, Response

from dataflow.observe.status import read_runs
from dataflow.run.claims import list_unended
from dataflow.run.folders import started_at_of
from dataflow.ui.errors import NotFound
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.visit import Visit, visit_of

router = APIRouter()
PAGE = Page(
    name="runs", title="Runs", path="/runs", group="Operation", door="ui-runs", is_for=reads_whole(None), router=router
)

_SHOWN = 50
_RUN_STEPS = "SELECT run_id, kind, status, started_at, finished_at, message, steps FROM ops.run WHERE run_id = ?"
# A report is one page with its script and styles inside: it runs as of no site, so it reaches nothing of this one.
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'self'"
)

Visiting = Annotated[Visit, Depends(visit_of("runs"))]


@router.get("/runs")
def runs(visit: Visiting) -> Response:
    """List the last runs; running ones first."""
    site = visit.site
    with visit.open(None) as door:
        folders = list_unended(door.location, Path(site.settings.runs))
        found = read_runs(door.con, limit=_SHOWN, folders=folders, now=site.now())
    return visit.render("runs.html.j2", runs=found, is_running=any(run["status"] == "running" for run in found))


@router.get("/runs/{run_id}")
def run(visit: Visiting, run_id: str) -> Response:
    """Show what one run did: rows through each stage, seconds, notes."""
    with visit.open(None) as door:
        row = door.con.execute(_RUN_STEPS, [run_id]).fetchone()
    if row is None:
        raise NotFound("There is no run of this id, or it has not ended yet.")
    names = ("run_id", "kind", "status", "started_at", "finished_at", "message")
    found = dict(zip(names, row[:-1], strict=True))
    steps = json.loads(row[-1])
    return visit.render(
        "run.html.j2",
        run=found,
        seconds=(found["finished_at"] - found["started_at"]).total_seconds(),
        stages=_by_stage(steps),
        steps=steps,
        has_report=_report(visit, run_id).is_file(),
    )


@router.get("/runs/{run_id}/report")
def report(visit: Visiting, run_id: str) -> Response:
    """Answer with the report of a run, apart from this site."""
    path = _report(visit, run_id)
    if not path.is_file():
        raise NotFound("There is no report of this run.")
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": _REPORT_POLICY})


def _report(visit: Visit, run_id: str) -> Path:
    if started_at_of(run_id) is None:
        raise NotFound("There is no run of this id.")
    return Path(visit.site.settings.reports) / f"{run_id}.html"


def _by_stage(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Sum rows and seconds of each stage, in the order in which the stages first ran."""
    names = ("rows_in", "rows_out", "set_aside", "merged", "seconds")
    sums: dict[str, dict[str, Any]] = {}
    for step in steps:
        total = sums.setdefault(step["stage"], {"stage": step["stage"], **dict.fromkeys(names, 0)})
        for name in names:
            total[name] += step.get(name) or 0
    return list(sums.values())
