"""The sink `events`: every endpoint gets each publication once it is committed, in order, at least once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dataflow.access.lake import lake_location
from dataflow.errors import ConfigurationError, SinkError
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.events.channel import deliver
from dataflow.sinks.events.event import PublicationEvent, events_after
from dataflow.sinks.events.kinds import EVENT_KINDS
from dataflow.sinks.protocol import Shown, refuse_stranger
from dataflow.sources.protocol import Finding
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport, measured, resident_bytes
from lakehouse import LakeView, open_reader

_Failed = list[SinkError | ConfigurationError]


class Events:
    """The sink `events`: the endpoints of `[events.NAME]`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def follow(self, publication: Publication) -> StepReport:
        """Send each endpoint the publications that it has not had.

        One that fails, or whose note is damaged or of another lake, does not keep the others from theirs.
        Raises: SinkError naming those that failed.
        """
        failed: _Failed = []
        taken: dict[str, Shown | None] = {}
        with measured() as watch:
            for name in self._settings.events:
                with _collecting(failed):
                    taken[name] = self._taken(name)
            behind = {name: has for name, has in taken.items() if not (has and has.is_at(publication))}
            sent = self._send(behind, publication, failed) if behind else 0
        if failed:
            raise SinkError(" ".join(error.message for error in failed), next_move=failed[0].next_move)
        was_at = min((has.publication for has in taken.values() if has), default=None)
        return StepReport(
            stage="sink",
            subject="events",
            rows_in=sent,
            rows_out=sent,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts={"publication": publication.number, "was_at": was_at},
        )

    def forget(self, subject: Subject) -> int:
        """Return 0: an event names publications and tables, never a person."""
        del subject
        return 0

    def shows(self) -> Shown | None:
        """Return the publication that every endpoint has had."""
        taken = [self._taken(name) for name in self._settings.events]
        had = [has for has in taken if has is not None]
        return min(had, key=lambda has: has.publication) if len(had) == len(taken) else None

    def clear(self) -> None:
        """Forget what the endpoints have had: the next run sends them the newest publication."""
        for name in self._settings.events:
            self._place(name).unlink(missing_ok=True)

    def probe(self) -> Iterator[Finding]:
        """Name what each endpoint has had; nothing is sent."""
        for name in self._settings.events:
            has = self._taken(name)
            yield Finding(name, True, f"had publication {has.publication}" if has else "had nothing yet")

    def _send(self, behind: dict[str, Shown | None], publication: Publication, failed: _Failed) -> int:
        """Send what each endpoint lacks; return the number of events taken, and add the errors to `failed`."""
        waiting: dict[str, list[PublicationEvent]] = {}
        lake = self._settings.lake
        location = lake_location(self._settings)
        con = open_reader(location, at=publication.snapshot.id, memory_limit=lake.memory_limit, threads=1)
        with closing(con):
            view = LakeView(con, location)
            newest, lake_id = view.newest_number(), view.lake_id()
            for name, has in behind.items():
                with _collecting(failed):
                    refuse_stranger(has, lake_id=lake_id, newest=newest, sink="events", place=name)
                    waiting[name] = events_after(view, has.publication if has else None)
        sent = 0
        for name, events in waiting.items():
            endpoint = self._settings.events[name]
            with _collecting(failed), closing(EVENT_KINDS.find(endpoint.kind).open(endpoint, name)) as channel:
                for event in events:
                    deliver(channel, event, name=name)
                    self._note(name, event)
                    sent += 1
        return sent

    def _taken(self, name: str) -> Shown | None:
        """Return the last publication that an endpoint took. Raises: SinkError for a damaged note."""
        place = self._place(name)
        try:
            found = json.loads(place.read_text(encoding="utf-8"))
            return Shown(int(found["publication"]), str(found["lake_id"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise SinkError(
                f"What the endpoint {name} of [events] has had, {place}, cannot be read.",
                next_move="Delete the file: the next run sends the newest publication.",
            ) from None

    def _note(self, name: str, event: PublicationEvent) -> None:
        place = self._place(name)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            draft = place.with_suffix(".draft")
            with draft.open("w", encoding="utf-8") as out:
                json.dump({"publication": event.publication, "lake_id": event.lake_id}, out)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(place)
        except OSError as error:
            raise SinkError(
                f"What the endpoint {name} of [events] has had, {place}, cannot be written ({error.strerror}).",
                next_move="Free space or give write access; the next run sends the publication once more.",
            ) from None

    def _place(self, name: str) -> Path:
        return self._settings.home / "sinks" / f"event-{name}.json"


@contextmanager
def _collecting(failed: _Failed) -> Iterator[None]:
    """Keep the error of one endpoint, so that the others get theirs."""
    try:
        yield
    except (SinkError, ConfigurationError) as error:
        failed.append(error)
