"""How fast sources are read and landed: an object of each, beside other ways to read the same rows.

Each reading is one of a fresh process, window after window as a run fetches them; nothing is written at the source or
in the project's lake. The ways are those that the source's adapter declares. A table and the files of a folder are also
landed to raw, in a lake of their own; beside it a table is read by connectorx, PyMySQL and dlt (to Parquet), files by
DuckDB (to Parquet), an org through both of its APIs, the files of a bucket once more from a folder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from dataflow.bench.fresh import in_fresh_process
from dataflow.bench.measure import Notify
from dataflow.bench.reading import OURS, ReadFigures, Reading, Way, Ways, read
from dataflow.errors import BenchmarkFailed, UsageError
from dataflow.settings import Settings, SourceSettings
from dataflow.settings.adapters import ADAPTERS
from dataflow.sources import named


def measure_sources(
    settings: Settings, *, source: str | None = None, object_name: str | None = None, rows: int, notify: Notify
) -> Iterator[ReadFigures]:
    """Read an object of each source, the first unless one is named, until it has brought so many rows.

    `notify` receives progress messages, and what could not be measured.
    Raises: UsageError for a name that is not declared; what reading a source raises.
    """
    for name, declared in _chosen(settings, source, object_name):
        chosen = object_name or next(iter(declared.objects))
        for way, work in _ways(Reading(name, declared, chosen, rows)).items():
            notify(f"{name}.{chosen}: {way}")
            try:
                figures = in_fresh_process(partial(work, way))
            except BenchmarkFailed as error:
                notify(f"  left out: {error}")
                continue
            if figures.rows:
                yield figures
            else:
                notify("  left out: there is nothing to read")


def _chosen(settings: Settings, source: str | None, object_name: str | None) -> list[tuple[str, SourceSettings]]:
    found = [
        (name, declared)
        for name, declared in settings.sources.items()
        if source in (None, name) and (declared.objects if object_name is None else object_name in declared.objects)
    ]
    if not found:
        every = sorted(f"{name}.{each}" for name, declared in settings.sources.items() for each in declared.objects)
        raise UsageError(
            f"There is no such object; dataflow.toml declares {', '.join(every) or 'none'}.",
            next_move="Name one of these with --source and --object.",
        )
    return found


def _ways(reading: Reading) -> Mapping[str, Way]:
    """The ways to read an object that its source's adapter declares; without any, as a run does."""
    adapter = ADAPTERS[reading.declared.adapter]
    if not adapter.ways:
        return {OURS: partial(read, reading)}
    ways: Ways = named(adapter.ways)
    return ways(reading)
