"""The hashes of RFC 6962 by its known vectors, and proofs by trees of all small sizes."""

from __future__ import annotations

import pytest

from dataflow.access.log.tree import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_from_inclusion,
    root_of,
    roots_from_consistency,
)

# The inputs and roots of the reference implementation of RFC 6962 (certificate-transparency, merkle_tree_test).
INPUTS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
LEAVES = [leaf_hash(bytes.fromhex(text)) for text in INPUTS]
PATH_OF_THE_FIRST = (
    "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
)


def test_the_known_roots() -> None:
    assert root_of([]) == EMPTY_ROOT == Frontier().root()
    tree = Frontier()
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.append(leaf)
        assert tree.root().hex() == root
        assert Frontier(tree.size, tree.hashes).root() == tree.root()


def test_the_known_path() -> None:
    assert [one.hex() for one in inclusion_proof(LEAVES, 0)] == list(PATH_OF_THE_FIRST)


def test_a_frontier_has_one_hash_for_each_binary_digit_of_its_size() -> None:
    with pytest.raises(ValueError, match="a tree of 3 leaves has 2"):
        Frontier(3, LEAVES[:1])


@pytest.mark.parametrize("size", range(1, 18))
def test_proofs_of_every_place_and_beginning(size: int) -> None:
    leaves = [leaf_hash(b"%d" % number) for number in range(size)]
    root = root_of(leaves)
    for index in range(size):
        proof = inclusion_proof(leaves, index)
        assert root_from_inclusion(leaves[index], proof, index=index, size=size) == root
        assert root_from_inclusion(leaf_hash(b"other"), proof, index=index, size=size) != root
        with pytest.raises(ValueError, match="too long"):
            root_from_inclusion(leaves[index], [*proof, root], index=index, size=size)
        if proof:
            with pytest.raises(ValueError, match="too short"):
                root_from_inclusion(leaves[index], proof[:-1], index=index, size=size)
    for first in range(1, size + 1):
        old, path = root_of(leaves[:first]), consistency_proof(leaves, first)
        assert roots_from_consistency(path, first=first, second=size, root=old) == (old, root)
        if first < size:
            assert roots_from_consistency(path, first=first, second=size, root=leaf_hash(b"x")) != (old, root) or (
                first & (first - 1)
            )


def test_places_that_do_not_exist_are_refused() -> None:
    with pytest.raises(IndexError):
        inclusion_proof(LEAVES, 8)
    with pytest.raises(IndexError):
        consistency_proof(LEAVES, 9)
    with pytest.raises(ValueError, match="no leaf"):
        root_from_inclusion(LEAVES[0], [], index=1, size=1)
