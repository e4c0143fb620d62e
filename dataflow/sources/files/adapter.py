"""The files adapter: a folder that holds, in exactly the shape the source gives, what the network would send."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from dataflow.errors import SourceMissing, SourceUnavailable, UsageError
from dataflow.settings import ObjectSettings, SourceSettings
from dataflow.sources.files import delimited, parquet, rest_json
from dataflow.sources.files.listing import FoundFile, check_unchanged, find_files, identify
from dataflow.sources.protocol import (
    Fetch,
    FetchReport,
    FieldInfo,
    ObjectState,
    Part,
    PlannedWindow,
    SourceObject,
    WindowMeasure,
)
from dataflow.sources.versions import measure
from lakehouse.connect import connect

READER_VERSION = "1"
"""Part of every window's fingerprint: raise it when a reader shapes rows differently, and windows are read again."""

ReadParts = Callable[[Path, Sequence[Part], ObjectSettings, FetchReport], Iterator[pa.RecordBatch]]
DescribeFile = Callable[[Path], list[FieldInfo]]

_READERS: Mapping[str, tuple[ReadParts, DescribeFile]] = {
    "rest-json": (rest_json.read_pages, rest_json.describe),
    "parquet": (parquet.read_tables, parquet.describe),
    "csv": (delimited.read_exports, delimited.describe),
}


class FilesSource:
    """A source whose objects are files below one folder."""

    def __init__(self, name: str, settings: SourceSettings) -> None:
        self.name = name
        self.root = Path(settings.root)
        self.objects = settings.objects

    def discover(self) -> list[SourceObject]:
        """List the declared objects with the fields of their newest file, then the folders that no object reads."""
        declared = [self._describe(name) for name in self.objects]
        read = {pattern.split("/")[0] for one in self.objects.values() for pattern in (one.path, one.deletions)}
        has_wide_pattern = any("{" in first or "*" in first for first in read)
        folders = sorted(entry.name for entry in self.root.iterdir() if entry.is_dir()) if self.root.is_dir() else []
        unread = [] if has_wide_pattern else [name for name in folders if name not in read]
        return declared + [SourceObject(self.name, name, is_declared=False) for name in unread]

    def plan(
        self, object_name: str, state: ObjectState, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[PlannedWindow]:
        """List the days with a file whose bytes are not landed. A day is read whole: its pages belong together.

        Raises: UsageError for an unknown object, SourceMissing when no file of any day is there, SourceUnavailable.
        """
        declared = self._declared(object_name)
        files = self._files(object_name)
        chosen = [
            file
            for file in files
            if (since is None or file.window.start >= since) and (until is None or file.window.start < until)
        ]
        planned = []
        by_window = sorted(chosen, key=lambda file: (file.window, file.path))
        for window, group in groupby(by_window, key=lambda file: file.window):
            parts = tuple(part for _, part in identify(self.root, list(group), state))
            if all(_is_landed(part, state) for part in parts):
                continue
            planned.append(PlannedWindow(self.name, object_name, window, parts, _fingerprint(declared, parts)))
        return planned

    def fetch(self, planned: PlannedWindow) -> Fetch:
        """Read the files of a window, deletions after records."""
        report = FetchReport()
        return Fetch(self._read(planned, report, with_records=True), report)

    def deletions(self, planned: PlannedWindow) -> Iterator[pa.RecordBatch]:
        """The rows of a window that say that a record is gone."""
        declared = self._declared(planned.object)
        # Where deletions come apart from the records, the records need not be read to list them.
        for batch in self._read(planned, FetchReport(), with_records=not declared.deletions):
            gone = batch.filter(batch.column("is_deleted"))
            if gone.num_rows:
                yield gone

    def measure(self, planned: PlannedWindow) -> WindowMeasure:
        """Read the window again and count and fingerprint its versions."""
        con = connect(threads=1)
        try:
            return measure(con, self.fetch(planned).batches)
        finally:
            con.close()

    def _read(self, planned: PlannedWindow, report: FetchReport, *, with_records: bool) -> Iterator[pa.RecordBatch]:
        declared = self._declared(planned.object)
        read, _ = _READERS[declared.format]
        deleted = {file.path for file in find_files(self.root, declared.deletions)} if declared.deletions else set()
        records = [part for part in planned.parts if part.path not in deleted]
        tombstones = [part for part in planned.parts if part.path in deleted]
        self._check_unchanged(planned)
        try:
            if with_records:
                yield from read(self.root, records, declared, report)
            yield from rest_json.read_deletions(self.root, tombstones, report)
        except OSError as error:
            raise SourceUnavailable(
                f"Reading {planned.subject} under {self.root}: {error.strerror or type(error).__name__}.",
                next_move="Check that its files may be read, then run again.",
            ) from error
        self._check_unchanged(planned)

    def _check_unchanged(self, planned: PlannedWindow) -> None:
        for part in planned.parts:
            check_unchanged(self.root, part)

    def _declared(self, object_name: str) -> ObjectSettings:
        if object_name not in self.objects:
            raise UsageError(
                f"The source {self.name} has no object {object_name}; it declares {', '.join(sorted(self.objects))}.",
                next_move="Name one of these, or declare it in dataflow.toml.",
            )
        return self.objects[object_name]

    def _files(self, object_name: str) -> list[FoundFile]:
        declared = self._declared(object_name)
        patterns = [pattern for pattern in (declared.path, declared.deletions) if pattern]
        found = {file.path: file for pattern in patterns for file in find_files(self.root, pattern)}
        if not found:
            raise SourceMissing(
                f"Looking for {self.name}.{object_name}: no file under {self.root} matches {' or '.join(patterns)}.",
                next_move="Check the object's path in dataflow.toml and what was delivered.",
            )
        return [found[path] for path in sorted(found)]

    def _describe(self, object_name: str) -> SourceObject:
        declared = self._declared(object_name)
        _, describe = _READERS[declared.format]
        files = find_files(self.root, declared.path)
        fields = tuple(describe(self.root / files[-1].path)) if files else ()
        return SourceObject(self.name, object_name, is_declared=True, fields=fields)


def _is_landed(part: Part, state: ObjectState) -> bool:
    return any(landed.fingerprint == part.fingerprint for landed in state.parts.get(part.path, ()))


def _fingerprint(declared: ObjectSettings, parts: Sequence[Part]) -> str:
    """Name what the window will look like once read: its bytes, and all of the declaration that shapes rows."""
    shaping = declared.model_dump_json(exclude={"checks", "personal", "json_schema"})
    told = "\n".join([READER_VERSION, shaping, *(f"{part.path} {part.fingerprint}" for part in parts)])
    return hashlib.md5(told.encode(), usedforsecurity=False).hexdigest()
