"""Run the stages after resolve over a small world, as a run does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dataflow.enrich import enrich
from dataflow.publish import Publication, build, commit
from dataflow.settings import Settings, load_settings
from dataflow.workspace.report import StepReport
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake
from tests.lib.customers import World
from tests.lib.tables import NOW, read_rows, workspace


def settings_in(home: Path, *, geoip: str = "", firmographics: str = "") -> Settings:
    """The default configuration with data in `home` and only the providers that are named."""
    settings = load_settings(home=home)
    providers = settings.enrich.model_copy(update={"geoip": geoip, "firmographics": firmographics})
    return settings.model_copy(update={"enrich": providers})


def compute_world(ws: Workspace, world: World, settings: Settings, *, everything: bool = False) -> list[StepReport]:
    """Stage a world and all that follows from it."""
    world.stage(ws)
    return [*enrich(ws, settings), *build(ws, settings, everything=everything)]


def publish_world(
    lake: Lake, folder: Path, world: World, *, now: datetime = NOW, run_id: str = "run", everything: bool = False
) -> Publication:
    """Publish a world as one run at `now`."""
    settings = settings_in(folder)
    with workspace(lake, folder, now=now, run_id=run_id) as ws:
        return commit(ws, lake, compute_world(ws, world, settings, everything=everything))


def published_rows(lake: Lake, table: str, columns: Sequence[str] = ("*",)) -> list[dict[str, Any]]:
    """Rows of a published table in a fixed order."""
    return read_rows(lake.con, f"SELECT {', '.join(columns)} FROM lake.published.{table} ORDER BY ALL")
