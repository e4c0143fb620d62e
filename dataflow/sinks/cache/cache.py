"""The sink `cache`: customers in Redis, readable while a publication is written.

Each publication writes fields of its own number beside those of the former ones, and moves the pointer when all are
there: a reader sees one publication or the next. A kill at any point leaves the pointer where it was, and fields above
it that nobody reads; the next call writes them again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import duckdb

from dataflow.access.keys import derive_key
from dataflow.access.lake import lake_location
from dataflow.errors import SinkError, SinkTimeout
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.cache import changes, keys
from dataflow.sinks.cache.client import address, connect_cache, naming_cache_errors
from dataflow.sinks.cache.forgetting import forget_person
from dataflow.sinks.cache.layout import POINTER, PUBLICATIONS, Pointer, read_pointer
from dataflow.sinks.protocol import Shown, refuse_stranger
from dataflow.sources.protocol import Finding
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport, measured, resident_bytes
from lakehouse import LakeView, open_reader
from lakehouse.connect import interrupted_after

KEY_USE = "cache"
_MUST_BE = "noeviction"


class Cache:
    """The sink `cache`: the Redis at `cache.url`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._deadline = time.monotonic() + settings.sinks.timeout_seconds

    def follow(self, publication: Publication) -> StepReport:
        """Write the customers that changed, then move the pointer; drop fields that readers need no more.

        Raises: SinkError when Redis is not reached, full, evicting or of another lake; SinkTimeout.
        """
        doing = f"Writing publication {publication.number} to the cache"
        with measured() as watch, naming_cache_errors(self._settings, doing=doing), self._client() as client:
            has = read_pointer(client)
            shown = Shown(has.publication, has.lake_id) if has else None
            written = 0 if shown and shown.is_at(publication) else self._bring_to(client, publication, shown)
            keys.drop_superseded(client, keep_seconds=self._settings.cache.keep_seconds, each=self._check_time)
        was_at = has.publication if has else None
        return StepReport(
            stage="sink",
            subject="cache",
            rows_in=written,
            rows_out=written,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts={"publication": publication.number, "was_at": was_at},
        )

    def forget(self, subject: Subject) -> int:
        """Remove the person's customers and look-ups; of a look-up shared with others, the person alone.

        Raises: SinkError.
        """
        with naming_cache_errors(self._settings, doing="Removing a person from the cache"), self._client() as client:
            shows = read_pointer(client)
            if shows is None:
                return 0
            key = derive_key(self._settings, lake_id=shows.lake_id, use=KEY_USE)
            return forget_person(client, subject, key=key)

    def shows(self) -> Shown | None:
        """Return the publication to which the pointer points. Raises: SinkError."""
        with naming_cache_errors(self._settings, doing="Reading the cache"), self._client() as client:
            found = read_pointer(client)
            return Shown(found.publication, found.lake_id) if found else None

    def clear(self) -> None:
        """Remove all that DataFlow wrote, the pointer first: from then on readers ask the lake. Raises: SinkError."""
        with naming_cache_errors(self._settings, doing="Clearing the cache"), self._client() as client:
            keys.remove_all(client)

    def probe(self) -> Iterator[Finding]:
        """Check that Redis answers over TLS, keeps what it has, and name the publication that it shows."""
        try:
            with naming_cache_errors(self._settings, doing="Reading the cache"), self._client() as client:
                shows = read_pointer(client)
                policy = _eviction(client)
        except SinkError as error:
            yield Finding("reach", False, error.message, error.next_move)
            return
        found = f"publication {shows.publication}" if shows else "nothing yet"
        yield Finding("reach", True, f"shows {found} at {address(self._settings)}")
        if policy is None:
            yield Finding("eviction", True, "not known: the user lacks the command INFO")
        else:
            yield Finding("eviction", policy == _MUST_BE, f"maxmemory-policy is {policy}", _advice(policy))

    def _bring_to(self, client: Any, publication: Publication, has: Shown | None) -> int:
        """Bring the cache to the publication; return the number of entries written."""
        con = self._open_reader(publication)
        with closing(con), interrupted_after(con, seconds=self._settings.sinks.timeout_seconds):
            try:
                return self._write(client, con, publication, has)
            except duckdb.InterruptException:
                raise self._too_late() from None

    def _write(self, client: Any, con: duckdb.DuckDBPyConnection, publication: Publication, has: Shown | None) -> int:
        view = LakeView(con, lake_location(self._settings))
        lake_id = view.lake_id()
        refuse_stranger(has, lake_id=lake_id, newest=view.newest_number(), sink="cache", place=address(self._settings))
        if has and has.publication >= publication.number:
            return 0
        policy = _eviction(client)
        if policy not in (None, _MUST_BE):
            raise SinkError(f"Redis at {address(self._settings)} evicts keys ({policy}).", next_move=_advice(policy))
        is_increment = has is not None and changes.touch_changed(
            con, metadata=view.metadata, after=has.publication, upto=publication.snapshot.id
        )
        if not is_increment:
            changes.touch_all(con)
        was_empty = has is None and not keys.any_left(client)
        count = changes.count_touched(con)
        entries = changes.entries(con, key=derive_key(self._settings, lake_id=lake_id, use=KEY_USE))
        written = keys.write(client, entries, publication.number, notes=is_increment, each=self._check_time)
        if written != count:
            raise SinkError(f"The cache got {written} entries of {count}.", next_move="Run again.")
        if not is_increment and not was_empty:
            keys.sweep(client, publication.number, each=self._check_time)
        moved_at = time.time()
        # In this order: fields of a number without a time would never be dropped.
        client.zadd(PUBLICATIONS, {str(publication.number): moved_at})
        pointer = Pointer(lake_id=lake_id, publication=publication.number, run_id=publication.run_id, moved_at=moved_at)
        client.set(POINTER, pointer.encoded())
        return written

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise self._too_late()

    def _too_late(self) -> SinkTimeout:
        return SinkTimeout(
            "The cache was not at the publication after "
            f"{self._settings.sinks.timeout_seconds:g} s (sinks.timeout_seconds).",
            next_move="Its readers see the former one. Raise the setting; the next run goes on.",
        )

    def _client(self) -> Any:
        return closing(connect_cache(self._settings))

    def _open_reader(self, publication: Publication) -> duckdb.DuckDBPyConnection:
        lake = self._settings.lake
        return open_reader(
            lake_location(self._settings),
            at=publication.snapshot.id,
            memory_limit=lake.memory_limit,
            threads=lake.threads or None,
        )


def _eviction(client: Any) -> str | None:
    """Return the server's maxmemory-policy; None where its user may not ask."""
    from redis.exceptions import NoPermissionError

    primaries = getattr(client, "PRIMARIES", None)
    try:
        # A cluster answers for each of its nodes that is asked, and asks only one by itself.
        found = client.info("memory", target_nodes=primaries) if primaries else client.info("memory")
    except NoPermissionError:
        return None
    several = [found] if "maxmemory_policy" in found else list(found.values())
    policies = {str(one.get("maxmemory_policy", _MUST_BE)) for one in several}
    return _MUST_BE if policies == {_MUST_BE} else ", ".join(sorted(policies - {_MUST_BE}))


def _advice(policy: str | None) -> str:
    if policy in (None, _MUST_BE):
        return ""
    return "Set its maxmemory-policy to noeviction: a customer that is evicted would be asked of the lake each time."
