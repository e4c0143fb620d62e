"""A source whose objects are files of a store: plan new and withdrawn files, and read them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import groupby

import pyarrow as pa

from dataflow.errors import SourceMalformed, SourceMissing, SourceUnavailable, UsageError
from dataflow.settings import ObjectSettings, SourceSettings
from dataflow.sources.by_hash import as_delivered, as_stored, by_hash_of, stamped, within
from dataflow.sources.files import delimited, parquet, rest_json
from dataflow.sources.files.growing import mark_growing
from dataflow.sources.files.listing import FoundFile, window_of
from dataflow.sources.files.presence import describe_mark, find_marks, is_mark
from dataflow.sources.files.store import Store
from dataflow.sources.protocol import (
    Fetch,
    FetchReport,
    FieldInfo,
    ObjectState,
    Part,
    PlannedWindow,
    SourceObject,
    Window,
    WindowMeasure,
)
from dataflow.sources.versions import measure
from lakehouse.connect import connect

READER_VERSION = "1"
"""Part of every window's fingerprint: raise it when a reader shapes rows differently, to read windows again."""

ReadParts = Callable[[Store, Sequence[Part], ObjectSettings, FetchReport], Iterator[pa.RecordBatch]]
DescribePart = Callable[[Store, Part, ObjectSettings], list[FieldInfo]]

_READERS: Mapping[str, tuple[ReadParts, DescribePart]] = {
    "rest-json": (rest_json.read_pages, rest_json.describe),
    "parquet": (parquet.read_tables, parquet.describe),
    "csv": (delimited.read_exports, delimited.describe),
}


class PartsSource:
    """A source whose objects are files in one store."""

    def __init__(
        self, name: str, settings: SourceSettings, store: Store, *, now: Callable[[], datetime] | None = None
    ) -> None:
        self.name = name
        self.settings = settings
        self.objects = settings.objects
        self.store = store
        self._now = now or _now

    def discover(self) -> list[SourceObject]:
        """List the declared objects with the fields of their newest file, then the folders that no object reads."""
        declared = [self._describe(name) for name in self.objects]
        read = {pattern.split("/")[0] for one in self.objects.values() for pattern in (one.path, one.deletions)}
        has_wide_pattern = any("{" in first or "*" in first for first in read)
        unread = [] if has_wide_pattern else [name for name in self.store.folders() if name not in read]
        return declared + [SourceObject(self.name, name, is_declared=False) for name in unread]

    def plan(
        self, object_name: str, state: ObjectState, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[PlannedWindow]:
        """List the windows with a file whose bytes are not landed, or that was withdrawn since.

        A window is read whole: pages of a response belong together, and completeness is that of all files together.
        Of an object that is delivered whole (mode `full`) only the newest window counts: it replaces the earlier ones.
        Raises: UsageError for an unknown object, SourceMissing when no window has a file, SourceUnavailable.
        """
        declared = self._declared(object_name)
        files = self._files(object_name, state)

        def is_chosen(window: Window) -> bool:
            return (since is None or window.start >= since) and (until is None or window.start < until)

        marks = self._marks(declared, files, state)
        by_window = {
            window: self._identify(list(group), declared, state)
            for window, group in groupby(sorted(files, key=_by_window), key=lambda file: file.window)
            if is_chosen(window)
        }
        planned = []
        windows = sorted({*by_window, *filter(is_chosen, marks)})
        by_hash = by_hash_of(self.settings, declared)
        if by_hash and by_hash.is_whole:
            windows = _newest_state(by_window, state)
        for window in windows:
            parts = (*by_window.get(window, ()), *marks.get(window, ()))
            if all(_is_landed(part, state) for part in parts):
                continue
            fingerprint = _fingerprint(declared, parts)
            planned.append(PlannedWindow(self.name, object_name, window, parts, fingerprint, by_hash=by_hash))
        return planned

    def fetch(self, planned: PlannedWindow) -> Fetch:
        """Read the files of a window, deletions after records."""
        report = FetchReport()
        return Fetch(self._read(planned, report, with_records=True), report)

    def deletions(self, planned: PlannedWindow) -> Iterator[pa.RecordBatch]:
        """Read the deletions of a window."""
        declared = self._declared(planned.object)
        # Where deletions have files of their own, the records need not be read.
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
        parts = [as_stored(part) for part in planned.parts if not is_mark(part)]
        tombstones = [part for part in parts if declared.deletions and window_of(declared.deletions, part.path)]
        self._check_unchanged(parts)
        try:
            if with_records:
                batches = read(self.store, [part for part in parts if part not in tombstones], declared, report)
                yield from batches if declared.cursor else stamped(batches, _read_as_of(planned.window, parts))
            yield from rest_json.read_deletions(self.store, tombstones, report)
        except SourceMalformed:
            # A file that is still being written looks malformed: the change is the better error then.
            self._check_unchanged(parts)
            raise
        except OSError as error:
            raise SourceUnavailable(
                f"Reading {planned.subject} under {self.store}: {error.strerror or type(error).__name__}.",
                next_move="Check that this user can read its files, then run again.",
            ) from error
        self._check_unchanged(parts)
        for mark in filter(is_mark, planned.parts):
            described = report.notes.get(mark.path)
            report.notes[mark.path] = "; ".join(filter(None, (described, describe_mark(mark))))

    def _check_unchanged(self, parts: Sequence[Part]) -> None:
        for part in parts:
            self.store.check_unchanged(part)

    def _declared(self, object_name: str) -> ObjectSettings:
        if object_name not in self.objects:
            raise UsageError(
                f"The source {self.name} has no object {object_name}; it declares {', '.join(sorted(self.objects))}.",
                next_move="Name one of these, or declare it in dataflow.toml.",
            )
        return self.objects[object_name]

    def _files(self, object_name: str, state: ObjectState) -> list[FoundFile]:
        declared = self._declared(object_name)
        found = {file.path: file for pattern in _patterns(declared) for file in self.store.find(pattern)}
        is_sure = self.store.is_sure_when_empty and state.parts and declared.mode != "full"
        if not found and not is_sure:
            raise SourceMissing(
                f"Looking for {self.name}.{object_name}: no file under {self.store} matches "
                f"{' or '.join(_patterns(declared))}.",
                next_move="Check the object's path in dataflow.toml and what was delivered.",
            )
        return [
            replace(file, window=self._window(declared, file.window, file.modified_at))
            for _, file in sorted(found.items())
        ]

    def _identify(self, files: Sequence[FoundFile], declared: ObjectSettings, state: ObjectState) -> list[Part]:
        parts = self.store.identify(files, state)
        if declared.mode == "full":
            return [as_delivered(part) for part in parts]
        if declared.format != "csv":
            return parts
        now = self._now()
        return [mark_growing(self.store, part, state, now=now) for part in parts]

    def _marks(
        self, declared: ObjectSettings, files: Sequence[FoundFile], state: ObjectState
    ) -> dict[Window, list[Part]]:
        """Return withdrawn and returned files by their window."""
        listed = {file.path: file.window for file in files}
        by_window: dict[Window, list[Part]] = {}
        for mark in find_marks(listed, state):
            named = next(filter(None, (window_of(pattern, mark.path) for pattern in _patterns(declared))), None)
            # A file of a former pattern was not withdrawn: it is no longer listed.
            if named is not None:
                window = listed.get(mark.path) or self._window(declared, named, mark.modified_at)
                by_window.setdefault(window, []).append(mark)
        return by_window

    def _window(self, declared: ObjectSettings, named: Window, modified_at: datetime) -> Window:
        # Files of an object that is delivered whole belong together, whenever each was written.
        by_arrival = self.store.windows_by_arrival and declared.format != "rest-json" and declared.mode != "full"
        return Window.of_day(modified_at.date()) if by_arrival and named == Window.of_all_time() else named

    def _describe(self, object_name: str) -> SourceObject:
        declared = self._declared(object_name)
        _, describe = _READERS[declared.format]
        files = self.store.find(declared.path)
        fields: tuple[FieldInfo, ...] = ()
        if files:
            [newest] = self.store.identify(files[-1:], ObjectState())
            fields = tuple(describe(self.store, newest, declared))
        return SourceObject(self.name, object_name, is_declared=True, fields=fields)


def _patterns(declared: ObjectSettings) -> tuple[str, ...]:
    return tuple(pattern for pattern in (declared.path, declared.deletions) if pattern)


def _by_window(file: FoundFile) -> tuple[Window, str]:
    return file.window, file.path


def _is_landed(part: Part, state: ObjectState) -> bool:
    return any(landed.fingerprint == part.fingerprint for landed in state.parts.get(part.path, ()))


def _newest_state(windows: Iterable[Window], state: ObjectState) -> list[Window]:
    """Return the newest window, unless what is landed is newer than all of it."""
    newest = max(windows, default=None)
    is_over = newest is not None and state.watermark is not None and newest.until <= state.watermark
    return [] if newest is None or is_over else [newest]


def _read_as_of(window: Window, parts: Sequence[Part]) -> datetime:
    """Return the time of which the rows of files are that have none themselves."""
    return within(window, max((part.modified_at for part in parts), default=window.start))


def _fingerprint(declared: ObjectSettings, parts: Sequence[Part]) -> str:
    """Return the window's fingerprint: its bytes, and all of the declaration that shapes rows."""
    shaping = declared.model_dump_json(exclude={"checks", "personal", "json_schema"})
    described = "\n".join([READER_VERSION, shaping, *(f"{part.path} {part.fingerprint}" for part in parts)])
    return hashlib.md5(described.encode(), usedforsecurity=False).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC)
