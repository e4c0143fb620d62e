"""Restrict DataFlow's files to their user, or to one group; never open them to other users of the machine.

The process's umask, set once at the edge, gives new files their mode. A folder of a shared lake has the group's id and
the set-group-id bit, so that new files in it belong to the group.
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
_EXECUTABLE = 0o111
_FOR_A_GROUP = 0o007
_KEYS = ("signing.key", "hash.key")
"""The keys of one writer of the access log (log/keys.py), which the group does not read."""
_SHARED_FOLDER, _SHARED_FILE = 0o2770, 0o660


@contextmanager
def private_files() -> Iterator[None]:
    """Restrict what the block writes to this user; `share_files` inside the block adds the group."""
    before = os.umask(_FOR_THE_USER)
    try:
        yield
    finally:
        os.umask(before)


def share_files(settings: Settings) -> None:
    """Share what is written from here on with the group of `lake.group`, if one is set.

    Raises: ConfigurationError when the group does not exist, or this process is not in it.
    """
    if _group_id(settings) is not None:
        os.umask(_FOR_A_GROUP)


@contextmanager
def files_shared_as(folder: Path) -> Iterator[None]:
    """Give what the block writes the same readers as a folder."""
    before = os.umask(0o777 & ~folder.stat().st_mode | _FOR_A_GROUP)
    try:
        yield
    finally:
        os.umask(before)


def prepare_folders(settings: Settings) -> None:
    """Create the outermost folders of a shared lake for its group; a lake without a group needs none.

    Raises: ConfigurationError when one exists and is not the group's.
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
            next_move=f"`dataflow doctor --fix-modes` corrects the home and what is in it; give another folder to the "
            f"group with `chgrp {settings.lake.group} FOLDER` and `chmod 2770 FOLDER`.",
        )


@dataclass(frozen=True)
class Misplaced:
    """A file or folder with a wrong mode or group; `wanted` is the right mode."""

    path: Path
    mode: int
    wanted: int
    group: int | None


def find_misplaced(settings: Settings) -> tuple[list[Misplaced], int]:
    """List the files and folders of DataFlow with a wrong mode or group; return them and the number looked at."""
    group = _group_id(settings)
    found, seen = [], 0
    for path, is_secret in _kept(settings):
        try:
            about = path.lstat()
        except FileNotFoundError:
            # A running run removes its own files.
            continue
        seen += 1
        wanted = _wanted_mode(about, None if is_secret else group)
        wanted_group = group if group is not None and not is_secret and about.st_gid != group else None
        if wanted != stat.S_IMODE(about.st_mode) or wanted_group is not None:
            found.append(Misplaced(path, stat.S_IMODE(about.st_mode), wanted, wanted_group))
    return found, seen


def correct(misplaced: Misplaced) -> None:
    """Set the right group and mode. Raises: OSError for a file of another user."""
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
            f"lake.group names the group {name}, of which this user is not a member.",
            next_move=f"Have the user added to {name} and log in again, or correct lake.group.",
        )
    return group


def _wanted_mode(about: os.stat_result, group: int | None) -> int:
    mode = stat.S_IMODE(about.st_mode)
    if stat.S_ISREG(about.st_mode):
        # None of the files is a program.
        mode &= ~_EXECUTABLE
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
    """Return the folders that hold only DataFlow's files."""
    lake = settings.lake
    named = [lake.data, lake.published, settings.landing, settings.runs, settings.reports, settings.sample]
    folders = [Path(name) for name in named if "://" not in name]
    if lake.inbox and "://" not in lake.inbox:
        folders.append(Path(lake.inbox))
    elif not lake.inbox and "://" in lake.catalogue and "://" not in lake.data:
        folders.append(Path(f"{lake.data}.inbox"))
    if "://" not in lake.catalogue and settings.home in Path(lake.catalogue).parent.parents:
        folders.append(Path(lake.catalogue).parent)
    folders.append(Path(settings.audit.log) if settings.audit.log else settings.home / "access")
    return [*folders, settings.home / "prefect"]


def _files(settings: Settings) -> list[Path]:
    """Return the files that can share a folder with other files; `NAME.*` are their companions."""
    named = [Path(name) for name in (settings.lake.catalogue, settings.warehouse.path) if "://" not in name]
    return [*named, settings.home / "alerts"]


def _outermost(settings: Settings) -> list[Path]:
    """Return the folders from which others inherit: the home, those outside it, and those that exist inside it."""
    folders = {*_folders(settings), *(file.parent for file in _files(settings))} - {settings.home}
    return [settings.home, *sorted(f for f in folders if settings.home not in f.parents or f.exists())]


def _kept(settings: Settings) -> Iterator[tuple[Path, bool]]:
    """Yield each file and folder of DataFlow once, and whether it is a secret.

    A link in the place of a named folder or file is followed, as one to another disk; links below it are not.
    """
    seen: set[Path] = set()
    if settings.home.is_dir():
        seen.add(settings.home)
        yield settings.home, False
    companions = (each for file in _files(settings) for each in sorted(file.parent.glob(f"{file.name}.*")))
    named = [path.resolve() if path.is_symlink() else path for path in (*_folders(settings), *_files(settings))]
    for root in (*named, *companions):
        for path in _below(root):
            if path not in seen:
                seen.add(path)
                yield path, path.name in _KEYS
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
