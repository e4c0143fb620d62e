"""Describe source adapters, sinks and errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dataflow import errors
from dataflow.observe.describe.description import Description
from dataflow.settings import Settings
from dataflow.settings.adapters import ADAPTERS
from dataflow.sinks.registry import SINKS
from lakehouse import errors as lake_errors


def describe_sources(settings: Settings | None) -> Sequence[Description]:
    """Describe the source adapters, and the sources of dataflow.toml that use each."""
    declared = {} if settings is None else settings.sources
    return [
        Description(
            name=adapter.name,
            meaning=adapter.meaning,
            facts={
                "section": f"sources.NAME.{adapter.name}" if adapter.section else None,
                "required": list(adapter.required),
                "reads files": adapter.reads_files,
                "used by": [name for name, system in declared.items() if system.adapter == adapter.name],
            },
        )
        for adapter in ADAPTERS.values()
    ]


def describe_sinks(settings: Settings | None) -> Sequence[Description]:
    """Describe the sinks, and whether the settings enable each."""
    return [
        Description(
            name=kind.name,
            meaning=kind.meaning,
            facts={"section": kind.section, "on": None if settings is None else kind.is_on(settings)},
        )
        for kind in SINKS.values()
    ]


def describe_errors(_: Settings | None) -> Sequence[Description]:
    """Describe every error class of the pipeline and of the lake."""
    return [
        Description(
            name=error.__name__,
            meaning=" ".join((error.__doc__ or "").split("\n\n")[0].split()),
            facts={
                "exit code": int(error.exit_code),
                "a retry helps": error.retryable,
                "who acts": str(error.owner),
                "next move": error.usual_move,
            },
        )
        for error in _classes()
    ]


def _classes() -> Iterator[type[errors.DataFlowError] | type[lake_errors.LakeError]]:
    for module, root in ((errors, errors.DataFlowError), (lake_errors, lake_errors.LakeError)):
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, root):
                yield found
