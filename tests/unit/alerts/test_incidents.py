"""The state of an incident follows from its events, in whatever order and how often they arrive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.alerts.incidents import derive_incidents, key_of_incident, open_incidents
from dataflow.tables.ops.incidents import EVENT_KINDS
from dataflow.workspace.incident_events import IncidentEvent

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(number: int, kind: str, *, key: str = "k", author: str | None = None) -> IncidentEvent:
    """The event of this number in time."""
    return IncidentEvent(
        event_id=f"{number:04}",
        incident_key=key,
        kind=kind,
        rule="AuditRefused",
        object="publication",
        cause="audit",
        severity="error",
        owner="engineer",
        summary=f"found {number}",
        run_id=f"run-{number}",
        author=author,
        occurred_at=NOON + timedelta(minutes=number),
    )


@pytest.mark.parametrize(
    ("kinds", "states"),
    [
        ((), []),
        (("opened",), [("open", 1)]),
        # Two workers that look at the same time both open it.
        (("opened", "opened", "seen"), [("open", 3)]),
        (("opened", "acknowledged"), [("acknowledged", 1)]),
        (("opened", "acknowledged", "seen"), [("acknowledged", 2)]),
        (("opened", "acknowledged", "resolved"), [("resolved", 1)]),
        (("opened", "resolved", "resolved", "acknowledged"), [("resolved", 1)]),
        (("opened", "resolved", "seen"), [("resolved", 1), ("open", 1)]),
        (("resolved", "acknowledged"), []),
    ],
)
def test_the_state_after_events(kinds: tuple[str, ...], states: list[tuple[str, int]]) -> None:
    found = derive_incidents(event(number, kind) for number, kind in enumerate(kinds))
    assert [(one.state, one.seen) for one in found] == states


@given(
    kinds=st.lists(st.tuples(st.sampled_from(EVENT_KINDS), st.sampled_from("ab")), max_size=12),
    data=st.data(),
)
def test_the_order_of_arrival_does_not_matter(kinds: list[tuple[str, str]], data: st.DataObject) -> None:
    events = [event(number, kind, key=key) for number, (kind, key) in enumerate(kinds)]
    arrived = data.draw(
        st.permutations([*events, *data.draw(st.lists(st.sampled_from(events)) if events else st.just([]))])
    )
    assert derive_incidents(arrived) == derive_incidents(events)
    for key in "ab":
        of_key = [one.kind for one in events if one.incident_key == key]
        assert (key in open_incidents(events)) == _is_open(of_key)


def _is_open(kinds: list[str]) -> bool:
    """The same by a plain rule: something was found after the last event that resolved."""
    while "resolved" in kinds:
        kinds = kinds[kinds.index("resolved") + 1 :]
    return "opened" in kinds or "seen" in kinds


def test_who_and_when() -> None:
    [found] = derive_incidents([event(0, "opened"), event(1, "acknowledged", author="ann"), event(2, "resolved")])
    assert (found.acknowledged_by, found.resolved_by, found.opened_by) == ("ann", "run-2", "run-0")
    assert (found.opened_at, found.resolved_at) == (NOON, NOON + timedelta(minutes=2))


def test_the_key_differs_by_each_part() -> None:
    parts = [
        ("lake", "rule", "object", "cause"),
        ("lake2", "rule", "object", "cause"),
        ("lake", "rule", "objectc", "ause"),
    ]
    keys = {key_of_incident(*one) for one in parts}
    assert len(keys) == 3
    assert key_of_incident(*parts[0]) in keys
