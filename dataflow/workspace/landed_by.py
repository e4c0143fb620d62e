"""Keep by which declared key, cursor and deletion the rows of each object in raw were landed.

Raw has the key, the version and the deletion of a row as they were read when it was landed. Where dataflow.toml names
other fields since, the rows before and after the change are not versions of the same records: the former would stay
current for ever. Such an object is held back until `dataflow reset` has read the fields again from the rows received.

A field that is renamed at its source is no change: `dataflow drift accept` keeps the former name as an optional field,
and the values are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from typing import Self

import duckdb

from dataflow.errors import ObjectHeldBack
from dataflow.settings import ObjectSettings, Settings
from dataflow.sources.rows import key_fields
from dataflow.tables.ops import LANDED_BY
from dataflow.workspace.position import ObjectName
from lakehouse import LakeView
from lakehouse.table import column_list, literal


@dataclass(frozen=True)
class LandedBy:
    """The declared fields that give a row its key, version and deletion."""

    key_fields: str
    cursor_field: str
    deleted_flag: str
    deleted_when_set: str

    @classmethod
    def of(cls, declared: ObjectSettings) -> Self:
        """Return those of a declaration."""
        # Another order of dates or another time zone gives a row another version.
        zone = "" if declared.zone == "UTC" else declared.zone
        read_as = [word for word in (declared.csv.date_order, zone) if word and declared.cursor]
        cursor = f"{declared.cursor} ({', '.join(read_as)})" if read_as else declared.cursor
        return cls(", ".join(key_fields(declared)), cursor, declared.deleted_flag, declared.deleted_when_set)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.key_fields.split(", "))

    def changes_to(self, declared: ObjectSettings) -> list[str]:
        """Return what a declaration changes, in words; nothing where only names of fields changed at the source."""
        now = LandedBy.of(declared)
        found = []
        for name, word in _WORDS.items():
            before, after = getattr(self, name), getattr(now, name)
            if before != after and not _is_renamed(before, after, declared):
                found.append(f"{word} {before or 'none'} → {after or 'none'}")
        return found


_WORDS = {
    "key_fields": "key",
    "cursor_field": "cursor",
    "deleted_flag": "deleted_flag",
    "deleted_when_set": "deleted_when_set",
}


def _is_renamed(before: str, after: str, declared: ObjectSettings) -> bool:
    """Return whether each differing field is a former name, kept as an optional field, and the new one is not."""
    olds, news = before.split(", "), after.split(", ")
    return len(olds) == len(news) and all(
        old == new or (old in declared.optional and old in declared.fields and new not in declared.optional)
        for old, new in zip(olds, news, strict=True)
    )


def read_landed_by(con: duckdb.DuckDBPyConnection, relation: str = LANDED_BY.in_lake) -> dict[ObjectName, LandedBy]:
    """Read the relation of LANDED_BY, by source and object."""
    names = column_list(field.name for field in fields(LandedBy))
    rows = con.execute(f"SELECT source, object, {names} FROM {relation}").fetchall()
    return {(str(source), str(name)): LandedBy(*values) for source, name, *values in rows}


def landed_by(lake: LakeView) -> dict[ObjectName, LandedBy]:
    """Read them from a lake; an older one has none, and its next run adopts the declarations."""
    return read_landed_by(lake.con) if LANDED_BY.full_name in set(lake.tables()) else {}


def held_back(name: ObjectName, before: LandedBy | None, declared: ObjectSettings) -> ObjectHeldBack | None:
    """Return the error of an object whose rows were landed by another declaration; None where they were not."""
    changes = [] if before is None else before.changes_to(declared)
    if not changes:
        return None
    return ObjectHeldBack(
        f"{'.'.join(name)}: its rows in raw were landed by another declaration ({'; '.join(changes)}), and would stay "
        "beside the new ones; it is held back, and what was published of it stays.",
        next_move=f"Run `dataflow reset {' '.join(name)}`, or take the change in dataflow.toml back.",
    )


def write_landed_by(con: duckdb.DuckDBPyConnection, declared: Mapping[ObjectName, ObjectSettings]) -> None:
    """Set these objects' rows inside the caller's transaction."""
    for name, one in declared.items():
        source, of = map(literal, name)
        con.execute(f"DELETE FROM {LANDED_BY.in_lake} WHERE source = {source} AND object = {of}")
        values = ", ".join(literal(value) for value in (*name, *astuple(LandedBy.of(one))))
        con.execute(f"INSERT INTO {LANDED_BY.in_lake} ({column_list(LANDED_BY.column_names)}) VALUES ({values})")


def adopt_declarations(settings: Settings) -> Callable[[duckdb.DuckDBPyConnection], None]:
    """Return the function that records the declarations of objects that have no record, inside a transaction."""

    def adopt(con: duckdb.DuckDBPyConnection) -> None:
        known = read_landed_by(con)
        write_landed_by(con, {name: one for name, one in declarations(settings).items() if name not in known})

    return adopt


def declarations(settings: Settings) -> dict[ObjectName, ObjectSettings]:
    """Return the declaration of each object, by source and object."""
    return {
        (source, name): declared
        for source, system in settings.sources.items()
        for name, declared in system.objects.items()
    }


def changed_objects(lake: LakeView, settings: Settings, *, only: Iterable[ObjectName] = ()) -> dict[ObjectName, str]:
    """Return the declared objects whose rows in raw were landed by another declaration, each with the changes."""
    known, declared, chosen = landed_by(lake), declarations(settings), set(only)
    found = {
        name: "; ".join(known[name].changes_to(one))
        for name, one in declared.items()
        if name in known and (not chosen or name in chosen)
    }
    return {name: changes for name, changes in found.items() if changes}
