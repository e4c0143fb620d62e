"""Probe everything that a run needs; each failed probe gives what was found and the fix."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from dataflow.access.inbox import inbox_at
from dataflow.access.lake import lake_location, open_lake
from dataflow.access.modes import correct, find_misplaced
from dataflow.access.pipeline import open_published
from dataflow.errors import DataFlowError
from dataflow.observe.discover.write import TODO
from dataflow.observe.lake_looks import connection_of, look_at_data, look_at_files, look_at_readers
from dataflow.observe.pending import pending_changes
from dataflow.observe.plan import published_view
from dataflow.run.former_lake import former_lake
from dataflow.settings import Settings
from dataflow.settings.amounts import memory_bytes
from dataflow.settings.environment import prefect_api_url
from dataflow.settings.machine import free_memory
from dataflow.sinks import SinkKind, active_sinks
from dataflow.sources import Finding, probe_source
from lakehouse import LakeDamaged, LakeError, LakeLocked, LakeView
from lakehouse.attach import foreign_file
from lakehouse.connect import connect, extension_path
from lakehouse.damage import damaged_copy, refuse_data_without_catalogue, refuse_lost_catalogue
from lakehouse.inventory import read_catalogue, read_through
from lakehouse.plural import agreeing, counted

_NEEDED_BYTES = 2 * 2**30
_SHOWN_PATHS = 3
# Packages of which only the tested versions work together; others fail silently (see pyproject.toml).
_PINNED = ("prefect", "duckdb", "ibis-framework", "splink", "soda-core")
_API_TIMEOUT_SECONDS = 5.0


class _Failed(Exception):
    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.fix = fix


def probe_all(settings: Settings) -> Iterator[Finding]:
    """Run the probes in order."""
    probes: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        ("packages", _packages),
        ("lake extension", lambda: str(extension_path("ducklake").name)),
        ("disk space", lambda: _disk_space(settings.home)),
        ("memory", lambda: _memory(settings)),
        ("file modes", lambda: _file_modes(settings)),
        # Before the lake is opened: opening updates a copy that is behind.
        ("published lake", lambda: _published(settings)),
        ("lake", lambda: _lake(settings)),
        ("lake files", lambda: look_at_files(settings)),
        ("lake data", lambda: look_at_data(settings)),
        ("lake readers", lambda: look_at_readers(settings)),
        ("inbox", lambda: _inbox(settings)),
        ("geoip", lambda: _geoip(settings)),
        ("firmographics", lambda: _firmographics(settings)),
        ("prefect", _prefect),
    ]
    if settings.rules:
        probes.append(("rules", lambda: _rules(settings)))
    s3 = settings.lake.s3
    if settings.lake.data.startswith("s3://") and s3 is not None and not s3.endpoint:
        probes.append(("lake bucket", lambda: _policy(settings)))
    for name, look in probes:
        yield _probe(name, look)
    yield from _ask("lake", partial(_pending, settings))
    yield from _todo(settings)
    for name, declared in settings.sources.items():
        yield from _ask(f"source {name}", partial(probe_source, name, declared))
    for kind in active_sinks(settings):
        yield from _ask(f"sink {kind.name}", partial(_probe_sink, kind, settings))


def _todo(settings: Settings) -> Iterator[Finding]:
    """Repeat what `dataflow discover` left to the user, in dataflow.toml."""
    lines = settings.config_file.read_text(encoding="utf-8").splitlines() if settings.config_file else []
    for line in lines:
        if line.startswith(TODO):
            yield Finding(
                "to decide", True, line.removeprefix(TODO), "Decide it in dataflow.toml, and remove the line."
            )


def _probe(name: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, look())
    except _Failed as failed:
        return Finding(name, False, str(failed), failed.fix)
    except DataFlowError as error:
        return Finding.of_error(name, error)
    except LakeDamaged as error:
        return Finding(name, False, str(error).removesuffix(f" {error.next_move}"), error.next_move)
    except LakeError as error:
        return Finding(name, False, str(error))
    except OSError as error:
        return Finding(name, False, f"{type(error).__name__}: {error.strerror}", "Give this user access to the path.")
    except Exception as error:  # noqa: BLE001 (a probe that fails is a finding; the others go on)
        return Finding(name, False, f"unexpected {type(error).__name__}", "Report this as a defect of dataflow doctor.")


def _policy(settings: Settings) -> str:
    # Imported late: the client of AWS takes a quarter of a second.
    from dataflow.observe.bucket_policy import look_at_policy

    return look_at_policy(settings)


def _rules(settings: Settings) -> str:
    # Imported late: it imports the stage that publishes, and most companies begin without rules.
    from dataflow.observe.rule_looks import look_at_rules

    return look_at_rules(settings)


def _python() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 11) <= sys.version_info[:2] <= (3, 14):
        raise _Failed(f"Python {version}", "Use Python 3.11, 3.12, 3.13 or 3.14.")
    return version


def _packages() -> str:
    wanted = {}
    for requirement in importlib.metadata.requires("dataflow") or []:
        name, pin, version = requirement.partition("==")
        if pin and name.partition("[")[0] in _PINNED:
            wanted[name.partition("[")[0]] = version
    wrong = [
        f"{name} {importlib.metadata.version(name)} instead of {version}"
        for name, version in wanted.items()
        if importlib.metadata.version(name) != version
    ]
    if wrong:
        raise _Failed(", ".join(wrong), "Install from the lock: make venv")
    return ", ".join(f"{name} {version}" for name, version in wanted.items())


def _disk_space(home: Path) -> str:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < _NEEDED_BYTES:
        raise _Failed(f"{free / 2**30:.1f} GiB free at {existing}", "Free some, or put the home elsewhere with --home.")
    return f"{free / 2**30:.1f} GiB free at {existing}"


def _memory(settings: Settings) -> str:
    free, most = free_memory(), memory_bytes(settings.lake.memory_limit)
    found = f"{free / 2**30:.1f} GiB free; DuckDB spills to disk at {settings.lake.memory_limit}"
    if most > free:
        raise _Failed(found, 'Set lake.memory_limit = "auto", or end what takes the memory.')
    return found


def _file_modes(settings: Settings) -> str:
    misplaced, seen = find_misplaced(settings)
    if not misplaced:
        return f"{seen:,} files and folders, for {settings.lake.group or 'this user'} alone"
    shown = ", ".join(f"{each.path} ({each.mode:04o})" for each in misplaced[:_SHOWN_PATHS])
    more = f" and {len(misplaced) - _SHOWN_PATHS:,} more" if len(misplaced) > _SHOWN_PATHS else ""
    are = agreeing(len(misplaced), "is", "are")
    raise _Failed(
        f"{len(misplaced):,} of {seen:,} files and folders {are} open to the wrong users: {shown}{more}",
        "dataflow doctor --fix-modes",
    )


def fix_modes(settings: Settings) -> tuple[int, int]:
    """Correct wrong modes; return how many files and folders were corrected, and how many belong to other users."""
    corrected = refused = 0
    for each in find_misplaced(settings)[0]:
        try:
            correct(each)
            corrected += 1
        except FileNotFoundError:
            continue
        except PermissionError:
            refused += 1
    return corrected, refused


def _published(settings: Settings) -> str:
    place = lake_location(settings)
    if isinstance(place.catalogue, Path):
        if not place.published_catalogue.exists() and not place.catalogue.exists():
            return "nothing published yet"
        copy = read_catalogue(place.published_catalogue)
        if not copy.is_whole:
            if (found := read_catalogue(place.catalogue)).foreign:
                raise foreign_file(place.catalogue, found.foreign)
            raise damaged_copy(place, copy.fault)
    with closing(open_published(settings)) as con:
        return f"readers see snapshot {LakeView(con, place).snapshot().id}"


def _lake(settings: Settings) -> str:
    place = lake_location(settings)
    if isinstance(place.catalogue, Path):
        refuse_lost_catalogue(place)
        if not place.catalogue.exists():
            with connect(extensions=place.extensions, threads=1) as con:
                refuse_data_without_catalogue(con, place)
            if former := former_lake(settings):
                raise _Failed(
                    f"there is none, but {former}",
                    "Put the lake back from a backup; the next run would make a new one, with new customer ids.",
                )
            return f"not created yet: the first run creates it at {place.catalogue}"
    try:
        with open_lake(settings, purpose="doctor") as lake:
            read_through(lake.con, place)
            return f"snapshot {lake.snapshot().id} at {place.catalogue}{connection_of(place)}"
    except LakeLocked as locked:
        # A running run is not a failure.
        return str(locked)


def _pending(settings: Settings) -> Iterator[Finding]:
    try:
        with published_view(settings) as lake:
            found = list(pending_changes(lake, settings)) if lake is not None else []
    except (LakeError, DataFlowError):
        return  # the probes of the lake report it
    yield from found


def _inbox(settings: Settings) -> str:
    inbox = inbox_at(lake_location(settings))
    if inbox is None:
        raise _Failed(
            "there is none: the catalogue is on a server, and the data are a whole bucket",
            "Set lake.inbox to a folder that all users and runs can reach, or to s3://bucket/prefix.",
        )
    found = inbox.read()
    faulty = (*found.damaged, *found.unreadable, *found.set_aside)
    if faulty:
        are = agreeing(len(faulty), "is not a message", "are not messages")
        raise _Failed(
            f"{counted(len(faulty), 'file')} in {inbox} {are} or cannot be read: {', '.join(faulty)}",
            "Look at the files and move them out of the inbox.",
        )
    return f"{counted(len(found.messages), 'message')} in {inbox}"


def _probe_sink(kind: SinkKind, settings: Settings) -> Iterator[Finding]:
    return kind.open(settings).probe()


def _ask(name: str, probe: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Run the probes of a source or sink, which its own module has."""
    try:
        for finding in probe():
            yield replace(finding, name=f"{name}: {finding.name}")
    except Exception as error:  # noqa: BLE001 (as in _probe)
        yield Finding(name, False, f"unexpected {type(error).__name__}", "Report this as a defect of dataflow doctor.")


def _geoip(settings: Settings) -> str:
    if not settings.enrich.geoip:
        return "switched off"
    import geoip2.database
    import maxminddb

    path = Path(settings.enrich.geoip)
    try:
        with geoip2.database.Reader(path) as reader:
            return f"{reader.metadata().database_type} at {path}"
    except (FileNotFoundError, maxminddb.InvalidDatabaseError) as error:
        raise _Failed(f"{type(error).__name__}: {path}", "Correct enrich.geoip, or: dataflow sample") from error


def _firmographics(settings: Settings) -> str:
    if not settings.enrich.firmographics:
        return "switched off"
    path = Path(settings.enrich.firmographics)
    if not path.is_file():
        raise _Failed(f"there is no file {path}", "Correct enrich.firmographics, or: dataflow sample")
    import pyarrow.parquet as pq

    return f"{pq.read_metadata(path).num_rows:,} companies at {path}"


def _prefect() -> str:
    named = prefect_api_url()
    if named is None:
        return "in process; nothing to start"
    try:
        with urllib.request.urlopen(f"{named}/health", timeout=_API_TIMEOUT_SECONDS):
            return f"answers at {named}"
    except OSError as error:
        raise _Failed(
            f"no answer from {named}", "Start it (prefect server start), or unset PREFECT_API_URL."
        ) from error
