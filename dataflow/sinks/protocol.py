"""What every sink can do, and how one is declared.

A sink keeps a copy of what was published and carries the number of the publication that it shows. It follows after the
lake is closed, under a lease of its own and beside the other sinks: it reads the lake as any reader does, and holds no
writer's lock. What goes wrong in it is an error of that sink and never of the publication.
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
    """One place that published data goes to. Its methods are called by one process at a time, under its lease."""

    def follow(self, publication: Publication) -> StepReport:
        """Show the publication; do nothing where the sink shows it already, or a later one.

        Called again after every run, whatever became of the calls before: killed at any point, the sink shows what it
        showed or the publication, never a mix, and the next call brings it there. A sink whose number the lake has
        never reached belongs to another lake and is not built upon.
        Shape: rows in = rows out = rows written; facts `publication`, `was_at`.
        Raises: SinkError, SinkTimeout.
        """
        ...

    def forget(self, subject: Subject) -> int:
        """Remove every row about a person; returns how many. What is gone already is no error.

        The lake has forgotten the person before, so that no later `follow` brings a row back.
        Raises: SinkError when anything about the person may be left.
        """
        ...

    def probe(self) -> Iterator[Finding]:
        """Look at what the sink needs, for `dataflow doctor`; changes nothing."""
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
