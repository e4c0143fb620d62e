"""`dataflow bench ui`: the requests that it times are answered with pages, searches and decisions."""

from __future__ import annotations

from contextlib import closing

import pytest

from dataflow.access.pipeline import open_published
from dataflow.bench.workbench import PAGES, Reader, WorkbenchFigure, time_requests
from dataflow.errors import BenchmarkFailed
from tests.lib.servers.workbench import Workbench


def test_pages_searches_and_decisions_are_timed(workbench: Workbench) -> None:
    with open_published(workbench.settings) as con:
        [(name,)] = con.execute("SELECT min(full_name) FROM published.customer_360").fetchall()
    said: list[str] = []
    with closing(Reader.of(workbench.site.announce())) as reader:
        found = list(time_requests(reader, [str(name)], rounds=1, pairs=1, notify=said.append))
        with pytest.raises(BenchmarkFailed, match="404"):
            reader.page("/no-such-page")
    assert [(one.figure, one.requests) for one in found] == [
        ("pages", len(PAGES)),
        ("search", 1),
        ("key to next pair", 1),
    ]
    assert set(found[0].parts) == set(PAGES)
    assert all(0 < one.p50 <= one.p95 for one in found)


def test_a_target_is_of_19_of_20() -> None:
    figure = WorkbenchFigure(figure="pages", requests=20, p50=10, p95=151, first=10, most=150)
    assert figure.as_dict()["target"] == "MISSED (p95 ≤ 150 ms)"
