"""The protocol of a sink, and its declaration.

A sink keeps a copy of published data and the number of its publication. It is updated after the lake is closed, under
its own lease and in parallel with other sinks; it reads the lake like any reader, without the writer's lock. An error
in it is an error of that sink, not of the publication.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from dataflow.errors import SinkError
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sources.protocol import Finding
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport


@dataclass(frozen=True)
class Shown:
    """The publication number that a sink shows, and the id of its lake: "" where the sink does not know it."""

    publication: int
    lake_id: str

    def is_at(self, publication: Publication) -> bool:
        """Return whether nothing is left to do; without opening the lake."""
        return (self.publication, self.lake_id) == (publication.number, publication.lake_id)


class Sink(Protocol):
    """One copy of published data. One process at a time calls its methods, under its lease."""

    def follow(self, publication: Publication) -> StepReport:
        """Update to the publication; do nothing if the sink already shows it or a later one.

        Called after every run. Killed at any point, the sink shows its former state or the publication, never a mix,
        and the next call completes the update. A sink that shows another lake's id, or a number that the lake has never
        reached, is refused; `clear` lets it be written anew.
        Shape: rows in = rows out = rows written; facts `publication`, `was_at`.
        Raises: SinkError, SinkTimeout.
        """
        ...

    def forget(self, subject: Subject) -> int:
        """Remove every row of a person; return how many. Rows already removed are not an error.

        The lake has removed the person before, so that no later `follow` brings a row back.
        Raises: SinkError when rows of the person can be left.
        """
        ...

    def shows(self) -> Shown | None:
        """Return what the sink shows; None where it shows nothing yet. Raises: SinkError."""
        ...

    def clear(self) -> None:
        """Remove what the sink holds, so that the next `follow` writes it whole. Raises: SinkError."""
        ...

    def probe(self) -> Iterator[Finding]:
        """Check what the sink needs, for `dataflow doctor`; change nothing."""
        ...


Records = list[dict[str, Any]]


class Planned(Sink, Protocol):
    """A sink whose tables and rights can be compared with lake and settings, and brought to these: a warehouse."""

    def plan(self, *, is_deep: bool) -> dict[str, Records]:
        """Return `publication`, `tables`, `access`: how it differs; `is_deep` compares all rows. Raises: SinkError."""
        ...

    def apply(self, *, prune: bool, confirm: Callable[[Records], bool]) -> Records:
        """Create and correct what is declared; with `prune` remove what is not, once `confirm` has agreed to the list.

        Return each difference of access and whether it was `done`. Raises: SinkError.
        """
        ...


def refuse_stranger(shown: Shown | None, *, lake_id: str, newest: int, sink: str, place: str) -> None:
    """Raise SinkError for a sink of another lake, or one ahead of the lake's newest snapshot.

    The second is what a lake finds that was put back from an older backup.
    """
    if shown is None:
        return
    found = ""
    if shown.lake_id and shown.lake_id != lake_id:
        found = f"shows publication {shown.publication} of another lake, {shown.lake_id}; this one is {lake_id}"
    elif shown.publication > newest:
        found = f"shows publication {shown.publication}, which this lake has not reached: it ends at {newest}"
    if found:
        raise SinkError(
            f"The {sink} {place} {found}.",
            next_move=f"Correct the setting of its place, or let this lake replace it: `dataflow sinks adopt {sink}`.",
        )


@dataclass(frozen=True, kw_only=True)
class SinkKind:
    """The declaration of a sink. `open` imports what it needs when it is called: clients load slowly."""

    name: str
    meaning: str
    section: str
    """The table of dataflow.toml that configures it."""
    is_on: Callable[[Settings], bool]
    open: Callable[[Settings], Sink]
