"""The options before any command, and those that several commands share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.access.door import Door
    from dataflow.access.identify import Reads
    from dataflow.settings import Settings
    from lakehouse import Inbox


class Output(StrEnum):
    """The form of an answer."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


@dataclass(frozen=True)
class Globals:
    """The options before the command."""

    config: Path | None = None
    home: Path | None = None
    debug: bool = False

    def settings(self) -> Settings:
        """Read the settings, and from here on share written files with the lake's group."""
        from dataflow.access.modes import share_files
        from dataflow.settings import load_settings

        settings = load_settings(self.config, home=self.home)
        share_files(settings)
        return settings


def globals_of(context: typer.Context) -> Globals:
    """Return the options that were given before the command."""
    found = context.find_root().obj
    assert isinstance(found, Globals)
    return found


def settings_of(context: typer.Context) -> Settings:
    """Read the settings for a command."""
    return globals_of(context).settings()


def require_role(context: typer.Context, *, of: Sequence[str], command: str) -> None:
    """Refuse who has none of these roles; a refusal is in the access log. Raises: as `identify`."""
    from dataflow.access.identify import identify, record_refusal
    from dataflow.errors import AccessRefused

    settings = settings_of(context)
    who = identify(settings, door=command, reads=None)
    if who.role not in of:
        record_refusal(settings, who, door=command)
        raise AccessRefused(f"Only {' or '.join(of)} can do this; {who.name} has the role {who.role}.")


@contextmanager
def open_door(
    context: typer.Context,
    door: str,
    *,
    reads: Reads = (),
    role: str | None = None,
    as_of: datetime | int | None = None,
) -> Iterator[Door]:
    """Open the door of this name for the user of the command, in the role asked for or the first that may read `reads`.

    Raises: as `identify` and `open_for`.
    """
    from dataflow.access.door import open_for
    from dataflow.access.doors import DOORS
    from dataflow.access.identify import identify
    from dataflow.govern.renew_mart import renewing_mart

    purpose = DOORS.find(door).purpose
    settings = settings_of(context)
    who = identify(settings, door=door, role=role, reads=None if as_of is not None else reads)

    def opened() -> AbstractContextManager[Door]:
        return open_for(who, purpose, door=door, settings=settings, as_of=as_of, reads=reads)

    with renewing_mart(opened, who, settings) as found:
        yield found


@contextmanager
def open_door_to_decide(context: typer.Context, door: str, *, reads: Reads) -> Iterator[tuple[Door, Inbox]]:
    """Open the door and the inbox for a steward. Raises: as `identify` and `open_to_decide`."""
    from dataflow.access.door import open_to_decide
    from dataflow.access.identify import identify
    from dataflow.govern.renew_mart import renewing_mart

    settings = settings_of(context)
    who = identify(settings, door=door, reads=reads)
    with renewing_mart(lambda: open_to_decide(who, door=door, settings=settings, reads=reads), who, settings) as found:
        yield found


def parse_timestamp(text: str, *, option: str) -> datetime:
    """Read a day or a time; without a zone it is UTC. Raises: UsageError."""
    try:
        timestamp = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} is not a day or a time: it must look like 2026-01-31 or 2026-01-31T18:00:00Z.",
            next_move="Correct it and run the command again.",
        ) from None
    return timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)


def parse_day(text: str, *, option: str) -> date:
    """Read a day. Raises: UsageError."""
    timestamp = parse_timestamp(text, option=option)
    if timestamp.timetz().replace(tzinfo=None) != time():
        raise UsageError(f"{option} is a day, such as 2026-01-31, without a time.")
    return timestamp.date()


def parse_days(text: str, *, option: str) -> int:
    """Read a number of days, `7d` or `7`. Raises: UsageError."""
    number = text.strip().removesuffix("d")
    if not number.isdecimal() or int(number) < 1:
        raise UsageError(f"{option} is a number of whole days, such as 1d or 7d.")
    return int(number)


def parse_seconds(text: str, *, option: str) -> float:
    """Read a duration: `30s`, `5m`, `2h`, or seconds. Raises: UsageError."""
    found = re.fullmatch(r"(\d{1,6})(s|m|h|)", text.strip())
    if found is None or int(found[1]) < 1:
        raise UsageError(f"{option} is a duration such as 30s, 5m or 2h.")
    return float(int(found[1]) * {"s": 1, "": 1, "m": 60, "h": 3600}[found[2]])


def parse_version(text: str, *, option: str) -> int | datetime:
    """Read a snapshot number or a time. Raises: UsageError."""
    return int(text) if text.isdecimal() else parse_timestamp(text, option=option)


def require_yes(question: str, *, yes: bool, otherwise: str) -> None:
    """Ask on stderr unless --yes was given; `otherwise` says what another answer means. Raises: UsageError for it."""
    from dataflow.observe.visible import visible

    try:
        is_meant = yes or typer.confirm(visible(question), err=True)
    except typer.Abort:  # stdin has no answer
        is_meant = False
    if not is_meant:
        raise UsageError(otherwise, next_move="Answer y, or give --yes.")


def timestamp_or_none(text: str | None, *, option: str) -> datetime | None:
    return None if text is None else parse_timestamp(text, option=option)


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="table, json or csv (UTF-8).")]
SourceOption = Annotated[str | None, typer.Option("--source", help="Only this source, as named in dataflow.toml.")]
ObjectOption = Annotated[str | None, typer.Option("--object", help="Only this object of the source.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="Only windows that start at this time or later (UTC).")
]
UntilOption = Annotated[str | None, typer.Option("--until", help="Only windows that start before this time (UTC).")]
NowOption = Annotated[str | None, typer.Option("--now", hidden=True, help="The run's clock, for reproducible runs.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
