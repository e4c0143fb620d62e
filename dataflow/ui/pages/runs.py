"""Runs: the last ones, the journey of rows through each, and its report."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, Response, StreamingResponse

from dataflow.access.identify import record_refusal
from dataflow.access.lake import reading_location
from dataflow.errors import AccessRefused, UsageError
from dataflow.observe.status import read_runs
from dataflow.run.claims import list_unended
from dataflow.run.folders import started_at_of
from dataflow.settings.roles import ENGINEER
from dataflow.ui.commands import ask_command
from dataflow.ui.errors import NotFound
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.site import Site
from dataflow.ui.visit import Form, Visit, visit_of

router = APIRouter()
PAGE = Page(
    name="runs", title="Runs", path="/runs", group="Operation", door="ui-runs", is_for=reads_whole(None), router=router
)

_SHOWN = 50
_PLAN_SECONDS = 120.0
_LIVE_SECONDS = 2.0
# A browser that closed the page without ending the connection is noticed by then.
_LIVE_LOOKS = 900


@dataclass(frozen=True)
class Startable:
    """What can be started from the page: its title, and the command."""

    title: str
    arguments: tuple[str, ...]


_KINDS = {
    "run": Startable("Land and publish what is new", ("run",)),
    "land": Startable("Land only", ("run", "--ingest-only")),
    "publish": Startable("Publish what has landed", ("run", "--publish-only")),
    "check": Startable("Compare raw with the sources", ("check",)),
    "backfill": Startable("Backfill the days", ("backfill",)),
}

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
    last = site.starter.last
    return visit.render(
        "runs.html.j2",
        runs=found,
        is_running=any(run["status"] == "running" for run in found) or bool(last and last.is_running),
        may_start=visit.role.name == ENGINEER,
        failure=last.failure if last else "",
        planned=visit.session.planned,
        kinds=_KINDS,
    )


@router.get("/runs/live")
def live(visit: Visiting) -> Response:
    """Answer with an event whenever the runs change, until the page is left: `data` names those that are running."""
    return StreamingResponse(_changes(visit), media_type="text/event-stream")


@router.post("/runs/plan")
def plan(visit: Visiting, _: Form) -> Response:
    """Show what a run would land, before it is started."""
    _require_engineer(visit)
    with visit.site.place():
        rows = ask_command(visit.site.settings, "plan", seconds=_PLAN_SECONDS)
    visit.session.planned = {"at": visit.site.now(), "rows": rows}
    return visit.redirect("/runs#start")


@router.post("/runs/start")
def start(visit: Visiting, form: Form) -> Response:
    """Start a run in a process of its own, which goes on when the workbench ends."""
    _require_engineer(visit)
    kind = form.get("kind", "")
    if kind not in _KINDS:
        raise UsageError("Choose what to run.")
    arguments = list(_KINDS[kind].arguments)
    if kind == "backfill":
        arguments += [f"--from={_day(form, 'from')}", f"--to={_day(form, 'to')}"]
    visit.site.starter.start(visit.site.settings, *arguments)
    visit.session.planned = None
    return visit.redirect("/runs", notice=f"Started: {_KINDS[kind].title}.")


def _require_engineer(visit: Visit) -> None:
    """Refuse to another role, and record it. Raises: AccessRefused."""
    if visit.role.name != ENGINEER:
        record_refusal(visit.site.settings, visit.who, door=PAGE.door, detail="start")
        raise AccessRefused("Runs are started by an engineer.")


def _day(form: dict[str, str], name: str) -> str:
    try:
        return date.fromisoformat(form.get(name, "")).isoformat()
    except ValueError:
        raise UsageError("A backfill needs its first and its last day.") from None


async def _changes(visit: Visit) -> AsyncIterator[str]:
    """Yield the state of the runs whenever it is another one than before; a comment keeps the connection open."""
    site, before = visit.site, ""
    for _ in range(_LIVE_LOOKS):
        now = await asyncio.to_thread(_state, site)
        yield f"data: {now}\n\n" if now != before else ": as before\n\n"
        before = now
        await asyncio.sleep(_LIVE_SECONDS)


def _state(site: Site) -> str:
    folders = list_unended(reading_location(site.settings), Path(site.settings.runs))
    last = site.starter.last
    started = "" if last is None else "running" if last.is_running else "ended"
    return " ".join([started, *(run.run_id for run in folders if run.is_running)]).strip() or "idle"


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
