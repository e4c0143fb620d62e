"""The inbox of the lake that the settings describe: read beside the lake, or written to by whoever decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from dataflow.access.lake import lake_location, open_published
from dataflow.errors import ConfigurationError, UsageError
from dataflow.settings import Settings
from dataflow.tables.ops import INBOX_TAKEN
from lakehouse import Inbox, InboxContents, LakeLocation, MessageFolder
from lakehouse.inbox import without_taken


def inbox_at(location: LakeLocation) -> Inbox | None:
    """The inbox of a lake; None where those who use it share no folder."""
    folder = location.inbox_folder
    return Inbox(MessageFolder(folder)) if folder is not None else None


@contextmanager
def open_with_inbox(
    settings: Settings, *, temp_directory: Path | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, InboxContents]]:
    """Open the last published state for reading, with the messages that it has not taken.

    Raises: as `open_published`.
    """
    inbox = inbox_at(lake_location(settings))
    with _laid_beside(settings, inbox, temp_directory=temp_directory) as found:
        yield found


@contextmanager
def open_to_decide(settings: Settings) -> Iterator[tuple[duckdb.DuckDBPyConnection, InboxContents, Inbox]]:
    """Open what `open_with_inbox` does, and the inbox: what is written to it comes after all that was read.

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
    if isinstance(place.catalogue, Path) and not place.published_catalogue.exists():
        raise UsageError(
            "Nothing was published to this lake yet, so there is nothing to decide.",
            next_move="Run `dataflow run` first.",
        )
    with _laid_beside(settings, inbox) as (con, contents):
        yield con, contents, inbox


@contextmanager
def _laid_beside(
    settings: Settings, inbox: Inbox | None, *, temp_directory: Path | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, InboxContents]]:
    # Before the lake: what a run takes in between is then left out by its id, and not missed by both.
    contents = inbox.read() if inbox is not None else InboxContents()
    con = open_published(settings, temp_directory=temp_directory)
    try:
        yield con, without_taken(con, contents, relation=INBOX_TAKEN.in_lake)
    finally:
        con.close()
