"""Sinks that fail as a test sets them, registered beside the real ones."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from checks.registry import Registry
from dataflow.access.lake import open_lake
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks import SINKS, SinkKind
from dataflow.sources.protocol import Finding
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport


@dataclass
class FakeSink:
    """Shows a number. `errors`: what its next calls raise, in turn; `does`: what it does before it follows.

    `facts` are in its reports.
    """

    name: str
    shows: int | None = None
    errors: list[Exception] = field(default_factory=list)
    does: Callable[[Settings], None] = lambda _: None
    facts: dict[str, object] = field(default_factory=dict)
    calls: int = 0
    forgotten: list[Subject] = field(default_factory=list)

    def kind(self) -> SinkKind:
        """Its declaration; opening hands out this very sink."""
        return SinkKind(
            name=self.name, meaning="A fake", section="none", is_on=lambda _: True, open=lambda s: Opened(self, s)
        )


@dataclass
class Opened:
    """A fake sink as the settings open it."""

    fake: FakeSink
    settings: Settings

    def follow(self, publication: Publication) -> StepReport:
        self.fake.calls += 1
        if self.fake.errors:
            raise self.fake.errors.pop(0)
        self.fake.does(self.settings)
        was, self.fake.shows = self.fake.shows, publication.number
        facts = {"publication": publication.number, "was_at": was, **self.fake.facts}
        return StepReport(stage="sink", subject=self.fake.name, rows_in=0, rows_out=0, facts=facts)

    def forget(self, subject: Subject) -> int:
        self.fake.forgotten.append(subject)
        return 0

    def probe(self) -> Iterator[Finding]:
        yield Finding("reach", not self.fake.errors, "a fake", "Mend it." if self.fake.errors else "")


def with_sinks(patch: pytest.MonkeyPatch, *fakes: FakeSink) -> None:
    """Register fakes beside the sinks there are; raises as a product's declaration would."""
    every = Registry("sink", [*SINKS.values(), *(fake.kind() for fake in fakes)], name=lambda kind: kind.name)
    for place in ("dataflow.sinks.registry", "flows.steps"):
        patch.setattr(f"{place}.SINKS", every)


def hang(ended: threading.Event) -> Callable[[Settings], None]:
    """Wait until a test lets go."""

    def wait(_: Settings) -> None:
        ended.wait(60)

    return wait


def write_to_the_lake(settings: Settings) -> None:
    """Fails where a writer's lock is held."""
    open_lake(settings, purpose="a sink's test").close()
