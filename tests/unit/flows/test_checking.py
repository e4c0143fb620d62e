"""What the check answers: what was compared, what is gone, what was not compared."""

from __future__ import annotations

from datetime import UTC, datetime

from dataflow.land import Checked
from dataflow.sources import PlannedWindow, Window, WindowMeasure
from dataflow.sources.protocol import BEGINNING, END
from flows.checking import _message


def checked(source: str, name: str, *, rows: int, start: datetime = BEGINNING) -> Checked:
    measure = WindowMeasure(rows, "")
    return Checked(PlannedWindow(source, name, Window(start, END), (), ""), measure, measure)


def test_it_says_what_is_gone_and_what_was_not_compared() -> None:
    found = [
        checked("shop", "orders", rows=1_200),
        checked("desk", "ticket", rows=3, start=datetime(2026, 3, 1, tzinfo=UTC)),
    ]
    gone = {("shop", "orders"): 1}
    assert _message(found, gone, {("desk", "ticket"): "a source of kind files cannot be asked for its keys"}) == (
        "2 objects compared with their sources, which hold 1,203 rows; from 2026-03-01 on: desk.ticket; "
        "gone at the source: 1 record of shop.orders; the next run deletes it; "
        "not compared for deletions: desk.ticket (a source of kind files cannot be asked for its keys)"
    )


def test_it_claims_nothing_where_nothing_was_compared() -> None:
    assert _message([], {}, {}) == "no object compared with its source; no record found that is gone at its source"


def test_it_names_a_few_objects_and_counts_the_rest() -> None:
    reasons = {("s", str(number)): "x" for number in range(5)}
    assert _message([], {}, reasons).endswith("not compared for deletions: s.0 (x), s.1 (x), s.2 (x) and 2 more")
