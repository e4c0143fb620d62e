"""Read the cluster behind one customer: its records, the links between them, and which links alone hold it together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import duckdb

from dataflow.govern.review.pairs import IN_LAKE, pair_id_of, read_judgements, standing_text
from dataflow.resolve.judgements.explain import Pair
from dataflow.resolve.judgements.judgements import settle
from dataflow.resolve.judgements.messages import JudgementsNow
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.resolved import EDGE, XREF
from lakehouse.query import fetch_records

MOST_RECORDS = 200
"""More records than a person can look at; the largest clusters are cut long before."""


@dataclass(frozen=True, kw_only=True)
class ClusterRecord:
    """One source record of the customer, with the values that tell it apart."""

    record_id: str
    name: str | None
    email: str | None
    phone: str | None


@dataclass(frozen=True, kw_only=True)
class Link:
    """A scored or judged pair of two of the records. A bridge is the only link between its two sides."""

    pair_id: str
    left: str
    right: str
    probability: float | None
    standing: str
    is_bridge: bool


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The records of a customer, oldest id first, and their links, bridges first."""

    customer_id: str
    records: tuple[ClusterRecord, ...]
    links: tuple[Link, ...]

    def crossing(self, chosen: Iterable[str]) -> list[Link]:
        """Return the links between chosen records and the others: those that a split has to end."""
        inside = set(chosen)
        return [link for link in self.links if (link.left in inside) != (link.right in inside)]


def read_cluster(
    con: duckdb.DuckDBPyConnection, customer_id: str, *, judgements: JudgementsNow = IN_LAKE
) -> Cluster | None:
    """Return the cluster of a customer; None where there is no such customer."""
    rows = fetch_records(
        con,
        f"""
        SELECT record_id, coalesce(full_name, company_name) AS name, email, phone
        FROM {CUSTOMER_RECORD.sql_name} WHERE record_id IN
            (SELECT record_id FROM {XREF.sql_name} WHERE customer_id = ?)
        ORDER BY record_id LIMIT {MOST_RECORDS}
        """,
        [customer_id],
    )
    if not rows:
        return None
    records = tuple(ClusterRecord(**row) for row in rows)
    ids = [record.record_id for record in records]
    scored = con.execute(
        f"SELECT record_id_l, record_id_r, match_probability FROM {EDGE.sql_name}"
        " WHERE list_contains($1, record_id_l) AND list_contains($1, record_id_r) ORDER BY ALL",
        [ids],
    ).fetchall()
    links: dict[Pair, float | None] = {(left, right): chance for left, right, chance in scored}
    standing = {one.newest.pair: one for one in settle(read_judgements(con, judgements=judgements))}
    links |= {pair: None for pair in standing if pair not in links and {*pair} <= {*ids}}
    bridges = find_bridges(list(links))
    found = [
        Link(
            pair_id=pair_id_of(*pair),
            left=pair[0],
            right=pair[1],
            probability=chance,
            standing=standing_text(standing.get(pair)),
            is_bridge=pair in bridges,
        )
        for pair, chance in links.items()
    ]
    found.sort(key=lambda link: (not link.is_bridge, link.probability or 0.0, link.left, link.right))
    return Cluster(customer_id=customer_id, records=records, links=tuple(found))


def find_bridges(links: Sequence[Pair]) -> set[Pair]:
    """Return the links without which their two sides are no longer connected.

    Source: R. E. Tarjan, A note on finding the bridges of a graph (1974); with an explicit stack.
    """
    near: dict[str, list[tuple[str, Pair]]] = {}
    for pair in links:
        left, right = pair
        near.setdefault(left, []).append((right, pair))
        near.setdefault(right, []).append((left, pair))
    reached: dict[str, int] = {}
    lowest: dict[str, int] = {}
    bridges: set[Pair] = set()
    for root in near:
        if root in reached:
            continue
        reached[root] = lowest[root] = len(reached)
        stack = [(root, ("", ""), iter(near[root]))]
        while stack:
            here, came_by, rest = stack[-1]
            step = next(((there, pair) for there, pair in rest if pair != came_by), None)
            if step is None:
                stack.pop()
                if stack:
                    above = stack[-1][0]
                    lowest[above] = min(lowest[above], lowest[here])
                    if lowest[here] > reached[above]:
                        bridges.add(came_by)
            elif step[0] in reached:
                lowest[here] = min(lowest[here], reached[step[0]])
            else:
                there, pair = step
                reached[there] = lowest[there] = len(reached)
                stack.append((there, pair, iter(near[there])))
    return bridges
