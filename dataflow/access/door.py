"""The door: the only way by which a person reads the lake.

The lake is attached read-only to a locked connection (lakehouse/lockdown.py), a person's own SQL is checked before it
runs (statements.py), and every read is in the access log (log/recorder.py) or refused. The door does not yet
distinguish roles: everyone is an engineer.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import cast

from duckdb import DuckDBPyConnection

from dataflow.access.answers import Answer, answer_of
from dataflow.access.doors import DOORS
from dataflow.access.inbox import inbox_at, leave_out_taken, read_inbox
from dataflow.access.lake import lake_location, reading_location
from dataflow.access.log.recorder import RecordedConnection, Recorder
from dataflow.access.statements import check_statement
from dataflow.access.who import Purpose, Who
from dataflow.errors import ConfigurationError, UsageError
from dataflow.settings import Settings
from lakehouse import Inbox, InboxContents, LakeLocation, LakeView, lock_down, open_reader
from lakehouse.connect import connect
from lakehouse.damage import naming_damage, refuse_data_without_catalogue
from lakehouse.table import DATABASE


@dataclass(frozen=True, kw_only=True)
class Door:
    """An open door. `con` is for SQL that DataFlow wrote; SQL that a person wrote goes through `query`.

    The lake is the default database of `con`, at the snapshot `as_of` if given. `waiting` are the messages of the inbox
    that the newest snapshot has not taken. `recorder` has what was read until now; the log has it when the door closes.
    """

    who: Who
    purpose: Purpose
    as_of: datetime | int | None
    location: LakeLocation
    con: DuckDBPyConnection
    waiting: InboxContents
    recorder: Recorder

    @property
    def view(self) -> LakeView:
        """Return the view of the lake's snapshots, tables and changes."""
        return LakeView(self.con, self.location)

    def query(self, sql: str) -> Answer:
        """Return the answer to one statement of a person.

        Raises: UsageError unless it is a permitted SELECT; AccessLogUnwritable, AccessLogDamaged.
        """
        con = cast(RecordedConnection, self.con).unrecorded
        try:
            checked = check_statement(con, sql)
        except UsageError:
            self.recorder.refused()
            raise
        reading = self.recorder.statement(con, checked.tree)
        with self.recorder.failing(reading):
            answer = answer_of(con, checked.text, is_plan=checked.is_plan)
        return replace(answer, taken=self.recorder.taking(reading))


@contextmanager
def open_for(
    who: Who, purpose: Purpose, *, door: str, settings: Settings, as_of: datetime | int | None = None
) -> Iterator[Door]:
    """Open the published lake for a person, at its newest snapshot or an older one; `door` is its name in doors.py.

    Raises: LakeUnreachable when nothing was published yet, SnapshotNotFound, ConfigurationError; when something is
    read, AccessLogUnwritable and AccessLogDamaged.
    """
    recorder = Recorder(settings, who, DOORS.find(door), purpose=purpose, as_of=as_of, masked=False)
    location = reading_location(settings)
    contents = read_inbox(location) if as_of is None else InboxContents()
    # DuckDB spills customer data: into a folder that only this user can open.
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
            with recorder.watching():
                yield Door(
                    who=who,
                    purpose=purpose,
                    as_of=as_of,
                    location=location,
                    con=cast(DuckDBPyConnection, RecordedConnection(con, recorder)),
                    waiting=waiting,
                    recorder=recorder,
                )


@contextmanager
def open_to_decide(who: Who, *, door: str, settings: Settings) -> Iterator[tuple[Door, Inbox]]:
    """Open the door for a steward, and the inbox; messages written to it are newer than all that was read.

    Raises: UsageError before the first publication; LakeDamaged where only data files are left;
    ConfigurationError where the users of the lake share no folder.
    """
    place = lake_location(settings)
    inbox = inbox_at(place)
    if inbox is None:
        raise ConfigurationError(
            "Decisions need a folder that all users and runs of the lake can reach; this lake has none: its catalogue "
            "is on a server and its data in a bucket.",
            next_move="Set lake.inbox to such a folder.",
        )
    # A catalogue without its readers' copy is damaged, which `open_for` reports.
    if isinstance(place.catalogue, Path) and not (place.published_catalogue.exists() or place.catalogue.exists()):
        with connect(extensions=place.extensions, threads=1) as con:
            refuse_data_without_catalogue(con, place)
        raise UsageError(
            "Nothing has been published to this lake yet, so there is nothing to decide.",
            next_move="Run `dataflow run` first.",
        )
    with open_for(who, Purpose.STEWARDSHIP, door=door, settings=settings) as opened:
        yield opened, inbox
