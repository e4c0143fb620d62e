"""The stages between raw and published, in their order: the one place that says it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib import import_module

from dataflow.settings import Settings
from dataflow.workspace.report import StepReport
from dataflow.workspace.workspace import Workspace

Stage = Callable[[Workspace, Settings], StepReport | Sequence[StepReport]]

# Modules by name, loaded when first used: they bring Splink and Ibis, which no reading command needs.
_WHERE = {
    "validate": ("dataflow.validate", "validate"),
    "conform": ("dataflow.conform.step", "conform"),
    "resolve": ("dataflow.resolve", "resolve"),
    "enrich": ("dataflow.enrich", "enrich"),
    "publish": ("dataflow.publish", "build"),
}

STAGES = tuple(_WHERE)


def get_ready() -> None:
    """Do beside the caller, who waits for something else, what a run needs done once: compile, load, warm up."""

    def prepare() -> None:
        # Arrow brings it in with the first array made of Python values, when every fetching thread would wait for it.
        import_module("pandas")
        import_module("pyarrow.dataset")
        import_module("dataflow.publish").compile_builders()
        import_module("checks.contract").load_soda()
        import_module("dataflow.observe.report_page").warm_up()

    threading.Thread(target=prepare, name="getting-ready", daemon=True).start()


def stage_function(name: str) -> Stage:
    """The step of a stage: takes a workspace and the settings, stages rows, returns its reports."""
    module, function = _WHERE[name]
    step: Stage = getattr(import_module(module), function)
    return step
