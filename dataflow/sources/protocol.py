"""The protocol of sources: list objects, plan windows, fetch a window as Arrow, count and fingerprint it.

A *window* is an interval of the source's own time, start inclusive, end exclusive; its end is fixed before anything is
read. A *part* is a recognisable piece of a window: a file with the fingerprint of its bytes. A source that answers
queries has no parts; its windows follow the watermark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol, Self, runtime_checkable

import pyarrow as pa

from dataflow.errors import DataFlowError
from dataflow.sources.key_versions import key_of_version

BATCH_SCHEMA = pa.schema(
    [
        ("record_key", pa.string()),
        ("changed_at", pa.timestamp("us", tz="UTC")),
        ("is_deleted", pa.bool_()),
        ("locator", pa.string()),
        ("defect", pa.string()),
        ("payload", pa.string()),
    ]
)
"""Columns of a fetched batch. Grain: a row as received. Key, time and defect can be null; `payload` is JSON text."""

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, order=True)
class Window:
    """From `start` (inclusive) to `until` (exclusive), both UTC."""

    start: datetime
    until: datetime

    @classmethod
    def of_day(cls, day: date) -> Self:
        start = datetime.combine(day, time(), tzinfo=UTC)
        return cls(start, start + timedelta(days=1))

    @classmethod
    def of_all_time(cls) -> Self:
        """The one window of an object whose path names no day."""
        return cls(BEGINNING, END)

    @property
    def label(self) -> str:
        """Return a name for messages and folders: the day, `all`, or both ends."""
        if self == Window.of_all_time():
            return "all"
        if self == Window.of_day(self.start.date()):
            return self.start.date().isoformat()
        return f"{self.start:%Y-%m-%dT%H%M%SZ}--{self.until:%Y-%m-%dT%H%M%SZ}"

    @property
    def keys(self) -> KeyRange:
        """Return the range of keys whose versions are in the window, for an object that follows its key."""
        start = key_of_version(self.start)
        return KeyRange(start or None, None if self.until == END else key_of_version(self.until))

    @property
    def label_of_keys(self) -> str:
        return "all" if self == Window.of_all_time() else self.keys.label


@dataclass(frozen=True)
class Part:
    """One file of a window: `path` below the source's root, MD5 or ETag of its bytes."""

    path: str
    fingerprint: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, order=True)
class KeyRange:
    """Keys from `start` (inclusive) to `until` (exclusive); None is open. Whole numbers: they are not personal data."""

    start: int | None = None
    until: int | None = None

    @property
    def label(self) -> str:
        ends = ("" if end is None else str(end) for end in (self.start, self.until))
        return f"keys {'..'.join(ends)}"


@dataclass(frozen=True)
class ByHash:
    """How an object without a time is landed: its rows are compared with raw by key and hash.

    `kinds` are the types of the key's fields. `is_whole`: the window is the whole object, so a record that it lacks is
    deleted, unless more than `limit_share` of them would be.
    """

    key_fields: tuple[str, ...]
    kinds: tuple[str, ...]
    is_whole: bool
    limit_share: float


@dataclass(frozen=True)
class PlannedWindow:
    """A window to fetch. `fingerprint` identifies its content: the same content is fetched and landed once."""

    source: str
    object: str
    window: Window
    parts: tuple[Part, ...]
    fingerprint: str
    repairs: tuple[str, ...] = ()
    """Gaps (`ops.gap`) that this window repairs: it is read again, whatever was staged or landed. Set by landing."""
    moves_watermark: bool = True
    """False where earlier changes are left out on purpose, as in a backfill. Set by landing."""
    keys: KeyRange | None = None
    """Only the records with these keys: a big window is cut so that its pieces can be read in parallel."""
    follows_key: bool = False
    """The object follows its key: the times of the window are versions of keys."""
    asked_at: datetime | None = None
    """The time of a querying source's own clock when the window was planned."""
    by_hash: ByHash | None = None
    """Set for an object without a time of change."""

    @property
    def label(self) -> str:
        """Return a name of the window for people: its keys where the object follows its key."""
        return self.window.label_of_keys if self.follows_key else self.window.label

    @property
    def subject(self) -> str:
        keys = f" {self.keys.label}" if self.keys else ""
        return f"{self.source}.{self.object} {self.label}{keys}"

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)


@dataclass(frozen=True)
class ObjectState:
    """The state of an object in the lake when windows are planned: its watermark, and its parts by path."""

    watermark: datetime | None = None
    parts: Mapping[str, Sequence[Part]] = field(default_factory=dict)
    read_whole_at: datetime | None = None
    """When the object was last read whole (`ObjectSettings.reread_every_hours`)."""


@dataclass(frozen=True)
class FieldInfo:
    """A field as the source describes it; `type` as DuckDB names it, empty where the source states none."""

    name: str
    type: str = ""


@dataclass(frozen=True)
class SourceObject:
    """An object that the source holds. An undeclared object is not read, and only its name is known."""

    source: str
    name: str
    is_declared: bool
    fields: tuple[FieldInfo, ...] = ()


@dataclass(frozen=True)
class WindowMeasure:
    """The number of versions in a window, and their order-free fingerprint (see versions.py)."""

    count: int
    fingerprint: str


@dataclass(frozen=True)
class Ahead:
    """The rows that are stamped at or after `bound`, later than the source's clock: no window reaches them."""

    count: int
    bound: datetime


@dataclass(frozen=True)
class Drift:
    """Fields by which a source differs from its declaration, by name."""

    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    """Pairs of a gone field and the new field that it was probably renamed to."""
    lacking: tuple[str, ...] = ()
    """Optional fields that the source does not have: no drift, but absent all the same."""

    @property
    def absent(self) -> tuple[str, ...]:
        """Return all declared fields that the source does not have: their values are unknown, not null."""
        return tuple(sorted({*self.gone, *self.lacking}))

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.retyped)

    def merged(self, other: Drift) -> Drift:
        return Drift(
            tuple(sorted({*self.new, *other.new})),
            tuple(sorted({*self.gone, *other.gone})),
            tuple(sorted({*self.retyped, *other.retyped})),
            tuple(sorted({*self.renamed, *other.renamed})),
            tuple(sorted({*self.lacking, *other.lacking})),
        )

    def as_dict(self) -> dict[str, Any]:
        sides = {"new": self.new, "gone": self.gone, "retyped": self.retyped, "renamed": self.renamed}
        return {**sides, "lacking": self.lacking}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        new, gone, retyped = (tuple(plain[side]) for side in ("new", "gone", "retyped"))
        renamed = tuple((before, after) for before, after in plain["renamed"])
        # A window staged by an earlier version has no such list.
        return cls(new, gone, retyped, renamed, tuple(plain.get("lacking", ())))


@dataclass
class FetchReport:
    """The report of reading a window, complete once its batches are consumed. Holds no value of a row."""

    rows: int = 0
    defects: int = 0
    deleted: int = 0
    rows_by_part: dict[str, int] = field(default_factory=dict)
    drift: Drift = Drift()
    formats: dict[str, str] = field(default_factory=dict)
    """By part: the encoding and dialect found."""
    notes: dict[str, str] = field(default_factory=dict)
    """By part or object: what the user is to know of it, such as an empty file or dates read as null."""
    promised: int | None = None
    """The number of rows that the source states for the window, independent of the rows: COUNT in the same snapshot,
    `totalSize`, `numberRecordsProcessed`. Fewer rows are a gap, which the next run reads again."""

    def count(self, path: str, rows: int) -> None:
        self.rows += rows
        self.rows_by_part[path] = self.rows_by_part.get(path, 0) + rows

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {
            "rows": self.rows,
            "defects": self.defects,
            "deleted": self.deleted,
            "rows_by_part": self.rows_by_part,
            "drift": self.drift.as_dict(),
            "formats": self.formats,
            "notes": self.notes,
            "promised": self.promised,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        return cls(**{**plain, "drift": Drift.from_dict(plain["drift"])})


@dataclass(frozen=True)
class Finding:
    """The finding of one probe of `dataflow doctor`; `fix` is the next move where the probe failed."""

    name: str
    is_well: bool
    found: str
    fix: str = ""

    @classmethod
    def of_error(cls, name: str, error: DataFlowError) -> Self:
        """Return the finding of a probe that an error ended."""
        return cls(name, False, error.message, error.next_move)


@dataclass(frozen=True)
class Fetch:
    """A window being read: consume `batches` once, in order; then `report` is complete."""

    batches: Iterator[pa.RecordBatch]
    report: FetchReport


class Source(Protocol):
    """One system to read from. All methods are thread-safe."""

    name: str

    def discover(self) -> list[SourceObject]:
        """List the objects of the source, declared or not, with the fields of the declared ones."""
        ...

    def plan(
        self, object_name: str, state: ObjectState, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[PlannedWindow]:
        """List the windows whose content the lake does not have, oldest first.

        `since` and `until` keep windows that start in [since, until). A source that answers queries plans from the
        watermark less its look-back up to its own clock; with `since` it plans from there, whatever the watermark,
        and `until` closes the last window where that is earlier. With an empty state it plans all rows.
        A window without parts is self-contained: source, object, window and keys suffice to fetch it again.
        Raises: UsageError for an unknown object, SourceMissing.
        """
        ...

    def fetch(self, planned: PlannedWindow) -> Fetch:
        """Read a window, deletions included, in batches of BATCH_SCHEMA.

        Raises, when the batches are consumed: SourceMissing, SourceMalformed, SourceIncomplete, SourceUnavailable,
        SchemaDrift.
        """
        ...

    def measure(self, planned: PlannedWindow) -> WindowMeasure:
        """Count and fingerprint the window at the source by reading it again."""
        ...

    def deletions(self, planned: PlannedWindow) -> Iterator[pa.RecordBatch]:
        """Read only the deletions of the window, in batches of BATCH_SCHEMA."""
        ...


@runtime_checkable
class Surveys(Protocol):
    """A source that can count and fingerprint a range without sending its rows: the nightly check bisects with it.

    Optional: a source without it is checked by reading its windows again.
    """

    def survey(self, planned: PlannedWindow) -> WindowMeasure:
        """Count the current records of the source whose version is in the window, whatever their key.

        A record that the source marks as deleted does not count. The fingerprint is that of (record key, version), as
        `versions.key_fingerprint_sql` computes it in raw, or "" where the source can only count.
        """
        ...

    def count_ahead(self, object_name: str) -> Ahead | None:
        """Count the rows that are stamped later than is believed (sources/ahead.py); None: rows have no time."""
        ...


@runtime_checkable
class Halves(Protocol):
    """A source that cuts windows itself, for example because its times are whole seconds. Optional."""

    def halve(self, planned: PlannedWindow) -> Sequence[PlannedWindow]:
        """Cut a window into two that cover it exactly; return none when it cannot be cut."""
        ...


@runtime_checkable
class ListsKeys(Protocol):
    """A source that can find unrecorded deletions by key. Optional."""

    def missing_keys(self, object_name: str, known_keys: Iterator[str]) -> Iterator[str]:
        """Yield those of `known_keys` for which the source no longer has a record.

        Shape: keys as `RowReader.key` writes them, each once, ascending as text by code point; yielded in any order.
        A record that exists and is marked as deleted is not missing. Each yielded key becomes a deletion, so an
        incomplete comparison (a page that fails, a budget spent, a lagging replica) raises.
        Raises: SourceUnavailable, SourceIncomplete, SourceMissing, SourceRefused.
        """
        ...
