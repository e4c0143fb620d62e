"""Merkle trees of RFC 6962, section 2.1: hashes of leaves and nodes, roots, inclusion and consistency proofs.

A frontier is the compact form of a tree: the roots of its complete subtrees, largest first; their sizes are the binary
digits of the tree's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A tree that grows by appending, in space for its complete subtrees only."""

    __slots__ = ("hashes", "size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        """Raises: ValueError where the number of hashes is not that of a tree of this size."""
        self.size = size
        self.hashes = list(hashes)
        if size < 0 or len(self.hashes) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {max(size, 0).bit_count()} complete subtrees")

    def append(self, leaf: bytes) -> None:
        """Append the hash of a leaf."""
        hashes, size = self.hashes, self.size
        while size & 1:
            leaf = node_hash(hashes.pop(), leaf)
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    def copy(self) -> Frontier:
        return Frontier(self.size, self.hashes)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over the hashes of leaves."""
    tree = Frontier()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the path from a leaf to the root. Source: RFC 6962, section 2.1.1. Raises: IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves has no leaf {index}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root_of(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split])]


def consistency_proof(leaves: Sequence[bytes], first: int) -> list[bytes]:
    """Return the proof that the tree of the first leaves is a beginning of the whole.

    Source: RFC 6962, section 2.1.2. Raises: IndexError unless 0 < first <= the number of leaves.
    """
    if not 0 < first <= len(leaves):
        raise IndexError(f"a tree of {len(leaves)} leaves has no beginning of {first}")
    return _subproof(leaves, first, is_whole=True)


def root_from_inclusion(leaf: bytes, proof: Sequence[bytes], *, index: int, size: int) -> bytes:
    """Return the root that an inclusion proof leads to. Source: RFC 9162, section 2.1.3.2.

    Raises: ValueError where the proof has not the length for this place.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    place, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ValueError("the proof is too long")
        if place & 1 or place == last:
            root = node_hash(sibling, root)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return root


def roots_from_consistency(proof: Sequence[bytes], *, first: int, second: int, root: bytes) -> tuple[bytes, bytes]:
    """Return the roots of both trees by a consistency proof; `root` is that of the first tree.

    Source: RFC 9162, section 2.1.4.2. Raises: ValueError where the proof has not the length for these sizes.
    """
    if not 0 < first <= second:
        raise ValueError(f"a tree of {second} leaves has no beginning of {first}")
    if first == second:
        if proof:
            raise ValueError("the proof is too long")
        return root, root
    path = [root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        raise ValueError("the proof is too short")
    place, last = first - 1, second - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    older = newer = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ValueError("the proof is too long")
        if place & 1 or place == last:
            older, newer = node_hash(sibling, older), node_hash(sibling, newer)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            newer = node_hash(newer, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise ValueError("the proof is too short")
    return older, newer


def _subproof(leaves: Sequence[bytes], first: int, *, is_whole: bool) -> list[bytes]:
    if first == len(leaves):
        return [] if is_whole else [root_of(leaves)]
    split = _split(len(leaves))
    if first <= split:
        return [*_subproof(leaves[:split], first, is_whole=is_whole), root_of(leaves[split:])]
    return [*_subproof(leaves[split:], first - split, is_whole=False), root_of(leaves[:split])]


def _split(size: int) -> int:
    """Return the largest power of two below the size."""
    return 1 << ((size - 1).bit_length() - 1)
