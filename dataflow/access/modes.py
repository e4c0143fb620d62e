"""Who may read and write the files of DataFlow: its user alone, or one group as well; never the others of a machine.

Files are made so by the process's umask, set once at the edge. A folder of a shared lake bears the group's id and the
set-group-id bit, so that what is made in it belongs to the group, whoever makes it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import ConfigurationError

if TYPE_CHECKING:
    from dataflow.settings import Settings

_FOR_THE_USER = 0o077
_FOR_A_GROUP = 0o007
_SHARED_FOLDER, _SHARED_FILE = 0o2770, 0o660


@contextmanager
def private_files() -> Iterator[None]:
    """Make what the block writes readable by this user alone; `share_files` in the block lets a group in."""
    before = os.umask(_FOR_THE_USER)
    try:
        yield
    finally:
        os.umask(before)


def share_files(settings: Settings) -> None:
    """Let the group of `lake.group`, where there is one, share what is written from here on.

    Raises: ConfigurationError when there is no such group, or this process is not in it.
    """
    if _group_id(settings) is not None:
        os.umask(_FOR_A_GROUP)


@contextmanager
def files_shared_as(folder: Path) -> Iterator[None]:
    """Make what the block writes readable by those who may read a folder that the caller has made, and no others."""
    before = os.umask(0o777 & ~folder.stat().st_mode | _FOR_A_GROUP)
    try:
        yield
    finally:
        os.umask(before)


def prepare_folders(settings: Settings) -> None:
    """Make the outermost folders of a shared lake, for its group. Those of a lake without a group need nothing.

    Raises: ConfigurationError when one is there already and is not the group's.
    """
    group = _group_id(settings)
    if group is None:
        return
    wrong = []
    for folder in _outermost(settings):
        if not folder.exists():
            _make_shared(folder, group)
        elif not _is_shared(folder.stat(), group):
            wrong.append(str(folder))
    if wrong:
        raise ConfigurationError(
            f"Sharing the lake with the group {settings.lake.group} (lake.group): these folders are not the group's or "
            f"are open to others: {', '.join(wrong)}.",
            next_move=f"`dataflow doctor --fix-modes` mends the home and what is in it; another folder is given to the "
            f"group with `chgrp {settings.lake.group} FOLDER` and `chmod 2770 FOLDER`.",
        )


@dataclass(frozen=True)
class Misplaced:
    """A file or folder that others may read, or that the lake's group may not; `wanted` is the mode it should have."""

    path: Path
    mode: int
    wanted: int
    group: int | None


def find_misplaced(settings: Settings) -> tuple[list[Misplaced], int]:
    """List what the wrong users may read or write of all that DataFlow keeps; and how many files and folders it has."""
    group = _group_id(settings)
    found, seen = [], 0
    for path, is_secret in _kept(settings):
        try:
            about = path.lstat()
        except FileNotFoundError:
            # A run at work removes its own.
            continue
        seen += 1
        wanted = _wanted_mode(about, None if is_secret else group)
        wanted_group = group if group is not None and not is_secret and about.st_gid != group else None
        if wanted != stat.S_IMODE(about.st_mode) or wanted_group is not None:
            found.append(Misplaced(path, stat.S_IMODE(about.st_mode), wanted, wanted_group))
    return found, seen


def mend(misplaced: Misplaced) -> None:
    """Give a file or folder the group and mode it should have. Raises: OSError for one of another user."""
    if misplaced.group is not None:
        os.chown(misplaced.path, -1, misplaced.group, follow_symlinks=False)
    # After the group: changing it clears the set-group-id bit.
    misplaced.path.chmod(misplaced.wanted)


def _group_id(settings: Settings) -> int | None:
    name = settings.lake.group
    if not name:
        return None
    import grp

    try:
        group = grp.getgrnam(name).gr_gid
    except KeyError:
        raise ConfigurationError(
            f"lake.group names the group {name}, which this machine does not have.",
            next_move="Name an existing group, or leave lake.group empty for a lake of one user.",
        ) from None
    if group not in {os.getgid(), os.getegid(), *os.getgroups()}:
        raise ConfigurationError(
            f"lake.group names the group {name}, which this user is not in.",
            next_move=f"Have the user added to {name} and log in again, or correct lake.group.",
        )
    return group


def _wanted_mode(about: os.stat_result, group: int | None) -> int:
    mode = stat.S_IMODE(about.st_mode)
    if group is None:
        return mode & ~_FOR_THE_USER
    return (mode | (_SHARED_FOLDER if stat.S_ISDIR(about.st_mode) else _SHARED_FILE)) & ~_FOR_A_GROUP


def _is_shared(about: os.stat_result, group: int) -> bool:
    return about.st_gid == group and _wanted_mode(about, group) == stat.S_IMODE(about.st_mode)


def _make_shared(folder: Path, group: int) -> None:
    if not folder.parent.exists():
        _make_shared(folder.parent, group)
    folder.mkdir(exist_ok=True)
    os.chown(folder, -1, group)
    folder.chmod(_SHARED_FOLDER)


def _folders(settings: Settings) -> list[Path]:
    """The folders that hold nothing but DataFlow's own."""
    lake = settings.lake
    named = [lake.data, lake.published, settings.landing, settings.runs, settings.reports, settings.sample]
    folders = [Path(name) for name in named if "://" not in name]
    if lake.inbox:
        folders.append(Path(lake.inbox))
    elif "://" in lake.catalogue and "://" not in lake.data:
        folders.append(Path(f"{lake.data}.inbox"))
    if "://" not in lake.catalogue and settings.home in Path(lake.catalogue).parent.parents:
        folders.append(Path(lake.catalogue).parent)
    return [*folders, settings.home / "prefect"]


def _files(settings: Settings) -> list[Path]:
    """The files that may stand in a folder with what is not ours; names that go on with a dot are their companions'."""
    return [Path(name) for name in (settings.lake.catalogue, settings.warehouse.path) if "://" not in name]


def _outermost(settings: Settings) -> list[Path]:
    """The folders from which others inherit: the home, those outside it, and those in it that are there already."""
    folders = {*_folders(settings), *(file.parent for file in _files(settings))} - {settings.home}
    return [settings.home, *sorted(f for f in folders if settings.home not in f.parents or f.exists())]


def _kept(settings: Settings) -> Iterator[tuple[Path, bool]]:
    """Everything that DataFlow keeps, each once; and whether it is a secret. Links are not followed."""
    seen: set[Path] = set()
    if settings.home.is_dir():
        seen.add(settings.home)
        yield settings.home, False
    companions = (each for file in _files(settings) for each in sorted(file.parent.glob(f"{file.name}.*")))
    for root in (*_folders(settings), *_files(settings), *companions):
        for path in _below(root):
            if path not in seen:
                seen.add(path)
                yield path, False
    secrets = (settings.config_file.parent if settings.config_file else Path.cwd()) / ".env"
    if secrets.is_file():
        yield secrets, True


def _below(root: Path) -> Iterator[Path]:
    if root.is_symlink() or not root.exists():
        return
    yield root
    if not root.is_dir():
        return
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
