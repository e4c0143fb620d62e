"""CSV exports read from a bucket, beside the same files read from a folder: what the network and S3 cost.

Each is read in a fresh process, window after window as a run fetches them, up to Arrow batches; nothing is landed.
"""

from __future__ import annotations

import multiprocessing
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dataflow.settings import ObjectSettings, SourceSettings
from dataflow.sources.files.parts import PartsSource
from dataflow.sources.protocol import ObjectState

_HEADER = "ticket_id,requester,subject,opened_at,updated_at\n"
EXPORT = ObjectSettings(
    format="csv",
    path="{date}/*.csv",
    key="ticket_id",
    cursor="updated_at",
    fields=dict.fromkeys(_HEADER.strip().split(","), "VARCHAR"),
)
"""The object that `write_exports` writes."""


@dataclass(frozen=True, kw_only=True)
class ReadFigures:
    """One reading of all windows of an object. `bytes` are as stored, compressed or not."""

    place: str
    bytes: int
    rows: int
    seconds: float
    cpu_seconds: float
    peak_rss_bytes: int

    @property
    def megabytes_per_second(self) -> float:
        return self.bytes / 1e6 / self.seconds

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds


def write_exports(folder: Path, *, files: int, rows: int) -> None:
    """Write `files` CSV exports of `rows` rows each, about 110 bytes a row, always the same ones."""
    for number in range(files):
        file = folder / f"2026-01-{number % 28 + 1:02}" / f"tickets-{number}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8", newline="") as export:
            export.write(_HEADER)
            for row in range(rows):
                key, minute = number * rows + row, f"2026-01-05T{row % 24:02}:{row % 60:02}:00Z"
                export.write(f'{key},Ana Pérez {row % 997},"Order {key}, late; again ""urgent""",{minute},{minute}\n')


def upload_exports(folder: Path, remote: SourceSettings) -> None:
    """Put the files of a folder below a bucket source's root. Raises: SourceMissing, SourceRefused, and the like."""
    from dataflow.sources.s3.adapter import open_bucket
    from dataflow.sources.s3.trouble import explained

    bucket = open_bucket("bench", remote)
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        key = bucket.prefix + file.relative_to(folder).as_posix()
        with explained(f"Writing {key}", bucket.place):
            bucket.client.upload_file(str(file), bucket.bucket, key)


def measure_s3(remote: SourceSettings, object_name: str, *, folder: Path) -> Iterator[ReadFigures]:
    """Read an object of a bucket source; then copy its files to `folder` and read them there.

    Raises: as reading does.
    """
    yield _in_fresh_process(remote, object_name)
    _download(remote, object_name, folder)
    yield _in_fresh_process(SourceSettings(adapter="files", root=str(folder), objects=remote.objects), object_name)


def _in_fresh_process(settings: SourceSettings, object_name: str) -> ReadFigures:
    # Spawned: a fork would inherit this process's memory, and its peak.
    with ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_read, settings, object_name).result()


def _open(settings: SourceSettings) -> PartsSource:
    if settings.adapter == "s3":
        from dataflow.sources.s3 import S3Source

        return S3Source("bench", settings)
    from dataflow.sources.files import FilesSource

    return FilesSource("bench", settings)


def _read(settings: SourceSettings, object_name: str) -> ReadFigures:
    source = _open(settings)
    # Planned before the clock starts: a folder's files are hashed then, and a bucket's are not.
    windows = source.plan(object_name, ObjectState())
    began, used = time.perf_counter(), time.process_time()
    rows = sum(batch.num_rows for window in windows for batch in source.fetch(window).batches)
    return ReadFigures(
        place=settings.adapter,
        bytes=sum(window.size_bytes for window in windows),
        rows=rows,
        seconds=time.perf_counter() - began,
        cpu_seconds=time.process_time() - used,
        peak_rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    )


def _download(remote: SourceSettings, object_name: str, folder: Path) -> None:
    source = _open(remote)
    for window in source.plan(object_name, ObjectState()):
        for part in window.parts:
            copy = folder / part.path
            copy.parent.mkdir(parents=True, exist_ok=True)
            with source.store.open(part) as stream, copy.open("wb") as file:
                shutil.copyfileobj(stream, file, 1024 * 1024)
