"""The key anti-join: which of the known keys the source holds no more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.sources.salesforce.deletions import missing_keys

KEYS = st.sets(st.text("ab01", min_size=1, max_size=4), max_size=30)


@given(KEYS, KEYS)
def test_it_is_the_difference_of_two_sets(known: set[str], held: set[str]) -> None:
    pages = [sorted(held)[place : place + 7] for place in range(0, len(held), 7)]
    assert list(missing_keys(iter(sorted(known)), lambda: pages)) == sorted(known - held)


def test_no_key_is_named_unless_all_of_the_sources_keys_came() -> None:
    def broken() -> Iterator[list[str]]:
        yield ["a"]
        raise ConnectionError

    named = []
    with pytest.raises(ConnectionError):
        named += missing_keys(iter(["a", "b"]), broken)
    assert named == []
