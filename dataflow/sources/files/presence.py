"""Files that a source took back, and files that it gave again.

What was received stays received: the rows of a withdrawn file remain in raw, since they were told to us and others
may have acted on them; a row is gone when its source says so of the row. The withdrawal itself is put on record as a
*mark* among the landed files: a part without bytes, numbered, since a file may come and go more than once.
"""

from __future__ import annotations

from collections.abc import Collection

from dataflow.sources.protocol import ObjectState, Part

_WITHDRAWN = "withdrawn:"
_RETURNED = "returned:"


def is_mark(part: Part) -> bool:
    """Whether the part says that a file went or came back, and holds nothing to read."""
    return part.fingerprint.startswith((_WITHDRAWN, _RETURNED))


def describe_mark(part: Part) -> str:
    """What a mark says, for notes."""
    if part.fingerprint.startswith(_WITHDRAWN):
        return "withdrawn since it was read; its rows stay in raw"
    return "is there again after it was withdrawn"


def find_marks(listed: Collection[str], state: ObjectState) -> list[Part]:
    """Say which landed files are no longer listed, and which withdrawn ones are listed again; each change once."""
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
