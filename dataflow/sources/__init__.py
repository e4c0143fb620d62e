"""Sources: one protocol, one adapter per kind of system. Only this package knows how a system hands out rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from checks.registry import unknown_name
from dataflow.errors import UsageError
from dataflow.settings import Settings, SourceSettings
from dataflow.settings.adapters import ADAPTERS
from dataflow.sources.protocol import (
    Ahead,
    ByHash,
    Drift,
    Fetch,
    FetchReport,
    FieldInfo,
    Finding,
    Halves,
    KeyRange,
    ListsKeys,
    ObjectState,
    Part,
    PlannedWindow,
    Source,
    SourceObject,
    Surveys,
    Window,
    WindowMeasure,
)


def open_source(settings: Settings, name: str) -> Source:
    """Make the source that dataflow.toml declares under this name. Raises: UsageError for an unknown name."""
    if name not in settings.sources:
        raise UsageError(unknown_name("source", name, settings.sources), next_move="Name one of these, or declare it.")
    return make_source(name, settings.sources[name])


def make_source(name: str, declared: SourceSettings) -> Source:
    """Make a source from its settings."""
    make: Callable[[str, SourceSettings], Source] = named(ADAPTERS[declared.adapter].source)
    return make(name, declared)


def probe_source(name: str, declared: SourceSettings) -> Iterator[Finding]:
    """Probe what a run needs of the source, for `dataflow doctor`."""
    probe: Callable[[str, SourceSettings], Iterator[Finding]] = named(ADAPTERS[declared.adapter].probe)
    return probe(name, declared)


def named(reference: str) -> Any:
    """Load the code that an adapter names as `module:attribute`; this imports its drivers."""
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


__all__ = [
    "Ahead",
    "ByHash",
    "Drift",
    "Fetch",
    "FetchReport",
    "FieldInfo",
    "Finding",
    "Halves",
    "KeyRange",
    "ListsKeys",
    "ObjectState",
    "Part",
    "PlannedWindow",
    "Source",
    "SourceObject",
    "Surveys",
    "Window",
    "WindowMeasure",
    "make_source",
    "named",
    "open_source",
    "probe_source",
]
