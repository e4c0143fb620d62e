"""The stages between raw and published, in their order: the one place that says it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib import import_module

from dataflow.report import StepReport
from dataflow.settings import Settings
from dataflow.workspace import Workspace

Stage = Callable[[Workspace, Settings], StepReport | Sequence[StepReport]]

# Modules by name, loaded when first used: they bring Splink and Ibis, which no reading command needs.
_WHERE = {
    "validate": ("dataflow.validate", "validate"),
    "conform": ("dataflow.conform", "conform"),
    "resolve": ("dataflow.resolve", "resolve"),
    "enrich": ("dataflow.enrich", "enrich"),
    "publish": ("dataflow.publish", "build"),
}

STAGES = tuple(_WHERE)

# Two threads that import the same modules at once may see one of them half made.
_loading = threading.Lock()


def load_ahead() -> None:
    """Begin to import the stages, and what draws the report, while the caller waits for something else."""

    def load() -> None:
        with _loading:
            for module in (*(where for where, _ in _WHERE.values()), "dataflow.report_page"):
                import_module(module)

    threading.Thread(target=load, name="loading-ahead", daemon=True).start()


def stage_function(name: str) -> Stage:
    """The step of a stage: takes a workspace and the settings, stages rows, returns its reports."""
    module, function = _WHERE[name]
    with _loading:
        step: Stage = getattr(import_module(module), function)
    return step
