"""Name the first entry at which a tree is not what its key signed.

Each line has the signed root of the tree that ends with it. A line whose signature holds was once written with its
index; so a valid line in another place shows what was removed or inserted before it, and a line without a valid
signature was changed or inserted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow.access.log.checkpoint import VerifierKey
from dataflow.access.log.segment import FIRST, Line, line_hash, read_lines
from dataflow.access.log.tree import Frontier, leaf_hash

# After this many lines without a valid signature the rest is not examined: each costs a verification.
_MOST_UNSIGNED = 10_000


@dataclass(frozen=True)
class _Lines:
    """The whole lines of a segment, found by their place."""

    file: Path
    offsets: Sequence[int]
    key: VerifierKey

    def __len__(self) -> int:
        return len(self.offsets)

    def at(self, place: int) -> Line | None:
        """Return the line at a place, None where it cannot be read."""
        try:
            return Line.parse(next(read_lines(self.file, start=self.offsets[place])))
        except ValueError:
            return None

    def signed(self, place: int) -> Line | None:
        """Return the line at a place if its signature holds."""
        line = self.at(place)
        return line if line is not None and line.is_signed(self.key) else None


def diagnose(file: Path, key: VerifierKey) -> list[str]:
    """Return the findings on a segment that does not verify as a whole; at least one."""
    offsets, wrong = _first_wrong(file)
    lines = _Lines(file, offsets, key)
    # All roots can be right and only signatures wrong: the log was written again without the key.
    last = len(lines) - 1 if wrong is None else wrong
    place = last
    if wrong is None or (wrong > 0 and lines.signed(wrong - 1) is None):
        place = _first_unsigned(lines, last if wrong is None else wrong - 1)
    rest = len(lines) - 1 - place
    vouched = f"; the {rest} lines after it are not verified" if rest > 0 else ""
    return [f"{_classify(lines, place)}{vouched}"]


def _first_wrong(file: Path) -> tuple[list[int], int | None]:
    """Return the offset of each whole line, and the place of the first that does not continue the tree."""
    tree, before, offset = Frontier(), FIRST, 0
    offsets: list[int] = []
    wrong = None
    for place, raw in enumerate(read_lines(file)):
        if not raw.endswith(b"\n"):
            break
        offsets.append(offset)
        offset += len(raw)
        if wrong is not None:
            continue
        try:
            line = Line.parse(raw)
        except ValueError:
            wrong = place
            continue
        tree.append(leaf_hash(line.leaf))
        if (line.index, line.before, line.root) != (place, before, tree.root()):
            wrong = place
        before = line_hash(raw)
    return offsets, wrong


def _first_unsigned(lines: _Lines, last: int) -> int:
    """Return the first of the unsigned lines that end at `last`: gallop back to a signed one, then bisect."""
    high, step = last, 1
    while high - step >= 0 and lines.signed(high - step) is None:
        high, step = high - step, step * 2
    low = high - step
    low = max(low, -1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if lines.signed(middle) is None else (middle, high)
    return high


def _classify(lines: _Lines, place: int) -> str:
    """Say what happened at the first place that is wrong."""
    line = lines.signed(place)
    if line is not None and line.index != place:
        return _moved(line.index, place)
    if line is not None:
        # Its signature holds at this size, so the tree before it is the one that was signed: its own text was changed.
        return f"entry {place} was changed"
    for distance in range(1, min(len(lines) - place, _MOST_UNSIGNED)):
        follower = lines.signed(place + distance)
        if follower is None:
            continue
        expected = follower.index - place
        if expected == distance:
            return _many(place, place + distance - 1, "changed")
        if expected < distance:
            inserted = distance - max(expected, 0)
            where = f"before entry {follower.index}"
            return f"{inserted} {'line was' if inserted == 1 else 'lines were'} inserted {where}, as line {place}"
        return _many(place, follower.index - 1, "changed or removed")
    return f"entry {place} was changed or inserted: no line from it on has a valid signature"


def _moved(index: int, place: int) -> str:
    """Describe a line, once written as entry `index`, that is now at another place."""
    if index > place:
        return _many(place, index - 1, "removed")
    return f"a copy of entry {index} was inserted as line {place}"


def _many(first: int, last: int, what: str) -> str:
    return f"entry {first} was {what}" if first == last else f"entries {first} to {last} were {what}"
