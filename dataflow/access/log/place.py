"""Find the access log of the settings: its folder, the log of this user on this machine, the newest heads of all."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from dataflow.access.log.keys import read_secret
from dataflow.access.log.segment import SEGMENT, Line, last_line
from dataflow.access.log.verify import folders_of, key_beside
from dataflow.access.log.writer import LogWriter
from dataflow.access.who import system_user
from dataflow.settings import Settings

_FOLDER = Path("access") / "log"
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]")


# Opening one reads two keys and the end of the log, which takes longer than an entry.
_writers: dict[tuple[Path, bytes | None, bytes | None], LogWriter] = {}


def log_root(settings: Settings) -> Path:
    """Return the folder with a folder for each writer."""
    return Path(settings.audit.log) if settings.audit.log else settings.home / _FOLDER


def is_of_this_machine(origin: str) -> bool:
    """Return whether the log of this name was begun on this machine."""
    return origin.startswith(f"dataflow/{_in_a_name(socket.gethostname())}-")


def own_writer(settings: Settings) -> LogWriter:
    """Open the log of this user on this machine; it is begun at first use, and kept open by this process.

    Raises: AccessLogUnwritable, AccessLogDamaged, ConfigurationError.
    """
    folder = log_root(settings) / _in_a_name(f"{socket.gethostname()}-{system_user().name}")
    signing_key = read_secret(settings.audit.signing_key, setting="audit.signing_key")
    hash_key = read_secret(settings.audit.hash_key, setting="audit.hash_key")
    kept = _writers.get((folder, signing_key, hash_key))
    if kept is None or not kept.is_in_place:
        kept = LogWriter(folder, signing_key=signing_key, hash_key=hash_key)
        _writers[folder, signing_key, hash_key] = kept
    return kept


def newest_heads(settings: Settings) -> list[str]:
    """Return the newest signed head of each writer, as notes. A log that cannot be read is left to `audit verify`."""
    found = []
    for folder in folders_of(log_root(settings)):
        try:
            note = _newest_head(folder)
        except (OSError, ValueError):
            continue
        if note:
            found.append(note)
    return found


def _in_a_name(text: str) -> str:
    return _NOT_IN_A_NAME.sub("_", text)


def _newest_head(folder: Path) -> str:
    """Return the note of the last whole line, "" without one. Raises: OSError, ValueError."""
    key = key_beside(folder)
    with (folder / SEGMENT).open("rb") as stream:
        size = stream.seek(0, 2)
        raw = last_line(stream, size)
        if raw and not raw.endswith(b"\n"):
            # A killed process left it torn, or another is writing it.
            raw = last_line(stream, size - len(raw))
    if not raw:
        return ""
    line = Line.parse(raw)
    if not line.is_signed(key):
        raise ValueError(f"the last line of {folder} is not signed")
    return key.note(line.head(key.name), line.signature)
