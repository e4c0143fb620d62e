"""A server's clock, and its lag behind its primary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dataflow.errors import SourceIncomplete
from dataflow.settings import MySQLSettings
from dataflow.sources.mysql.connection import Session

_SYNTAX, _NO_PRIVILEGE = 1064, 1227
# The first is the statement of MySQL from 8.0.22 and MariaDB from 10.5 on, the second that of earlier versions.
_STATUS = ("SHOW REPLICA STATUS", "SHOW SLAVE STATUS")
_BEHIND = ("Seconds_Behind_Source", "Seconds_Behind_Master")


def read_clock(session: Session, *, doing: str) -> datetime:
    """Return the server's own time, which stamps its rows."""
    [(clock,)] = session.ask("SELECT CAST(UTC_TIMESTAMP(6) AS CHAR)", doing=doing)
    return datetime.fromisoformat(str(clock)).replace(tzinfo=UTC)


def read_zone(session: Session, clock: datetime, *, doing: str) -> tuple[str, timedelta | None]:
    """Return the zone of the server's clock and its distance from UTC; None where the server does not know it.

    A name such as CET is the machine's own abbreviation.
    """
    [(name, system, seconds)] = session.ask(
        "SELECT @@global.time_zone, @@system_time_zone, TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(),"
        " CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', @@global.time_zone))",
        doing=doing,
    )
    zone = str(system if name == "SYSTEM" else name)
    if seconds is not None:
        return zone, timedelta(minutes=round(int(seconds) / 60))
    # A server without tables of time zones converts none by name.
    return zone, clock.astimezone(ZoneInfo(zone)).utcoffset() if is_zone(zone) else None


def is_zone(name: str) -> bool:
    """Return whether a name can be declared as time_zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return False
    return True


def read_lag(session: Session, *, doing: str) -> timedelta | None:
    """Return the server's lag behind its primary; zero for a primary, None where the user lacks the privilege.

    Raises: SourceIncomplete when replication stands still.
    """
    for statement in _STATUS:
        found = session.attempt(statement, refusals=(_SYNTAX, _NO_PRIVILEGE), doing=doing)
        if found == _NO_PRIVILEGE:
            return None
        if not isinstance(found, int):
            return max((_behind(channel, doing) for channel in found), default=timedelta())
    return None


def _behind(channel: dict[str, Any], doing: str) -> timedelta:
    seconds = next((channel[name] for name in _BEHIND if name in channel), None)
    if seconds is None:
        raise SourceIncomplete(
            f"{doing}: the replica does not follow its primary; replication stands still.",
            next_move="Have its administrator start replication, or name another replica; then run again.",
        )
    return timedelta(seconds=int(seconds))


def readable_until(session: Session, settings: MySQLSettings, *, doing: str) -> datetime:
    """Return the time up to which the server has all changes: its clock less its lag.

    Raises: SourceIncomplete when the lag is larger than allowed.
    """
    clock = read_clock(session, doing=doing)
    lag = read_lag(session, doing=doing) or timedelta()
    if lag.total_seconds() > settings.max_replica_lag_seconds:
        raise SourceIncomplete(
            f"{doing}: the replica is {lag.total_seconds():.0f} s behind its primary, and"
            f" {settings.max_replica_lag_seconds:g} s are allowed.",
            next_move="Run again when it has caught up, or raise max_replica_lag_seconds.",
        )
    return clock - lag
