"""The stages between raw and published, in order; declared only here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module

from dataflow.settings import Settings
from dataflow.workspace.report import StepReport
from dataflow.workspace.workspace import Workspace

Stage = Callable[[Workspace, Settings], StepReport | Sequence[StepReport]]

# Modules by name, imported at first use: they import Splink and Ibis, which reading commands do not need.
_WHERE = {
    "validate": ("dataflow.validate.step", "validate"),
    "conform": ("dataflow.conform.step", "conform"),
    "resolve": ("dataflow.resolve.step", "resolve"),
    "enrich": ("dataflow.enrich", "enrich"),
    "publish": ("dataflow.publish", "build"),
}

STAGES = tuple(_WHERE)


def stage_function(name: str) -> Stage:
    """Return the step of a stage, which takes a workspace and the settings, stages rows and returns its reports."""
    module, function = _WHERE[name]
    step: Stage = getattr(import_module(module), function)
    return step
