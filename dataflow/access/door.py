"""The door: the only way by which a person reads the lake.

An engineer and a privacy officer read the lake, attached read-only to a locked connection (lakehouse/lockdown.py). Any
other role reads its mart, one file that holds what the role sees and nothing else (lakehouse/copies.py): that is the
boundary. A person's own SQL is checked before it
runs (statements.py), and every read is in the access log (log/recorder.py) or refused.
"""

from __future__ import annotations

import tempfile
from collections.abc import Hashable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import cast

from duckdb import DuckDBPyConnection

from dataflow.access.answers import Answer, answer_of
from dataflow.access.doors import DOORS
from dataflow.access.identify import Reads, refusal
from dataflow.access.inbox import inbox_at, leave_out_taken, read_inbox
from dataflow.access.lake import lake_location, reading_location
from dataflow.access.log.recorder import RecordedConnection, Recorder
from dataflow.access.marts import mart_version, open_mart
from dataflow.access.pool import ConnectionPool, file_identity
from dataflow.access.remembering import Build, RememberingConnection
from dataflow.access.roles import Role, find_role
from dataflow.access.statements import check_statement, view_statement
from dataflow.access.who import Purpose, Who
from dataflow.errors import AccessRefused, ConfigurationError, UsageError
from dataflow.settings import Settings
from dataflow.tables.ops import INBOX_TAKEN
from lakehouse import Inbox, InboxContents, LakeLocation, LakeView, lock_down, open_reader
from lakehouse.connect import connect, interrupted_after
from lakehouse.damage import naming_damage, refuse_data_without_catalogue
from lakehouse.table import DATABASE, Table


@dataclass(frozen=True, kw_only=True)
class Door:
    """An open door. `con` is for SQL that DataFlow wrote; SQL that a person wrote goes through `query`.

    The lake, at the snapshot `as_of` if given, or the role's mart is the default database of `con`. `waiting` are the
    messages of the inbox that it has not taken. `recorder` has what was read until now; the log has it when the door
    closes.
    """

    who: Who
    role: Role
    purpose: Purpose
    as_of: datetime | int | None
    location: LakeLocation
    con: DuckDBPyConnection
    waiting: InboxContents
    recorder: Recorder

    @property
    def view(self) -> LakeView:
        """Return the view of the lake's snapshots, tables and changes. Raises: AccessRefused for a role with a mart."""
        if not self.role.opens_lake:
            raise AccessRefused(f"The role {self.role.name} sees no snapshots of the lake.")
        return LakeView(self.con, self.location)

    def prepared(self, name: str, build: Build, *, reads: Table) -> DuckDBPyConnection:
        """Return a cursor that sees what `build` makes of a table in the catalogue `memory`.

        It is built once for a kept connection of one version, else for this door; the log has the table as read.
        """
        con = cast(RecordedConnection, self.con).unrecorded
        self.recorder.own_statement(reads.sql_name)
        if isinstance(con, RememberingConnection):
            return con.prepared(name, build)
        build(con)
        return con

    def query(self, sql: str) -> Answer:
        """Return the answer to one statement of a person.

        Raises: UsageError unless it is a permitted SELECT; AccessLogUnwritable, AccessLogDamaged.
        """
        con = cast(RecordedConnection, self.con).unrecorded
        try:
            checked = check_statement(con, sql if self.role.sql else view_statement(con, sql, role=self.role.name))
        except UsageError:
            self.recorder.refused()
            raise
        reading = self.recorder.statement(con, checked.tree)
        with self.recorder.failing(reading):
            answer = answer_of(con, checked.text, is_plan=checked.is_plan)
        return replace(answer, taken=self.recorder.taking(reading))


@contextmanager
def open_for(
    who: Who,
    purpose: Purpose,
    *,
    door: str,
    settings: Settings,
    as_of: datetime | int | None = None,
    reads: Reads = (),
    pool: ConnectionPool | None = None,
) -> Iterator[Door]:
    """Open what a person's role sees: the published lake at its newest or an older snapshot, or the role's mart.

    `door` is its name in doors.py; `reads` are the tables that the caller's own statements read. With a `pool` the
    connection of the newest snapshot is kept for the next reader of the role.
    Raises: AccessRefused where the role may not; MartDiffers; LakeUnreachable when nothing was published yet,
    SnapshotNotFound, ConfigurationError; when something is read, AccessLogUnwritable and AccessLogDamaged.
    """
    role = find_role(who.role, settings)
    recorder = Recorder(settings, who, DOORS.find(door), purpose=purpose, as_of=as_of, masked=role.is_masked)
    if why := refusal(role, None if as_of is not None else reads):
        recorder.refused()
        raise AccessRefused(f"The role {role.name} cannot run this: {why}.")
    location = reading_location(settings)
    contents = InboxContents()
    if as_of is None and (role.opens_lake or INBOX_TAKEN.full_name in role.tables):
        contents = read_inbox(location)
    with _opened(role, location, settings=settings, as_of=as_of, pool=pool) as con:
        waiting = leave_out_taken(con, contents)
        with recorder.watching():
            yield Door(
                who=who,
                role=role,
                purpose=purpose,
                as_of=as_of,
                location=location,
                con=cast(DuckDBPyConnection, RecordedConnection(con, recorder)),
                waiting=waiting,
                recorder=recorder,
            )


@contextmanager
def _opened(
    role: Role, location: LakeLocation, *, settings: Settings, as_of: datetime | int | None, pool: ConnectionPool | None
) -> Iterator[DuckDBPyConnection]:
    """Open the locked connection of a role, or take the kept one."""
    opened = partial(_open_locked, role, location, settings=settings, as_of=as_of)
    with ExitStack() as stack:
        if pool is not None and as_of is None:
            con = stack.enter_context(pool.lease(role.name, _version(role, location, settings), opened))
        else:
            # DuckDB spills customer data: into a folder that only this user can open.
            spill = stack.enter_context(tempfile.TemporaryDirectory(prefix="dataflow-spill-"))
            con = stack.enter_context(closing(opened(Path(spill))))
        if role.opens_lake:
            stack.enter_context(naming_damage(con, location, is_reader=True))
        else:
            stack.enter_context(interrupted_after(con, seconds=settings.access.timeout_seconds))
        yield con


def _open_locked(
    role: Role, location: LakeLocation, spill: Path, *, settings: Settings, as_of: datetime | int | None
) -> DuckDBPyConnection:
    """Open what a role reads as the default database of a locked connection."""
    if not role.opens_lake:
        return open_mart(role, settings=settings, temp_directory=spill)
    con = open_reader(
        location,
        at=as_of,
        memory_limit=settings.lake.memory_limit,
        threads=settings.lake.threads or None,
        temp_directory=spill,
    )
    try:
        with naming_damage(con, location, is_reader=True):
            con.execute(f"USE {DATABASE}")
            lock_down(con, location)
    except BaseException:
        con.close()
        raise
    return con


def _version(role: Role, location: LakeLocation, settings: Settings) -> Hashable:
    """Return what changes whenever a kept connection of the role would read something else than a new one."""
    lake = file_identity(location.published_catalogue) if isinstance(location.catalogue, Path) else None
    return lake if role.opens_lake else (lake, role.fingerprint, mart_version(settings, role.name))


@contextmanager
def open_to_decide(
    who: Who, *, door: str, settings: Settings, reads: Reads = (), pool: ConnectionPool | None = None
) -> Iterator[tuple[Door, Inbox]]:
    """Open the door for a steward, and the inbox; messages written to it are newer than all that was read.

    Raises: UsageError before the first publication; LakeDamaged where only data files are left;
    ConfigurationError where the lake has no place for them.
    """
    place = lake_location(settings)
    inbox = inbox_at(place)
    if inbox is None:
        raise ConfigurationError(
            "Decisions need a place that all users and runs of the lake can reach; this lake has none: its catalogue "
            "is on a server, and its data are a whole bucket.",
            next_move="Set lake.inbox to a folder that all can reach, or to s3://bucket/prefix.",
        )
    # A catalogue without its readers' copy is damaged, which `open_for` reports.
    if isinstance(place.catalogue, Path) and not (place.published_catalogue.exists() or place.catalogue.exists()):
        with connect(extensions=place.extensions, threads=1) as con:
            refuse_data_without_catalogue(con, place)
        raise UsageError(
            "Nothing has been published to this lake yet, so there is nothing to decide.",
            next_move="Run `dataflow run` first.",
        )
    with open_for(who, Purpose.STEWARDSHIP, door=door, settings=settings, reads=reads, pool=pool) as opened:
        yield opened, inbox
