"""The protocol of a sink, and its declaration.

A sink keeps a copy of published data and the number of its publication. It is updated after the lake is closed, under
its own lease and in parallel with other sinks; it reads the lake like any reader, without the writer's lock. An error
in it is an error of that sink, not of the publication.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sources.protocol import Finding
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport


class Sink(Protocol):
    """One copy of published data. One process at a time calls its methods, under its lease."""

    def follow(self, publication: Publication) -> StepReport:
        """Update to the publication; do nothing if the sink already shows it or a later one.

        Called after every run. Killed at any point, the sink shows its former state or the publication, never a mix,
        and the next call completes the update. A sink whose number the lake has never reached belongs to another lake
        and is written whole.
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

    def probe(self) -> Iterator[Finding]:
        """Check what the sink needs, for `dataflow doctor`; change nothing."""
        ...


@dataclass(frozen=True, kw_only=True)
class SinkKind:
    """The declaration of a sink. `open` imports what it needs when it is called: clients load slowly."""

    name: str
    meaning: str
    section: str
    """The table of dataflow.toml that configures it."""
    is_on: Callable[[Settings], bool]
    open: Callable[[Settings], Sink]
