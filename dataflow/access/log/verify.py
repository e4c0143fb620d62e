"""Verify a tree offline, from its files and its public key: name what was changed, removed, inserted or cut off.

A whole tree is read once: its last root and signature vouch for every entry. Only where that fails are the lines
examined one by one (diagnose.py). Heads that were anchored elsewhere show what the files alone cannot: a tail that was
cut, and a log that was written again by someone with the key.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from dataflow.access.log.checkpoint import Head, VerifierKey, head_of, split_note
from dataflow.access.log.diagnose import diagnose
from dataflow.access.log.keys import PUBLIC_KEY
from dataflow.access.log.segment import FIRST, SEGMENT, Line, read_lines
from dataflow.access.log.tree import Frontier


@dataclass(frozen=True)
class Anchor:
    """A signed head of a tree that was kept elsewhere. `kept` says where, for messages."""

    note: str
    kept: str

    @property
    def head(self) -> Head:
        """Return the head; its signature is not checked. Raises: ValueError."""
        return head_of(split_note(self.note)[0])


@dataclass(frozen=True, kw_only=True)
class TreeReport:
    """What was found in one tree. `findings` are proof of tampering or damage, `notes` are not.

    `head` is the note of the newest signed head of a tree without findings.
    """

    origin: str
    folder: Path
    entries: int
    anchors: int
    findings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    head: str = ""


@dataclass
class _Read:
    """The first pass over a segment: `roots` are those at the anchored sizes."""

    tree: Frontier = field(default_factory=Frontier)
    roots: dict[int, bytes] = field(default_factory=dict)
    last: bytes = b""
    torn: bytes = b""
    is_sound: bool = True


def folders_of(root: Path) -> list[Path]:
    """List the trees below the folder of the log, or the folder itself where it is one tree."""
    if (root / SEGMENT).exists() or (root / PUBLIC_KEY).exists():
        return [root]
    return sorted(path.parent for path in root.glob(f"*/{PUBLIC_KEY}"))


def key_beside(folder: Path) -> VerifierKey:
    """Return the public key beside a log. Raises: OSError, ValueError."""
    return VerifierKey.parse((folder / PUBLIC_KEY).read_text())


def verify_tree(folder: Path, key: VerifierKey, anchors: Sequence[Anchor] = ()) -> TreeReport:
    """Verify one tree with the anchors of its name."""
    wrong, heads = _signed_heads(key, anchors)
    file = folder / SEGMENT
    read = _read(file, {head.size for head, _ in heads})
    line = _parsed(read.last)
    is_whole = read.is_sound and (
        read.tree.size == 0 or (line is not None and line.root == read.tree.root() and line.is_signed(key))
    )
    findings = [*wrong]
    if not is_whole:
        findings += diagnose(file, key)
    findings += _cut(_entries_of(file, read, is_whole), heads)
    if is_whole:
        findings += _contradicted(read, heads)
    notes = []
    if read.torn:
        notes.append(
            f"the last line is torn, {len(read.torn)} bytes of a killed process: not an entry; the next read sets it "
            "aside"
        )
    if not heads:
        notes.append("no anchored head was compared: a tail that was cut cannot be seen")
    sound = line is not None and not findings
    return TreeReport(
        origin=key.name,
        folder=folder,
        entries=read.tree.size if is_whole else _entries_of(file, read, is_whole),
        anchors=len(heads),
        findings=tuple(findings),
        notes=tuple(notes),
        head=key.note(line.head(key.name), line.signature) if sound and line is not None else "",
    )


def missing_trees(known: Sequence[str], anchors: Sequence[Anchor]) -> list[str]:
    """Name each anchored tree of which there are no files."""
    newest: dict[str, Anchor] = {}
    for anchor in anchors:
        head = anchor.head
        if head.origin not in known and (head.origin not in newest or head.size > newest[head.origin].head.size):
            newest[head.origin] = anchor
    return [
        f"the log {origin} is gone: its {anchor.head.size} entries were anchored by {anchor.kept}"
        for origin, anchor in sorted(newest.items())
    ]


def _signed_heads(key: VerifierKey, anchors: Sequence[Anchor]) -> tuple[list[str], list[tuple[Head, Anchor]]]:
    """Return findings on anchors that the key has not signed, and the heads of the others, smallest first."""
    wrong, heads = [], []
    for anchor in anchors:
        if anchor.head.origin != key.name:
            continue
        try:
            heads.append((head_of(key.open_note(anchor.note)), anchor))
        except ValueError:
            wrong.append(f"the head that {anchor.kept} anchored is signed by another key than {key.id.hex()}")
    return wrong, sorted(heads, key=lambda pair: pair[0].size)


def _read(file: Path, wanted: set[int]) -> _Read:
    """Read the segment once, as long as each line continues the one before it."""
    read, before = _Read(), FIRST
    tree = read.tree
    for raw in read_lines(file):
        if not raw.endswith(b"\n"):
            read.torn = raw
            break
        leaf = raw.rsplit(b"\t", 2)[0]
        if not leaf.startswith(b"%d\t%b\t" % (tree.size, before)):
            read.is_sound = False
            break
        tree.append(sha256(b"\x00" + leaf).digest())
        before = b64encode(sha256(raw).digest())
        read.last = raw
        if tree.size in wanted:
            read.roots[tree.size] = tree.root()
    return read


def _entries_of(file: Path, read: _Read, is_whole: bool) -> int:
    if is_whole:
        return read.tree.size
    return sum(raw.endswith(b"\n") for raw in read_lines(file))


def _cut(entries: int, heads: Sequence[tuple[Head, Anchor]]) -> list[str]:
    """Name the tail that is missing since the largest anchored head."""
    larger = [pair for pair in heads if pair[0].size > entries]
    if not larger:
        return []
    head, anchor = larger[-1]
    missing = f"entry {entries} is" if head.size - entries == 1 else f"entries {entries} to {head.size - 1} are"
    return [f"{missing} cut off: {anchor.kept} anchored {head.size} entries, the log has {entries}"]


def _contradicted(read: _Read, heads: Sequence[tuple[Head, Anchor]]) -> list[str]:
    """Name the first range in which a log that is sound by itself differs from an anchored head."""
    good = 0
    for head, anchor in heads:
        if head.size > read.tree.size:
            break
        if head.size and read.roots[head.size] != head.root:
            return [
                f"entries {good} to {head.size - 1} are not those that {anchor.kept} anchored: one of them was "
                "changed, removed or inserted, and the log was signed again with its key"
            ]
        good = head.size
    return []


def _parsed(raw: bytes) -> Line | None:
    try:
        return Line.parse(raw)
    except ValueError:
        return None
