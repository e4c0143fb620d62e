"""What every source can do: say what it holds, plan windows, hand one over as Arrow, count and fingerprint it.

A *window* is a stretch of the source's own time, closed at its start and open at its end; its end is fixed before
anything is read. A *part* is a piece of a window that can be recognised again: a file with the fingerprint of its
bytes. A source that answers queries has no parts; its windows follow the watermark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Protocol, Self, runtime_checkable

import pyarrow as pa

from dataflow.errors import DataFlowError

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
"""Columns of a fetched batch. Grain: a row as received. Key, time and defect may be null; `payload` is JSON text."""

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
        """A name for people and folders: the day, `all`, or both ends."""
        if self == Window.of_all_time():
            return "all"
        if self == Window.of_day(self.start.date()):
            return self.start.date().isoformat()
        return f"{self.start:%Y-%m-%dT%H%M%SZ}--{self.until:%Y-%m-%dT%H%M%SZ}"


@dataclass(frozen=True)
class Part:
    """One file of a window: `path` below the source's root, MD5 or ETag of its bytes."""

    path: str
    fingerprint: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True, order=True)
class KeyRange:
    """Keys from `start` (inclusive) to `until` (exclusive); None is open. Whole numbers: they tell nobody's data."""

    start: int | None = None
    until: int | None = None

    @property
    def label(self) -> str:
        ends = ("" if end is None else str(end) for end in (self.start, self.until))
        return f"keys {'..'.join(ends)}"


@dataclass(frozen=True)
class PlannedWindow:
    """A window worth fetching. `fingerprint` names its content: the same content is fetched and landed once."""

    source: str
    object: str
    window: Window
    parts: tuple[Part, ...]
    fingerprint: str
    repairs: tuple[str, ...] = ()
    """Gaps (`ops.gap`) this window is to close: it is read anew, whatever was staged or landed. Set by landing."""
    moves_watermark: bool = True
    """False where something before it was left out on purpose, as in a backfill. Set by landing."""
    keys: KeyRange | None = None
    """Only the records with such a key: a big window is cut so that its pieces can be read at once."""

    @property
    def subject(self) -> str:
        keys = f" {self.keys.label}" if self.keys else ""
        return f"{self.source}.{self.object} {self.window.label}{keys}"

    @property
    def size_bytes(self) -> int:
        return sum(part.size_bytes for part in self.parts)


@dataclass(frozen=True)
class ObjectState:
    """What the lake knows of an object when windows are planned: how far it is, which parts it has, by path."""

    watermark: datetime | None = None
    parts: Mapping[str, Sequence[Part]] = field(default_factory=dict)
    read_whole_at: datetime | None = None
    """When all of the object was read last, from the beginning (`ObjectSettings.reread_every_hours`)."""


@dataclass(frozen=True)
class FieldInfo:
    """A field as the source describes it; `type` as DuckDB names it, empty where the source states none."""

    name: str
    type: str = ""


@dataclass(frozen=True)
class SourceObject:
    """An object that the source holds. One that is not declared is not read; its name is all that is known."""

    source: str
    name: str
    is_declared: bool
    fields: tuple[FieldInfo, ...] = ()


@dataclass(frozen=True)
class WindowMeasure:
    """How many versions of records a window holds, and the order-free fingerprint of them (see versions.py)."""

    count: int
    fingerprint: str


@dataclass(frozen=True)
class Drift:
    """Fields by which a source differs from its declaration, by name."""

    new: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    """Pairs of a gone field and the new one that it seems to be called now."""

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.retyped)

    def merged(self, other: Drift) -> Drift:
        return Drift(
            tuple(sorted({*self.new, *other.new})),
            tuple(sorted({*self.gone, *other.gone})),
            tuple(sorted({*self.retyped, *other.retyped})),
            tuple(sorted({*self.renamed, *other.renamed})),
        )

    def as_dict(self) -> dict[str, Any]:
        return {"new": self.new, "gone": self.gone, "retyped": self.retyped, "renamed": self.renamed}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        new, gone, retyped = (tuple(plain[side]) for side in ("new", "gone", "retyped"))
        return cls(new, gone, retyped, tuple((before, after) for before, after in plain["renamed"]))


@dataclass
class FetchReport:
    """What was seen while a window was read; complete once its batches are consumed. Holds no value of a row."""

    rows: int = 0
    defects: int = 0
    deleted: int = 0
    rows_by_part: dict[str, int] = field(default_factory=dict)
    drift: Drift = Drift()
    notes: dict[str, str] = field(default_factory=dict)
    """By part: encoding and dialect found, an empty file, and the like."""
    promised: int | None = None
    """How many rows the source said the window holds, told apart from the rows: COUNT in the same consistent snapshot,
    `totalSize`, `numberRecordsProcessed`. Fewer rows than that is a gap, which the next run reads again."""

    def count(self, path: str, rows: int) -> None:
        self.rows += rows
        self.rows_by_part[path] = self.rows_by_part.get(path, 0) + rows

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "rows": self.rows,
            "defects": self.defects,
            "deleted": self.deleted,
            "rows_by_part": self.rows_by_part,
            "drift": self.drift.as_dict(),
            "notes": self.notes,
            "promised": self.promised,
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        return cls(**{**plain, "drift": Drift.from_dict(plain["drift"])})


@dataclass(frozen=True)
class Finding:
    """What one probe of `dataflow doctor` found; `fix` is the next move where it is not well."""

    name: str
    is_well: bool
    found: str
    fix: str = ""

    @classmethod
    def of_error(cls, name: str, error: DataFlowError) -> Self:
        """The finding of a probe that an error ended."""
        return cls(name, False, error.message, error.next_move)


@dataclass(frozen=True)
class Fetch:
    """A window being read: consume `batches` once, in order; then `report` is complete."""

    batches: Iterator[pa.RecordBatch]
    report: FetchReport


class Source(Protocol):
    """One system to read from. All methods may be called from several threads at once."""

    name: str

    def discover(self) -> list[SourceObject]:
        """List the objects it holds, declared or not, with the fields of the declared ones."""
        ...

    def plan(
        self, object_name: str, state: ObjectState, *, since: datetime | None = None, until: datetime | None = None
    ) -> list[PlannedWindow]:
        """List the windows that hold something the lake does not have, oldest first.

        `since` and `until` keep windows that start in [since, until). A source that answers queries plans from the
        watermark less its look-back up to its own clock; with `since` it plans from there, whatever the watermark,
        and `until` closes the last window where that is earlier. With an empty state it plans all it has.
        A window without parts is whole in itself: source, object, window and keys are enough to fetch it again.
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
        """Count and fingerprint what the window holds at the source, by reading it again."""
        ...

    def deletions(self, planned: PlannedWindow) -> Iterator[pa.RecordBatch]:
        """Only the records of the window that the source says are gone, in batches of BATCH_SCHEMA."""
        ...


@runtime_checkable
class Surveys(Protocol):
    """A source that can say what a stretch holds without handing over its rows: the nightly check bisects with it.

    Optional. A source without it is checked by reading its windows again.
    """

    def survey(self, planned: PlannedWindow) -> WindowMeasure:
        """Count the records that live at the source now and whose version lies in the window, whatever their key.

        A record that the source marks as deleted does not live. The fingerprint is that of (record key, version), as
        `versions.key_fingerprint_sql` makes it of raw, or "" where the source can only count.
        """
        ...


@runtime_checkable
class Halves(Protocol):
    """A source that knows best where a window can be cut: its times may be whole seconds. Optional."""

    def halve(self, planned: PlannedWindow) -> Sequence[PlannedWindow]:
        """Cut a window into two that cover it exactly; empty when it is as small as it gets."""
        ...


@runtime_checkable
class ListsKeys(Protocol):
    """A source that is asked, every `anti_join_every_days`, which records are gone without a word. Optional."""

    def missing_keys(self, object_name: str, known_keys: Iterator[str]) -> Iterator[str]:
        """Yield those of `known_keys` that are no record of the object at the source any more.

        Shape: keys as `RowReader.key` writes them, each once, ascending as text by code point; answered in any order.
        A record that is there but marked as deleted is not missing. Never guess: what cannot be asked to the end
        (a page that fails, a budget spent, a lagging replica) raises, since each yielded key becomes a deletion.
        Raises: SourceUnavailable, SourceIncomplete, SourceMissing, SourceRefused.
        """
        ...
