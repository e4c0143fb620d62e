"""A project as `dataflow discover` writes it, and its rows as conformed, without an orchestrator."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dataflow.cli.main import run as dataflow
from dataflow.conform.mapping import compile_mappings
from dataflow.conform.step import conform
from dataflow.land import PlanFindings, commit_what_holds, fetch_window, plan_landing
from dataflow.observe.preview import preview
from dataflow.settings import Settings, load_settings
from dataflow.tables.declared import declared_tables
from dataflow.validate.step import validate
from dataflow.workspace.report import StepReport, list_gaps
from dataflow.workspace.workspace import Workspace
from lakehouse import Lake
from tests.lib import deliveries
from tests.lib.raw_rows import commit, opened_lake

SQL = Path(__file__).parent / "shops_of_others"
_SCHEMAS = ("raw", "valid", "conformed", "ops")


def statements(name: str) -> list[str]:
    """The statements of a shop's SQL file."""
    text = "\n".join(line for line in (SQL / name).read_text(encoding="utf-8").splitlines() if line[:2] != "--")
    return [one for one in text.split(";\n") if one.strip()]


def discovered(place: str, folder: Path, *, company: str = "") -> Settings:
    """Discover a place into a folder as a user does, apply the company's patch, and load what is there."""
    assert dataflow(["discover", place, "--into", str(folder)]) == 0
    return patched(folder, company) if company else loaded(folder)


def patched(folder: Path, company: str) -> Settings:
    """Apply what a user of this company edits, at most five lines, to what was written."""
    patch = SQL / f"{company}.patch"
    lines = patch.read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("+") and not line.startswith("+++") for line in lines) <= 5
    subprocess.run(["git", "apply", "-C1", str(patch)], cwd=folder, check=True)
    return loaded(folder)


def edited(folder: Path, edits: Mapping[str, str]) -> Settings:
    """Replace texts of dataflow.toml, each there once."""
    file = folder / "dataflow.toml"
    text = file.read_text(encoding="utf-8")
    for before, after in edits.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    return loaded(folder)


def loaded(folder: Path) -> Settings:
    """Load the project of a folder; its mappings are those of its tables."""
    settings = load_settings(folder / "dataflow.toml", home=folder / "home")
    compile_mappings(settings, declared_tables(settings))
    return settings


def previewed(settings: Settings) -> str:
    """What `dataflow plan` says of the rows before the first run."""
    found = preview(settings, plan_landing(None, settings).windows)
    return "\n".join(f"{one.name}: {one.found} {one.fix}" for one in found)


@dataclass
class Lived:
    """A lake of the project, run after run."""

    lake: Lake
    settings: Settings
    runs: int = 0

    def run(self) -> dict[str, str]:
        """Land, validate, conform and commit; returns what is incomplete."""
        self.runs += 1
        by = deliveries.run(self.runs)
        plan = plan_landing(self.lake, self.settings)
        fetched = [fetch_window(planned, self.settings, by) for planned in plan.windows]
        reports = commit_what_holds(self.lake, fetched, by, findings=PlanFindings(plan.failures, plan.closed_gaps))
        with self.workspace() as ws:
            reports += _stages(ws, self.settings)
            commit(ws)
        assert sum(report.set_aside for report in reports) == 0
        return list_gaps(reports)

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        tables = {name: one for name, one in declared_tables(self.settings).items() if one.schema in _SCHEMAS}
        with Workspace(self.lake, deliveries.run(self.runs), tables=tables) as ws:
            yield ws

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.workspace() as ws:
            return ws.con.execute(query).fetchall()


def _stages(ws: Workspace, settings: Settings) -> list[StepReport]:
    return [*validate(ws, settings), *conform(ws, settings)]


@contextmanager
def lived(settings: Settings, *, runs: int = 0) -> Iterator[Lived]:
    """Open the lake of a project that has had so many runs."""
    with opened_lake(settings, schemas=_SCHEMAS) as lake:
        yield Lived(lake, settings, runs)
