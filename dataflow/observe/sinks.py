"""Read what each sink shows."""

from __future__ import annotations

from typing import Any

from dataflow.errors import DataFlowError
from dataflow.settings import Settings
from dataflow.sinks import SINKS, SinkKind

_SHORT_SECONDS = 5.0


def read_sinks(settings: Settings) -> list[dict[str, Any]]:
    """Return the publication that each active sink shows; one that does not answer soon has the error as its state."""
    hurried = settings.sinks.model_copy(update={"timeout_seconds": min(_SHORT_SECONDS, settings.sinks.timeout_seconds)})
    short = settings.model_copy(update={"sinks": hurried})
    return [
        {name: value for name, value in look_at_sink(kind, short).items() if name != "meaning"}
        for kind in SINKS.values()
        if kind.is_on(settings)
    ]


def look_at_sink(kind: SinkKind, settings: Settings) -> dict[str, Any]:
    """Return a sink's state (off, empty, on, or its error), and the publication and the lake that it shows."""
    seen = {"sink": kind.name, "meaning": kind.meaning, "state": "off", "publication": None, "lake_id": None}
    if not kind.is_on(settings):
        return seen
    try:
        shown = kind.open(settings).shows()
    except DataFlowError as error:
        return {**seen, "state": error.message}
    if shown is None:
        return {**seen, "state": "empty"}
    return {**seen, "state": "on", "publication": shown.publication, "lake_id": shown.lake_id or None}
