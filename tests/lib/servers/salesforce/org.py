"""What the org holds: every version of every record, when it was stamped and from when on others see it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.lib.servers.salesforce.clock import Clock
from tests.lib.servers.salesforce.schema import STANDARD, ObjectType

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECKSUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


class RecordLocked(Exception):
    """Another transaction has changed the record and has not committed (UNABLE_TO_LOCK_ROW)."""


@dataclass(frozen=True)
class Version:
    """A state of a record. It was stamped at `stamp`; others see it from `visible_at` on, when it was committed."""

    values: Mapping[str, Any]
    stamp: datetime
    visible_at: datetime
    is_deleted: bool = False
    is_purged: bool = False
    master: str | None = None


@dataclass
class Record:
    """One record: its versions in the order they were made."""

    id: str
    created: datetime
    versions: list[Version] = field(default_factory=list)

    def at(self, timestamp: datetime) -> Version | None:
        """The state that others see at `timestamp`."""
        return next((one for one in reversed(self.versions) if one.visible_at <= timestamp), None)


@dataclass(frozen=True)
class Deletion:
    """A line of the log that getDeleted reads."""

    type: str
    id: str
    at: datetime
    visible_at: datetime


class Org:
    """The org as its users change it. All times are the clock's, in whole seconds as Salesforce stamps them."""

    def __init__(self, clock: Clock | None = None, types: Iterable[ObjectType] = STANDARD) -> None:
        self.clock = clock or Clock()
        self.types = {one.name: one for one in types}
        self.records: dict[str, dict[str, Record]] = {name: {} for name in self.types}
        self.log: list[Deletion] = []
        self.log_begins: datetime | None = None
        """Lines of the log before this are purged, as Salesforce may do from two hours on."""
        self.parameters: dict[str, Any] = {}
        """What formulas read; a change of it touches no record."""
        self.hidden: set[tuple[str, str]] = set()
        """Fields that the integration user may not read."""
        self.lock = threading.RLock()
        self._numbers = 0

    def insert(self, type_name: str, /, *, commit_after: float = 0.0, **values: Any) -> str:
        """Create a record; with `commit_after` others see it only so many seconds later, bearing today's stamp."""
        with self.lock:
            self._numbers += 1
            record = Record(record_id(self.types[type_name].prefix, self._numbers), self._stamp())
            self.records[type_name][record.id] = record
            self._write(record, values=values, commit_after=commit_after)
            return record.id

    def update(self, type_name: str, record_id: str, /, *, commit_after: float = 0.0, **values: Any) -> None:
        with self.lock:
            record, last = self._last(type_name, record_id)
            if last.is_deleted:
                raise KeyError(f"{record_id} is deleted")
            self._write(record, values={**last.values, **values}, commit_after=commit_after)

    def delete(
        self, type_name: str, record_id: str, /, *, commit_after: float = 0.0, master: str | None = None
    ) -> None:
        """Move a record to the recycle bin."""
        with self.lock:
            record, last = self._last(type_name, record_id)
            if last.is_deleted:
                return
            made = self._write(record, values=last.values, commit_after=commit_after, is_deleted=True, master=master)
            self.log.append(Deletion(type_name, record_id, made.stamp, made.visible_at))

    def undelete(self, type_name: str, record_id: str, /) -> None:
        """Take a record out of the recycle bin; the log forgets that it was deleted."""
        with self.lock:
            record, last = self._last(type_name, record_id)
            if not last.is_deleted or last.is_purged:
                raise KeyError(f"{record_id} is not in the recycle bin")
            self._write(record, values=last.values)
            self.log = [one for one in self.log if (one.type, one.id) != (type_name, record_id)]

    def purge(self, type_name: str, record_id: str, /) -> None:
        """Empty the recycle bin of one record: no query shows it any more, and its stamp does not move."""
        with self.lock:
            record, last = self._last(type_name, record_id)
            if not last.is_deleted:
                raise KeyError(f"{record_id} is not in the recycle bin")
            now = self.clock.now()
            record.versions.append(
                Version(last.values, last.stamp, now, is_deleted=True, is_purged=True, master=last.master)
            )

    def hard_delete(self, type_name: str, record_id: str, /) -> None:
        """Delete past the recycle bin."""
        with self.lock:
            self.delete(type_name, record_id)
            self.purge(type_name, record_id)

    def merge(self, type_name: str, master: str, loser: str, /) -> None:
        """Fuse two records: the loser is deleted and names its master, the master is touched."""
        with self.lock:
            self._last(type_name, master)
            self.delete(type_name, loser, master=master)
            self.update(type_name, master)

    def purge_log(self, before: datetime) -> None:
        with self.lock:
            self.log_begins = before

    def revoke(self, type_name: str, field_name: str) -> None:
        """Take from the integration user the right to read a field."""
        self.hidden.add((type_name, field_name))

    def grant(self, type_name: str, field_name: str) -> None:
        self.hidden.discard((type_name, field_name))

    def visible(self, type_name: str, *, with_deleted: bool = False) -> Iterator[dict[str, Any]]:
        """The records as a query sees them now, formulas computed."""
        with self.lock:
            now = self.clock.now()
            held = [(record, record.at(now)) for record in self.records[type_name].values()]
        for record, version in held:
            if version is None or version.is_purged or (version.is_deleted and not with_deleted):
                continue
            yield self._row(self.types[type_name], record, version)

    def deleted(self, type_name: str, start: datetime, end: datetime) -> list[Deletion]:
        """Lines of the log from `start` to before `end` that others see now."""
        with self.lock:
            now = self.clock.now()
            begins = max(start, self.log_begins or start)
            found = [one for one in self.log if one.type == type_name and begins <= one.at < end]
            return [one for one in found if one.visible_at <= now]

    def _row(self, kind: ObjectType, record: Record, version: Version) -> dict[str, Any]:
        row: dict[str, Any] = {name: version.values.get(name) for name in kind.fields}
        row |= {"Id": record.id, "IsDeleted": version.is_deleted, "CreatedDate": record.created}
        row |= {"SystemModstamp": version.stamp, "LastModifiedDate": version.stamp}
        if kind.can_merge:
            row["MasterRecordId"] = version.master
        for one in kind.fields.values():
            if one.formula is not None:
                row[one.name] = one.formula(version.values, self.parameters)
            elif one.type == "boolean" and row[one.name] is None:
                row[one.name] = False  # Salesforce's checkboxes know no null
        return row

    def _last(self, type_name: str, record_id: str) -> tuple[Record, Version]:
        record = self.records[type_name][record_id]
        last = record.versions[-1]
        if last.visible_at > self.clock.now():
            raise RecordLocked(record_id)
        return record, last

    def _write(
        self,
        record: Record,
        *,
        values: Mapping[str, Any],
        commit_after: float = 0.0,
        is_deleted: bool = False,
        master: str | None = None,
    ) -> Version:
        visible = self.clock.now() + timedelta(seconds=commit_after)
        made = Version(dict(values), self._stamp(), visible, is_deleted=is_deleted, master=master)
        record.versions.append(made)
        return made

    def _stamp(self) -> datetime:
        return self.clock.now().replace(microsecond=0)


def record_id(prefix: str, number: int) -> str:
    """Make an 18-character Id: prefix, instance, base-62 number, and the three letters that guard the case."""
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = _BASE62[digit] + digits
    short = f"{prefix}Qy0000{digits.rjust(6, '0')}"
    guards = (sum(1 << i for i, one in enumerate(short[k : k + 5]) if one.isupper()) for k in (0, 5, 10))
    return short + "".join(_CHECKSUM[bits] for bits in guards)
