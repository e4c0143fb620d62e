"""How fast sources are read: an object of each, up to Arrow batches, beside other ways to read the same rows.

Each reading is one of a fresh process, window after window as a run fetches them; nothing is landed, and nothing is
written at the source. A table is also read by connectorx and by PyMySQL, an org through both of its APIs, the files
of a bucket once more from a folder: what the network and S3 cost.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

from dataflow.bench.fresh import in_fresh_process, peak_rss_bytes
from dataflow.bench.measure import Told
from dataflow.bench.tables import count_by_connectorx, count_by_pymysql
from dataflow.errors import BenchmarkFailed, UsageError
from dataflow.settings import Settings, SourceSettings
from dataflow.sources import ADAPTERS, ObjectState, PlannedWindow

OURS = "dataflow"
_NEVER = 10**12
"""So many rows no window has: Bulk API 2.0 is never chosen for one."""

_ENOUGH_BYTES = 256 * 10**6

Count = Callable[[], tuple[int, int]]
"""Read, and tell how many rows and bytes; 0 bytes where nobody knows."""


@dataclass(frozen=True, kw_only=True)
class ReadFigures:
    """One reading of an object. `bytes` are as stored, compressed or not; 0 where nobody knows.

    `seconds` leave out the start of Python, the connection that planned, and imports.
    """

    source: str
    object: str
    way: str
    rows: int
    bytes: int
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def megabytes_per_second(self) -> float:
        return self.bytes / 1e6 / self.seconds

    def as_dict(self) -> dict[str, Any]:
        speeds = {"rows_per_second": self.rows_per_second, "megabytes_per_second": self.megabytes_per_second}
        return {**asdict(self), **speeds}


def measure_sources(
    settings: Settings, *, source: str | None = None, object_name: str | None = None, rows: int, tell: Told
) -> Iterator[ReadFigures]:
    """Read an object of each source, the first unless one is named, until it has brought so many rows.

    `tell` is told in words what happens, and what could not be measured.
    Raises: UsageError for a name that is not declared; what reading a source raises.
    """
    for name, declared in _chosen(settings, source, object_name):
        chosen = object_name or next(iter(declared.objects))
        for way, work in _ways(name, declared, chosen, rows).items():
            tell(f"{name}.{chosen}: {way}")
            try:
                figures = in_fresh_process(partial(work, way))
            except BenchmarkFailed as error:
                tell(f"  left out: {error}")
                continue
            if figures.rows:
                yield figures
            else:
                tell("  left out: there is nothing to read")


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


def _ways(
    name: str, declared: SourceSettings, object_name: str, rows: int
) -> Mapping[str, Callable[[str], ReadFigures]]:
    """The ways to read an object; each is told its own name."""

    def ours(changed: SourceSettings) -> Callable[[str], ReadFigures]:
        return partial(_read, name, changed, object_name, rows)

    if declared.mysql is not None and declared.adapter == "mysql":
        table = declared.objects[object_name].remote or object_name
        others = {"connectorx arrow_stream": count_by_connectorx, "PyMySQL SSCursor": count_by_pymysql}
        return {OURS: ours(declared)} | {
            way: partial(_time, name, object_name, partial(count, declared.mysql, table, rows))
            for way, count in others.items()
        }
    if declared.salesforce is not None and declared.adapter == "salesforce":
        apis = {"REST": _NEVER, "Bulk API 2.0": 0}
        return {
            f"{OURS}, {api}": ours(
                declared.model_copy(
                    update={"salesforce": declared.salesforce.model_copy(update={"bulk_from_rows": limit})}
                )
            )
            for api, limit in apis.items()
        }
    if declared.adapter == "s3":
        copied = partial(_read_copies, name, declared, object_name, rows)
        return {OURS: ours(declared), f"{OURS}, the same files in a folder": copied}
    return {OURS: ours(declared)}


def _read(name: str, declared: SourceSettings, object_name: str, rows: int, way: str) -> ReadFigures:
    source = ADAPTERS[declared.adapter](name, declared)
    # Planned before the clock starts: a folder's files are hashed then, and a bucket's are not.
    windows = _enough(source.plan(object_name, ObjectState()))
    with suppress(ImportError):
        # DuckDB loads it when it first meets Arrow: a quarter of a second within the first window. A run has it then.
        import pandas  # noqa: F401

    def count() -> tuple[int, int]:
        read = 0
        for window in windows:
            for batch in source.fetch(window).batches:
                read += batch.num_rows
                # Files are read to their end: their bytes are those of the rows.
                if read >= rows and not window.parts:
                    return read, 0
        return read, sum(window.size_bytes for window in windows)

    return _time(name, object_name, count, way)


def _read_copies(name: str, declared: SourceSettings, object_name: str, rows: int, way: str) -> ReadFigures:
    from dataflow.sources.s3 import S3Source

    source = S3Source(name, declared)
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-", ignore_cleanup_errors=True) as folder:
        for window in _enough(source.plan(object_name, ObjectState())):
            for part in window.parts:
                copy = Path(folder) / part.path
                copy.parent.mkdir(parents=True, exist_ok=True)
                with source.store.open(part) as stream, copy.open("wb") as file:
                    shutil.copyfileobj(stream, file, 1024 * 1024)
        copies = SourceSettings(adapter="files", root=folder, objects=declared.objects)
        return in_fresh_process(partial(_read, name, copies, object_name, rows, way))


def _enough(windows: Sequence[PlannedWindow]) -> list[PlannedWindow]:
    """The first windows, of files as many as tell a speed."""
    sizes = accumulate((window.size_bytes for window in windows), initial=0)
    return [window for window, before in zip(windows, sizes, strict=False) if before < _ENOUGH_BYTES]


def _time(name: str, object_name: str, count: Count, way: str) -> ReadFigures:
    began, used = time.perf_counter(), time.process_time()
    rows, size = count()
    return ReadFigures(
        source=name,
        object=object_name,
        way=way,
        rows=rows,
        bytes=size,
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - used,
        peak_rss_bytes=peak_rss_bytes(),
    )
