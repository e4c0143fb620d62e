"""Withdrawn files, and files that came back.

The rows of a withdrawn file stay in raw: they were received, and results were derived from them. Only a deletion of
the row itself removes a record. The withdrawal is recorded as a *mark* among the landed files: a part without bytes,
numbered, since a file can be withdrawn and returned several times.
"""

from __future__ import annotations

from collections.abc import Collection

from dataflow.sources.protocol import ObjectState, Part

_WITHDRAWN = "withdrawn:"
_RETURNED = "returned:"


def is_mark(part: Part) -> bool:
    """Return whether the part is a mark, which has nothing to read."""
    return part.fingerprint.startswith((_WITHDRAWN, _RETURNED))


def describe_mark(part: Part) -> str:
    """Return the text of a mark, for notes."""
    if part.fingerprint.startswith(_WITHDRAWN):
        return "withdrawn since it was read; its rows stay in raw"
    return "is there again after it was withdrawn"


def find_marks(listed: Collection[str], state: ObjectState) -> list[Part]:
    """Return marks for landed files that are no longer listed and withdrawn ones that are listed again, each once."""
    marks = []
    for path, parts in state.parts.items():
        kept = [part for part in parts if not is_mark(part)]
        numbers = {int(part.fingerprint.split(":")[1]): part for part in parts if is_mark(part)}
        last = max(numbers, default=0)
        was_withdrawn = last > 0 and numbers[last].fingerprint.startswith(_WITHDRAWN)
        if kept and was_withdrawn == (path in listed):
            word = _RETURNED if was_withdrawn else _WITHDRAWN
            marks.append(Part(path, f"{word}{last + 1}", 0, max(part.modified_at for part in kept)))
    return marks
