"""Keep what is compiled from the code and the declarations beside the packages, as Python keeps its own bytecode.

Ibis needs as long to compile the statements of a run as DuckDB to execute them on some hundred records: 3.5 of its 20
CPU seconds (measured November 2026), with the same text in each process. The folder is named by the state of the
files, so that changed code finds nothing; where it cannot be written, each process compiles anew.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, wraps
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import ParamSpec

import checks
import dataflow
import lakehouse

_FOLDER = "compiled-"
# Of each day there are two texts.
_MOST_FILES = 2_000
_PACKAGES = ("dataflow", "ibis-framework", "sqlglot", "splink", "jinja2")
_SUFFIXES = (".py", ".toml", ".csv", ".j2", ".json", ".yml")


P = ParamSpec("P")


def compiled(make: Callable[P, str]) -> Callable[P, str]:
    """Decorate a function whose text depends on the code and its arguments alone; the key is the `repr` of these."""
    place = f"{make.__module__}.{make.__qualname__}"

    made: dict[str, str] = {}

    @wraps(make)
    def text_of(*arguments: P.args, **named: P.kwargs) -> str:
        name = f"{place} {arguments!r} {named!r}"
        if name not in made:
            made[name] = compiled_once(name, lambda: make(*arguments, **named))
        return made[name]

    return text_of


def compiled_once(name: str, make: Callable[[], str]) -> str:
    """Return the text that `make` returns, which the code and what `name` names decide alone."""
    found = recall(name)
    if found is not None:
        return found.decode()
    text = make()
    keep(name, text.encode())
    return text


def recall(name: str) -> bytes | None:
    """Return what is kept under a name."""
    try:
        # After a power failure a renamed file can be empty; no text is.
        return _file(name).read_bytes() or None
    except OSError:
        return None


def keep(name: str, content: bytes) -> None:
    """Keep content under a name; nothing where the folder cannot be written."""
    with suppress(OSError):
        folder = _folder()
        if not folder.is_dir():
            for former in folder.parent.glob(f"{_FOLDER}*"):
                shutil.rmtree(former, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        if sum(1 for _ in folder.iterdir()) > _MOST_FILES:
            shutil.rmtree(folder, ignore_errors=True)
            return
        # Renamed when it is whole: another process can read it now.
        with NamedTemporaryFile(dir=folder, prefix=".", delete=False) as draft:
            draft.write(content)
        Path(draft.name).replace(_file(name))


def _file(name: str) -> Path:
    return _folder() / blake2b(name.encode(), digest_size=16).hexdigest()


@cache
def _folder() -> Path:
    """Return the folder of this state of the code, by size and time of its files as Python does, in the package."""
    state = blake2b(digest_size=12)
    for package in (dataflow, checks, lakehouse):
        for entry in sorted(_sources(package.__path__[0])):
            state.update(repr(entry).encode())
    state.update(" ".join(version(name) for name in _PACKAGES).encode())
    return Path(dataflow.__path__[0]) / "__pycache__" / f"{_FOLDER}{state.hexdigest()}"


def _sources(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name != "__pycache__":
                    yield from _sources(entry.path)
            elif entry.name.endswith(_SUFFIXES):
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns
