"""The role marts: for each role that somebody has, one DuckDB file with what the role sees of one publication.

Of a role without users there is no mart and no cost. A mart follows by increments, written as a draft and renamed over
the file, like the warehouse. One whose role, lake or key is another than before is written whole, for any reader who
cannot use it would have it written too; one of a role without users is removed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dataflow.access.lake import lake_location
from dataflow.access.marts import (
    SUPPRESSION,
    MartFacts,
    kept_roles,
    mart_path,
    marts_folder,
    pull_mart,
    push_mart,
    read_mart,
    remove_marts,
)
from dataflow.access.mask_keys import key_check, mask_key
from dataflow.access.roles import Role, find_role
from dataflow.errors import DataFlowError, SinkError, SinkTimeout
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.draft import drafted
from dataflow.sinks.feeds import choose_feeds, open_lake_reader
from dataflow.sinks.mart_draft import Changes, collect_changes, write_mart
from dataflow.sinks.protocol import Shown
from dataflow.sources.protocol import Finding
from dataflow.tables.subject import Subject
from dataflow.workspace.report import StepReport, measured, resident_bytes
from lakehouse import LakeView, lease
from lakehouse.connect import connect, interrupted_after, spread_small_tables

SINK_NAME = "marts"
_OLD_SECONDS = 60.0
"""A reader removes the second name of a mart as soon as it is open: an older one is of a killed reader."""


@dataclass(frozen=True)
class _State:
    """A state of the lake: the publication's number and the snapshot."""

    publication: int
    snapshot: int


class Marts:
    """The sink `marts`: the files or objects of `access.folder`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def follow(self, publication: Publication) -> StepReport:
        """Bring each kept mart to the publication, and remove those of roles without users.

        Raises: SinkError naming each mart that was not written; the others are. SinkTimeout.
        """
        with measured() as watch:
            kept = kept_roles(self._settings)
            remove_marts(self._settings, besides=kept)
            _remove_left_names(marts_folder(self._settings))
            before = self.shows()
            at = _State(publication.number, publication.snapshot.id)
            written = write_marts(self._settings, kept, at)
            rows = sum(written.values())
            return StepReport(
                stage="sink",
                subject=SINK_NAME,
                rows_in=rows,
                rows_out=rows,
                seconds=watch.seconds,
                peak_rss_bytes=resident_bytes(),
                facts={
                    "publication": publication.number,
                    "was_at": before.publication if before else None,
                    "rows_by_role": written,
                },
            )

    def forget(self, subject: Subject) -> int:  # noqa: ARG002 (no mart knows the ids that its masks replace)
        """Remove every mart; return how many. The next run, or the next reader who can, writes them without the person.

        A row deleted in place would stay readable in the file's blocks.
        """
        return remove_marts(self._settings)

    def shows(self) -> Shown | None:
        """Return the oldest publication that a kept mart shows; None where there is no mart."""
        found = [read_file(pull_mart(self._settings, role)) for role in kept_roles(self._settings)]
        oldest = min((facts for facts in found if facts), key=lambda facts: facts.publication, default=None)
        return Shown(oldest.publication, oldest.lake_id) if oldest else None

    def clear(self) -> None:
        """Remove every mart."""
        remove_marts(self._settings)

    def probe(self) -> Iterator[Finding]:
        """Check that the mart of each kept role is a mart, and name its publication."""
        for name in kept_roles(self._settings):
            path = pull_mart(self._settings, name)
            facts = read_file(path)
            if not path.exists():
                yield Finding(name, True, f"not created yet: the next run creates it at {path}")
            elif facts is None:
                yield Finding(name, False, f"{path} cannot be read as a mart", "Delete it: the next run writes it.")
            else:
                yield Finding(name, True, f"shows publication {facts.publication} at {path}")


def rewrite_mart(settings: Settings, *roles: str) -> None:
    """Bring the marts of roles to the newest publication, for a reader who cannot use one as it is.

    Raises: SinkError, SinkTimeout, LakeError, ConfigurationError.
    """
    wait = settings.sinks.timeout_seconds
    purpose = f"the mart of {', '.join(roles)}"
    with lease(lake_location(settings), f"sink-{SINK_NAME}", purpose=purpose, wait_seconds=wait):
        with closing(open_lake_reader(settings)) as con:
            view = LakeView(con, lake_location(settings))
            snapshot = view.snapshot().id
            at = _State(view.last_change_in("published") or snapshot, snapshot)
        write_marts(settings, roles, at)


def write_marts(settings: Settings, names: Sequence[str], at: _State) -> dict[str, int]:
    """Write the marts that do not show this state of the lake or a later one; return the rows written by role."""
    roles = [find_role(name, settings) for name in names]
    if not roles:
        return {}
    with closing(open_lake_reader(settings, at=at.snapshot)) as con:
        spread_small_tables(con)
        try:
            with interrupted_after(con, seconds=settings.sinks.timeout_seconds):
                return _write(con, roles, settings, at)
        except duckdb.InterruptException as error:
            raise SinkTimeout(
                f"The role marts were not at publication {at.publication} after {settings.sinks.timeout_seconds:g} s "
                "(sinks.timeout_seconds).",
                next_move="Those not written are as they were. Raise the setting, and run again.",
            ) from error


def read_file(path: Path) -> MartFacts | None:
    """Return the facts of a mart's file; None where it is not there, or not a mart."""
    if not path.exists():
        return None
    try:
        with closing(connect(path, read_only=True, threads=1)) as con:
            return read_mart(con, f'"{path.stem}"')
    except duckdb.Error:
        return None


def _write(con: duckdb.DuckDBPyConnection, roles: Sequence[Role], settings: Settings, at: _State) -> dict[str, int]:
    view = LakeView(con, lake_location(settings))
    lake_id, newest = view.lake_id(), view.newest_number()
    keys = {role.name: mask_key(settings, role=role.name, lake_id=lake_id) for role in roles}
    wanted = {role.name: _wanted(role, lake_id, keys[role.name], at) for role in roles}
    written: dict[str, int] = {}
    failed: list[str] = []
    for after, some in _by_snapshot(roles, wanted, settings, newest=newest).items():
        tables = list({seen.table: None for role in some for seen in role.tables.values()})
        feeds = choose_feeds(con, tables, settings, after=after, upto=at.snapshot)
        changes = collect_changes(con, feeds)
        for role in some:
            if not _concerns(role, changes):
                continue
            try:
                written[role.name] = _replace(
                    con, role, changes, settings, facts=wanted[role.name], key=keys[role.name], copy=after is not None
                )
                push_mart(settings, role.name)
            except SinkError as error:
                failed.append(str(error))
    if failed:
        raise SinkError(f"{len(failed)} of {len(roles)} role marts were not written: {' '.join(failed)}")
    return written


def _wanted(role: Role, lake_id: str, key: bytes, at: _State) -> MartFacts:
    return MartFacts(
        lake_id=lake_id,
        publication=at.publication,
        snapshot=at.snapshot,
        suppression=SUPPRESSION,
        fingerprint=role.fingerprint,
        key_check=key_check(key),
    )


def _by_snapshot(
    roles: Sequence[Role], wanted: Mapping[str, MartFacts], settings: Settings, *, newest: int
) -> dict[int | None, list[Role]]:
    """Group the roles by the snapshot that their marts show; None: to be written whole."""
    groups: dict[int | None, list[Role]] = {}
    for role in roles:
        has, wants = read_file(pull_mart(settings, role.name)), wanted[role.name]
        # A snapshot that the lake has not reached is of a lake that was put back from an older backup.
        is_same = has is not None and _identity(has) == _identity(wants) and has.snapshot <= newest
        if not is_same:
            groups.setdefault(None, []).append(role)
        elif has is not None and has.snapshot < wants.snapshot:
            groups.setdefault(has.snapshot, []).append(role)
    return groups


def _concerns(role: Role, changes: Changes) -> bool:
    """Return whether any table of the role has changed."""
    found = [changes[seen.table] for seen in role.tables.values()]
    return any(touched is None or touched.count for touched in found)


def _identity(facts: MartFacts) -> tuple[str, int, str, str]:
    return facts.lake_id, facts.suppression, facts.fingerprint, facts.key_check


def _replace(
    con: duckdb.DuckDBPyConnection,
    role: Role,
    changes: Changes,
    settings: Settings,
    *,
    facts: MartFacts,
    key: bytes,
    copy: bool,
) -> int:
    """Replace the file of one mart. Raises: SinkError, with the file unchanged; duckdb.InterruptException."""
    path = mart_path(settings, role.name)
    doing = f"Writing the mart {path} of publication {facts.publication}"
    # A copy of rows that are all replaced would only leave empty blocks.
    keeps_rows = copy and role.sql and any(changes[seen.table] is not None for seen in role.tables.values())
    try:
        with drafted(path, doing=doing, what="mart", copy=keeps_rows) as draft:
            return write_mart(con, role, changes, draft=draft, facts=facts, key=key)
    except (duckdb.InterruptException, DataFlowError):
        raise
    except duckdb.Error as error:
        # Its message can quote a row, so the new error neither repeats it nor has it as its cause.
        why = f"unexpected {type(error).__name__}"
        if isinstance(error, duckdb.BinderException):
            why = "the lake is of another version and lacks columns, which the next `dataflow run` adds"
        raise SinkError(f"{doing}: {why}.") from None
    finally:
        _abandon(con)


def _abandon(con: duckdb.DuckDBPyConnection) -> None:
    """Leave the connection as it was after a mart that failed in the middle."""
    for statement in ("ROLLBACK", "USE memory", "DROP SCHEMA IF EXISTS memory.published CASCADE", "DETACH warehouse"):
        try:
            con.execute(statement)
        except duckdb.Error:
            continue


def _remove_left_names(folder: Path) -> None:
    for left in folder.glob(".reading-*"):
        if time.time() - left.stat().st_mtime > _OLD_SECONDS:
            for name in left.iterdir():
                name.unlink(missing_ok=True)
            left.rmdir()
