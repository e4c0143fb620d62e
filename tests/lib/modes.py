"""Modes of files for tests: what a tree holds, and a group to share it with."""

import grp
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def modes_below(root: Path, *, without: str = "") -> dict[str, tuple[str, int]]:
    """Mode and group of a folder and of everything in it, by path; sockets and links left out."""
    found = {}
    for path in (root, *root.rglob("*")):
        about = path.lstat()
        if (path.is_dir() or path.is_file()) and not path.is_symlink() and not (without and without in str(path)):
            found[str(path.relative_to(root))] = (f"{stat.S_IMODE(about.st_mode):04o}", about.st_gid)
    return found


@contextmanager
def member_of_a_group() -> Iterator[tuple[str, int]]:
    """A group that this process is in, another than its first where there is one: files are not of it by themselves."""
    before = os.getgroups()
    if os.geteuid() == 0:
        other = next(group.gr_gid for group in grp.getgrall() if group.gr_gid != os.getegid())
        os.setgroups([*before, other])
    else:
        other = next((number for number in before if number != os.getegid()), os.getegid())
    try:
        yield grp.getgrgid(other).gr_name, other
    finally:
        if os.geteuid() == 0:
            os.setgroups(before)
