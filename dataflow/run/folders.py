"""Give each run a folder that names its process, so that a run whose process has ended is known to have crashed."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

import psutil

from dataflow.workspace.run_row import CrashedRun
from lakehouse import LakeUnwritable

RETRAIN_PLAN = "plan"
"""The kind of a run that commits nothing and is never recorded."""

_OWNER = "owner.json"
_RUN_ID = re.compile(r"(\d{8}T\d{12})Z-([a-z]+)")
_STARTED = "%Y%m%dT%H%M%S%f"
# Where machines share a disk, as the workers of a pool do: a run of another machine counts as crashed after this time.
_LONGEST_RUN_SECONDS = 7 * 24 * 3600.0
# A folder without an owner file is being created, or its process ended while creating it.
_MAKING_SECONDS = 60.0
_SEEN_EVERY_SECONDS = 2.0


@dataclass(frozen=True)
class RunFolder:
    """A folder of a run that has not ended, or whose process died. `owner` names the process."""

    path: Path
    run_id: str
    kind: str
    started_at: datetime
    owner: str
    is_running: bool
    is_here: bool = True
    """Whether its process is one of this machine, so that its end is seen at once."""

    @property
    def running_message(self) -> str:
        """Say that the process is running; of another machine, how to tell that it is not and what to do then."""
        if self.is_here:
            return f"{self.owner} is running"
        return (
            f"{self.owner} is on another machine and was last seen at {self._last_seen_at():%Y-%m-%d %H:%M:%S} UTC; "
            f"if it is not running, remove {self.path / _OWNER}: the next run records it as crashed"
        )

    def crashed(self) -> CrashedRun:
        """Return the run as a crashed one."""
        return CrashedRun(self.run_id, self.kind, self.started_at, self._last_seen_at(), self.owner)

    def forget(self) -> None:
        """Remove the folder of a crashed run that is recorded now."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _last_seen_at(self) -> datetime:
        seen = [self.started_at.timestamp()]
        for file in (self.path, *self.path.rglob("*")):
            with suppress(OSError):
                seen.append(file.stat().st_mtime)
        return datetime.fromtimestamp(max(seen), UTC)


class UnendedRun(Protocol):
    """A run that has not ended, or whose process died; known by its folder or, where all machines ask, by its claim."""

    @property
    def run_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def is_running(self) -> bool: ...
    @property
    def running_message(self) -> str: ...

    def crashed(self) -> CrashedRun:
        """Return the run as a crashed one."""

    def forget(self) -> None:
        """Remove what is known of a crashed run that is recorded now."""


def name_run(kind: str, started_at: datetime) -> str:
    """Make a run id that sorts by the time the run started and can stand in a file name."""
    return f"{started_at.astimezone(UTC):{_STARTED}}Z-{kind}"


@contextmanager
def claim_folder(runs: Path, run_id: str) -> Iterator[Path]:
    """Create the run's folder with its owner file, and remove it at the end. Raises: LakeUnwritable."""
    folder = runs / run_id
    me = psutil.Process()
    try:
        folder.mkdir(parents=True)
        owner = {"host": socket.gethostname(), "pid": me.pid, "created": me.create_time()}
        draft = folder / f"{_OWNER}.partial"
        draft.write_text(json.dumps(owner), encoding="utf-8")
        draft.replace(folder / _OWNER)
        # DuckDB would create its spill folder so that only this user could clear it.
        (folder / "spill").mkdir()
    except OSError as error:
        raise LakeUnwritable(
            f"Starting run {run_id}: cannot write its folder {folder} ({error.strerror}); "
            "free space on that disk or give write access, then run again"
        ) from error
    try:
        with _being_seen(folder / _OWNER):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _being_seen(owner: Path) -> Iterator[None]:
    """Touch the owner file while the block runs: a stage in memory writes nothing else for minutes."""
    ended = Event()

    def touch() -> None:
        while not ended.wait(_SEEN_EVERY_SECONDS):
            with suppress(OSError):
                os.utime(owner)

    thread = Thread(target=touch, name="seen", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def list_runs(runs: Path) -> list[RunFolder]:
    """List the runs that have a folder, running or crashed, oldest first; without retrain plans and unknown folders."""
    named = ((path, _RUN_ID.fullmatch(path.name)) for path in runs.glob("*/"))
    found = []
    for path, name in sorted((path, name) for path, name in named if name is not None):
        if name[2] != RETRAIN_PLAN:
            started_at = datetime.strptime(name[1], _STARTED).replace(tzinfo=UTC)
            owner = _read_owner(path)
            is_running = _owner_is_running(path, owner)
            found.append(
                RunFolder(path, path.name, name[2], started_at, _named(owner), is_running, is_here=_is_here(owner))
            )
    return found


def take_crashed(runs: Path) -> list[RunFolder]:
    """List the crashed runs and delete the files they left; their folders stay until the runs are recorded."""
    crashed = [folder for folder in list_runs(runs) if not folder.is_running]
    for folder in crashed:
        _empty(folder)
    return crashed


def clear_plan_folders(runs: Path) -> None:
    """Remove the folders of ended processes that do not belong to a run."""
    listed = {folder.path for folder in list_runs(runs)}
    for path in runs.glob("*/"):
        if path not in listed and not _owner_is_running(path, _read_owner(path)):
            shutil.rmtree(path, ignore_errors=True)


def _empty(folder: RunFolder) -> None:
    """Remove all but the owner file; the last time the run wrote becomes the time of that file and of the folder."""
    seen = folder.crashed().last_seen_at.timestamp()
    for path in folder.path.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != _OWNER:
            path.unlink(missing_ok=True)
    for path in (folder.path / _OWNER, folder.path):
        with suppress(OSError):
            os.utime(path, (seen, seen))


def _read_owner(folder: Path) -> dict[str, Any] | None:
    """Read the owner file; return an empty dict when it cannot be read, None when it is missing."""
    try:
        noted = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _named(owner: dict[str, Any] | None) -> str:
    if not owner or "pid" not in owner:
        return "its process"
    return f"its process ({owner['pid']} on {owner.get('host', socket.gethostname())})"


def _is_here(owner: dict[str, Any] | None) -> bool:
    return not owner or owner.get("host", socket.gethostname()) == socket.gethostname()


def started_at_of(run_id: str) -> tuple[str, datetime] | None:
    """Return kind and start of a run by its id; None where it is not one."""
    named = _RUN_ID.fullmatch(run_id)
    return (named[2], datetime.strptime(named[1], _STARTED).replace(tzinfo=UTC)) if named else None


def _owner_is_running(folder: Path, owner: dict[str, Any] | None) -> bool:
    try:
        if owner is None:
            return time.time() - folder.stat().st_mtime < _MAKING_SECONDS
        if not _is_here(owner):
            # The processes of another machine cannot be seen from here.
            return time.time() - (folder / _OWNER).stat().st_mtime < _LONGEST_RUN_SECONDS
        # Process numbers are reused: the start time distinguishes the processes.
        return bool(abs(psutil.Process(int(owner["pid"])).create_time() - float(owner["created"])) < 1)
    except (OSError, ValueError, TypeError, KeyError, psutil.NoSuchProcess):
        return False
