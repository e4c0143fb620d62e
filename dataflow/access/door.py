"""The door: the one way by which a person reads the lake.

What stands behind it is attached read-only over a connection that is locked (lakehouse/lockdown.py), and a person's
own SQL is judged before it runs (statements.py). The door does not yet distinguish roles: everyone is an engineer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from duckdb import DuckDBPyConnection

from dataflow.access.inbox import inbox_at, leave_out_taken, read_inbox
from dataflow.access.lake import lake_location, reading_location
from dataflow.access.statements import check_statement
from dataflow.access.who import Purpose, Who
from dataflow.errors import ConfigurationError, UsageError
from dataflow.settings import Settings
from lakehouse import Inbox, InboxContents, LakeLocation, LakeView, lock_down, open_reader
from lakehouse.damage import naming_damage
from lakehouse.table import DATABASE


@dataclass(frozen=True, kw_only=True)
class Door:
    """An open door. `con` is for SQL that DataFlow wrote; SQL that a person wrote goes through `query`.

    The lake is the default database of `con`, at the snapshot `as_of` where one was asked for. `waiting` are the
    messages of the inbox that the newest snapshot has not taken.
    """

    who: Who
    purpose: Purpose
    as_of: datetime | int | None
    location: LakeLocation
    con: DuckDBPyConnection
    waiting: InboxContents

    @property
    def view(self) -> LakeView:
        """Snapshots, tables and changes of the lake."""
        return LakeView(self.con, self.location)

    def query(self, sql: str) -> DuckDBPyConnection:
        """Run one statement of a person and return its result. Raises: UsageError for any but a harmless SELECT."""
        return self.con.execute(check_statement(self.con, sql))


@contextmanager
def open_for(who: Who, purpose: Purpose, *, settings: Settings, as_of: datetime | int | None = None) -> Iterator[Door]:
    """Open the published lake for a person, at its newest snapshot or an older one.

    Raises: LakeUnreachable when nothing was published yet, SnapshotNotFound, ConfigurationError.
    """
    location = reading_location(settings)
    contents = read_inbox(location) if as_of is None else InboxContents()
    # What does not fit in memory is customers' data: it goes to a folder that only this user can open.
    with tempfile.TemporaryDirectory(prefix="dataflow-spill-") as spill:
        con = open_reader(
            location,
            at=as_of,
            memory_limit=settings.lake.memory_limit,
            threads=settings.lake.threads or None,
            temp_directory=Path(spill),
        )
        with closing(con), naming_damage(con, location, is_reader=True):
            con.execute(f"USE {DATABASE}")
            lock_down(con, location)
            waiting = leave_out_taken(con, contents)
            yield Door(who=who, purpose=purpose, as_of=as_of, location=location, con=con, waiting=waiting)


@contextmanager
def open_to_decide(who: Who, *, settings: Settings) -> Iterator[tuple[Door, Inbox]]:
    """Open the door for a steward, and the inbox: what is written to it comes after all that was read.

    Raises: UsageError before the first publication; ConfigurationError where those who use the lake share no folder.
    """
    place = lake_location(settings)
    inbox = inbox_at(place)
    if inbox is None:
        raise ConfigurationError(
            "A decision needs a folder that whoever decides and every run reach: the catalogue of this lake is on a "
            "server and its data in a bucket.",
            next_move="Name that folder in lake.inbox.",
        )
    # A catalogue without its readers' copy is a damage, which opening names.
    if isinstance(place.catalogue, Path) and not (place.published_catalogue.exists() or place.catalogue.exists()):
        raise UsageError(
            "Nothing was published to this lake yet, so there is nothing to decide.",
            next_move="Run `dataflow run` first.",
        )
    with open_for(who, Purpose.STEWARDSHIP, settings=settings) as door:
        yield door, inbox
