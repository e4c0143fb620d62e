"""Bridges of a cluster are the links without which it falls apart, whatever the graph."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.govern.review.cluster import Cluster, Link, find_bridges

Pairs = list[tuple[str, str]]


@pytest.mark.parametrize(
    ("links", "bridges"),
    [
        ([], []),
        (["ab"], ["ab"]),
        (["ab", "bc", "ac"], []),
        (["ab", "bc", "ac", "cd", "de", "ef", "df"], ["cd"]),
        (["ab", "bc", "cd"], ["ab", "bc", "cd"]),
        (["ab", "cd"], ["ab", "cd"]),
    ],
)
def test_bridges_of_small_graphs(links: list[str], bridges: list[str]) -> None:
    assert find_bridges([(one[0], one[1]) for one in links]) == {(one[0], one[1]) for one in bridges}


def parts(links: Pairs, records: set[str]) -> int:
    """How many parts the links leave of the records: each record takes the name of its part."""
    named = {record: record for record in records}
    for left, right in links:
        old, new = named[left], named[right]
        named = {record: new if name == old else name for record, name in named.items()}
    return len(set(named.values()))


@given(st.sets(st.tuples(st.sampled_from("abcdefg"), st.sampled_from("abcdefg")).filter(lambda one: one[0] < one[1])))
def test_a_bridge_is_what_its_absence_shows(links: set[tuple[str, str]]) -> None:
    records = {record for pair in links for record in pair}
    whole = parts(list(links), records)
    expected = {link for link in links if parts(list(links - {link}), records) > whole}
    assert find_bridges(sorted(links)) == expected


def test_a_split_ends_the_links_that_cross() -> None:
    links = tuple(
        Link(pair_id=one, left=one[0], right=one[1], probability=0.9, standing="", is_bridge=False)
        for one in ("ab", "bc", "cd", "ad")
    )
    cluster = Cluster(customer_id="x", records=(), links=links)
    assert [link.pair_id for link in cluster.crossing("ab")] == ["bc", "ad"]
    assert cluster.crossing("") == []
