"""The probes of a MySQL for `dataflow doctor`: everything that a run needs, each with its next move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from dataflow.errors import DataFlowError
from dataflow.settings import MySQLSettings, SourceSettings
from dataflow.sources.drift import describe, find_drift
from dataflow.sources.mysql.adapter import MySQLSource
from dataflow.sources.mysql.connection import Session, open_session
from dataflow.sources.mysql.cutting import leading_columns
from dataflow.sources.mysql.questions import Table
from dataflow.sources.mysql.replica import is_zone, read_clock, read_lag, read_zone
from dataflow.sources.mysql.surveying import count_ahead
from dataflow.sources.mysql.unique_keys import has_duplicates, is_unique, move, unique_keys
from dataflow.sources.protocol import Finding
from lakehouse.plural import agreeing, counted

_SKEW_SECONDS = 60.0
_DOING = "Asking the server"
_READS = frozenset(
    {"USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "PROCESS", "REPLICATION CLIENT", "BINLOG MONITOR"}
    | {"SLAVE MONITOR", "REPLICA MONITOR", "EXECUTE"}
)
"""Privileges that cannot change data."""


def probe(name: str, settings: SourceSettings) -> Iterator[Finding]:
    """Connect to the server, then probe its clock and zone, the user's privileges, and each table."""
    source = MySQLSource(name, settings)
    server = source.server
    try:
        with open_session(name, server, doing="Connecting") as session:
            [(version,)] = session.ask("SELECT VERSION()", doing=_DOING)
            found = f"{version} at {server.host}:{server.port}, {session.tls_version}"
            yield Finding("reach", True, found)
            yield _clock(session)
            yield _zone(session, source)
            yield _lag(session, server)
            yield _privileges(session, server)
            for object_name in settings.objects:
                yield _table(session, source, object_name)
    except DataFlowError as error:
        yield Finding.of_error("reach", error)


def _clock(session: Session) -> Finding:
    skew = (read_clock(session, doing=_DOING) - datetime.now(UTC)).total_seconds()
    found = f"{abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine"
    fix = "" if abs(skew) <= _SKEW_SECONDS else "Synchronise both by NTP; windows follow the server's clock."
    return Finding("clock", not fix, found, fix)


def _zone(session: Session, source: MySQLSource) -> Finding:
    """Compare the zone in which NOW() writes DATETIME columns with the one they are read in."""
    server = source.server
    clock = read_clock(session, doing=_DOING)
    name, offset = read_zone(session, clock, doing=_DOING)
    declared = clock.astimezone(ZoneInfo(server.time_zone)).utcoffset()
    found = f"the server's clock is in {name}, columns without a zone are read in {server.time_zone}"
    if offset is None:
        found += "; the server does not say how far its zone is from UTC"
    is_declared = "time_zone" in server.model_fields_set
    if offset in (None, declared) or is_declared or not _has_local_times(session, source):
        return Finding("time zone", True, found)
    fix = (
        f'Set time_zone = "{name if is_zone(name) else "REGION/CITY"}" where NOW() fills these columns, or time_zone = '
        f'"{server.time_zone}" where their times are of that zone.'
    )
    return Finding("time zone", False, found, fix)


def _has_local_times(session: Session, source: MySQLSource) -> bool:
    """Return whether a table that can be read has a DATETIME column."""
    for object_name in source.objects:
        try:
            columns = source.table(session, object_name, doing=_DOING).columns
        except DataFlowError:
            continue  # its own probe reports it
        if any(column.base == "datetime" for column in columns):
            return True
    return False


def _lag(session: Session, server: MySQLSettings) -> Finding:
    try:
        lag = read_lag(session, doing=_DOING)
    except DataFlowError as error:
        return Finding.of_error("replica lag", error)
    if lag is None:
        fix = "Let its administrator grant REPLICATION CLIENT (MariaDB: REPLICA MONITOR) to the user."
        return Finding("replica lag", False, "unknown: the user lacks the privilege", fix)
    seconds = lag.total_seconds()
    fix = "" if seconds <= server.max_replica_lag_seconds else "Wait, name another replica, or raise the limit."
    return Finding("replica lag", not fix, f"{seconds:.0f} s ({server.max_replica_lag_seconds:g} s allowed)", fix)


def _privileges(session: Session, server: MySQLSettings) -> Finding:
    """Warn of a user that can write: an avoidable risk, although each transaction is read-only."""
    granted: set[str] = set()
    for (text,) in session.ask("SHOW GRANTS", doing=_DOING):
        before, _, after = str(text).removeprefix("GRANT ").partition(" ON ")
        if after:
            # The columns in brackets after a privilege are not privileges.
            granted |= {part.split("(")[0].strip() for part in _outside_brackets(before)}
    more = sorted(granted - _READS)
    if more:
        return Finding("privileges", False, f"{server.user} can do more than read: {', '.join(more[:5])}", _ONLY_READ)
    return Finding("privileges", True, f"{server.user} can only read")


_GRANT = "Have SELECT on the gone columns granted to the user, or correct the object's fields (dataflow drift accept)."
_AHEAD = "Correct the source's time_zone (its DATETIME columns are read in it) or these rows, or declare ahead_hours."
_ONLY_READ = "Let its administrator create a user with SELECT only for DataFlow."


def _outside_brackets(text: str) -> list[str]:
    depth, parts = 0, [""]
    for letter in text:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _table(session: Session, source: MySQLSource, object_name: str) -> Finding:
    name = f"table {object_name}"
    try:
        table = source.table(session, object_name, doing=_DOING)
        follows = "read whole" if not table.has_times else f"follows {_followed(table)}"
        session.ask(f"SELECT 1 FROM `{table.name.replace('`', '``')}` LIMIT 1", doing=f"Reading {table.name}")
        leading = leading_columns(session, table, doing=_DOING)
        ahead = count_ahead(session, table, doing=_DOING) if table.has_times else None
        keys = unique_keys(session, table, doing=_DOING)
        is_shared = not is_unique(table, keys) and has_duplicates(session, table, doing=_DOING)
    except DataFlowError as error:
        return Finding.of_error(name, error)
    types = {column.name: column.type for column in table.columns}
    drift = find_drift(table.declared, types, types=types)
    if drift.gone or drift.retyped:
        found = f"{table.name} differs from its declaration: {describe(replace(drift, new=()))}"
        return Finding(name, False, found, _GRANT)
    if is_shared:
        return Finding(name, False, f"rows of {table.name} share the key {table.declared.key}", move(keys))
    if ahead is not None and ahead.count:
        rows = f"{counted(ahead.count, 'row')} of {table.name} {agreeing(ahead.count, 'is', 'are')}"
        found = f"{rows} stamped later than the server's clock, and not read until then"
        return Finding(name, False, found, _AHEAD)
    if table.has_times and table.cursor.name not in leading:
        found = f"no index begins with {table.cursor.name}: each run reads the whole table"
        fix = f"Let its administrator run: CREATE INDEX {table.cursor.name} ON {table.name} ({table.cursor.name})"
        return Finding(name, False, found, fix)
    new = f"; not declared: {', '.join(drift.new)}" if drift.new else ""
    return Finding(name, True, f"{len(table.columns)} columns; {follows}{new}")


def _followed(table: Table) -> str:
    return "its key" if table.follows_key else table.cursor.name
