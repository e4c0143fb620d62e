"""Listing, replaying and discarding dead letters."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dataflow.errors import UsageError
from dataflow.govern.dead_letter_causes import list_causes
from dataflow.govern.dead_letters import (
    DeadLetter,
    DeadLetterFilter,
    count_dead_letters,
    discard_dead_letters,
    list_dead_letters,
    replay_dead_letters,
    require_known,
    show_dead_letter,
)
from dataflow.settings import load_settings
from dataflow.validate.dead_letter_decisions import DeadLettersNow, lay_over_dead_letters
from lakehouse import Inbox, Lake, Message, MessageFolder
from tests.lib.raw_rows import opened_lake

LETTERS = [
    ("aaaaaa01", "orders", ["at_least", "currency"], "open"),
    ("aaaaaa02", "orders", ["currency"], "open"),
    ("bbbbbb03", "people", ["email"], "open"),
    ("cccccc04", "people", ["email"], "resolved"),
]
OPEN = DeadLetterFilter()
NOW = datetime(2026, 1, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    settings = load_settings(home=tmp_path_factory.mktemp("home"))
    with opened_lake(settings, schemas=("ops",)) as lake:
        yield lake


@pytest.fixture
def lake(shared: Lake) -> Lake:
    rows = ", ".join(
        f"('{number}', 'shop', '{name}', 'k', 'h', 'the payload', 'validate', '{rules[0]}', {rules}, 'words', "
        f"'{status}', 1, '2026-01-01', '2026-01-02', 'run-1')"
        for number, name, rules, status in LETTERS
    )
    shared.con.execute("DELETE FROM lake.ops.dead_letters")
    shared.con.execute(f"""
        INSERT INTO lake.ops.dead_letters (dead_letter_id, _source, _object, _record_key, _row_hash, payload, stage,
            rule, rules, reason, status, attempts, first_seen_at, last_seen_at, _run_id) VALUES {rows}
    """)
    return shared


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (DeadLetterFilter(source="shpo"), "There is no source shpo. Did you mean shop?"),
        (DeadLetterFilter(object="order"), "There is no object order. Did you mean orders?"),
        (DeadLetterFilter(rule="e-mail"), "There is no rule e-mail. Did you mean email?"),
    ],
)
def test_a_name_that_nothing_has_is_refused(lake: Lake, tmp_path: Path, chosen: DeadLetterFilter, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        require_known(lake.con, chosen, load_settings(home=tmp_path))


def test_what_is_declared_or_once_was_is_known(lake: Lake, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    for chosen in (
        DeadLetterFilter(source="shop", object="people", rule="at_least"),
        DeadLetterFilter(source="tickets", object="ticket", rule="type"),
        OPEN,
    ):
        require_known(lake.con, chosen, settings)


class Desk:
    """An operator before the dead letters of a lake and its inbox; what waits is laid over all that is read."""

    def __init__(self, lake: Lake, inbox: Inbox) -> None:
        self.lake, self.inbox = lake, inbox

    def dead_letters(self) -> DeadLettersNow:
        return lay_over_dead_letters(self.lake.con, self.inbox.read())

    def replay(self, chosen: DeadLetterFilter) -> int:
        return replay_dead_letters(
            self.lake.con, self.inbox, chosen, who="ann", now=NOW, dead_letters=self.dead_letters()
        )

    def discard(self, chosen: DeadLetterFilter, who: str = "ann", why: str = "as it is") -> int:
        dead_letters = self.dead_letters()
        return discard_dead_letters(
            self.lake.con, self.inbox, chosen, who=who, why=why, now=NOW, dead_letters=dead_letters
        )

    def list(self, chosen: DeadLetterFilter) -> list[DeadLetter]:
        return list_dead_letters(self.lake.con, chosen, dead_letters=self.dead_letters())

    def ids(self, chosen: DeadLetterFilter) -> Sequence[str]:
        return [one.id for one in self.list(chosen)]

    def show(self, dead_letter_id: str) -> DeadLetter:
        return show_dead_letter(self.lake.con, dead_letter_id, dead_letters=self.dead_letters())

    def counts(self) -> Sequence[tuple[str, str, int]]:
        found = count_dead_letters(self.lake.con, OPEN, dead_letters=self.dead_letters())
        return [(one.object, one.rule, one.count) for one in found]

    def waiting(self) -> Sequence[Message]:
        return self.inbox.read().messages


@pytest.fixture
def desk(lake: Lake, tmp_path: Path) -> Desk:
    return Desk(lake, Inbox(MessageFolder(tmp_path / "inbox")))


def ids(lake: Lake, chosen: DeadLetterFilter) -> list[str]:
    return [one.id for one in list_dead_letters(lake.con, chosen)]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (OPEN, ["aaaaaa01", "aaaaaa02", "bbbbbb03"]),
        (DeadLetterFilter(statuses=()), ["aaaaaa01", "aaaaaa02", "bbbbbb03", "cccccc04"]),
        (DeadLetterFilter(object="people"), ["bbbbbb03"]),
        (DeadLetterFilter(source="elsewhere"), []),
        (DeadLetterFilter(rule="currency"), ["aaaaaa01", "aaaaaa02"]),
        (DeadLetterFilter(ids=("bbbbbb",)), ["bbbbbb03"]),
    ],
)
def test_dead_letters_are_listed_by_the_filter(lake: Lake, chosen: DeadLetterFilter, expected: list[str]) -> None:
    assert ids(lake, chosen) == expected


def test_dead_letters_are_counted_by_object_and_first_rule(lake: Lake) -> None:
    found = [
        (one.object, one.rule, one.status, one.count)
        for one in count_dead_letters(lake.con, DeadLetterFilter(statuses=()))
    ]
    assert found == [
        ("orders", "at_least", "open", 1),
        ("orders", "currency", "open", 1),
        ("people", "email", "open", 1),
        ("people", "email", "resolved", 1),
    ]


def test_a_payload_is_shown_only_when_asked_for(lake: Lake) -> None:
    assert show_dead_letter(lake.con, "aaaaaa01").payload is None
    assert show_dead_letter(lake.con, "aaaaaa01", with_payload=True).payload == "the payload"
    assert [one.payload for one in list_dead_letters(lake.con, OPEN)] == [None] * 3


@pytest.mark.parametrize(
    ("wanted", "told"), [("dddddd", "No dead letter has"), ("aaaaaa", "Several dead letters have")]
)
def test_an_id_names_one_dead_letter(lake: Lake, wanted: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        show_dead_letter(lake.con, wanted)


def test_a_replay_waits_for_the_next_run_and_is_seen_immediately(desk: Desk) -> None:
    before = desk.lake.snapshot().id
    assert desk.replay(DeadLetterFilter(rule="currency")) == 2
    assert desk.ids(DeadLetterFilter(statuses=("replaying",))) == ["aaaaaa01", "aaaaaa02"]
    assert desk.ids(OPEN) == ["bbbbbb03"]
    assert {one.is_waiting for one in desk.list(DeadLetterFilter(rule="currency", statuses=()))} == {True}
    assert {one.is_waiting for one in desk.list(OPEN)} == {False}
    assert ids(desk.lake, OPEN) == ["aaaaaa01", "aaaaaa02", "bbbbbb03"]
    assert desk.lake.snapshot().id == before


def test_replay_of_nothing_writes_nothing(desk: Desk) -> None:
    assert desk.replay(DeadLetterFilter(rule="no_such_rule")) == 0
    assert desk.waiting() == ()


def test_discarding_keeps_who_and_why(desk: Desk) -> None:
    assert desk.discard(DeadLetterFilter(ids=("bbbbbb",)), who="steward", why="a test account") == 1
    one = desk.show("bbbbbb03")
    assert (one.status, one.decided_by, one.decision_reason) == (
        "discarded",
        "steward",
        "a test account",
    )
    [message] = desk.waiting()
    assert (message.author, message.body["dead_letter_ids"]) == ("steward", ["bbbbbb03"])


def test_of_several_decisions_before_a_run_the_last_stands(desk: Desk) -> None:
    one = DeadLetterFilter(ids=("bbbbbb",))
    assert desk.discard(one) == 1
    with pytest.raises(UsageError, match="begins with bbbbbb"):
        desk.discard(one)
    assert desk.replay(one) == 1
    assert desk.show("bbbbbb03").status == "replaying"
    assert desk.discard(one) == 1
    assert desk.counts() == [("orders", "at_least", 1), ("orders", "currency", 1)]
    assert len(desk.waiting()) == 3


def test_a_decision_on_many_is_several_messages(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataflow.govern.dead_letters.MOST_IDS", 2)
    assert desk.discard(OPEN) == 3
    assert [message.body["dead_letter_ids"] for message in desk.waiting()] == [["aaaaaa01", "aaaaaa02"], ["bbbbbb03"]]
    assert desk.ids(OPEN) == []


def test_a_message_that_is_no_decision_changes_nothing(desk: Desk) -> None:
    desk.inbox.write("letter_decision", author="ann", body={"decision": "burn"}, now=NOW)
    desk.inbox.write("judgement", author="ann", body={}, now=NOW)
    assert desk.ids(OPEN) == ["aaaaaa01", "aaaaaa02", "bbbbbb03"]


@pytest.mark.parametrize(
    ("who", "why", "told"),
    [
        ("", "why", "the person who decides it and a reason"),
        ("who", " ", "the person who decides it and a reason"),
        ("who", "x" * 5_000, "at most 4,000 characters"),
        ("who", "\udcff", "not UTF-8"),
    ],
)
def test_discarding_needs_a_person_and_a_reason(desk: Desk, who: str, why: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        desk.discard(OPEN, who=who, why=why)
    assert desk.waiting() == ()


def test_a_closed_dead_letter_cannot_be_decided(desk: Desk) -> None:
    with pytest.raises(UsageError, match="begins with cccccc"):
        desk.replay(DeadLetterFilter(ids=("cccccc",)))


@pytest.mark.parametrize("wrong", [{"statuses": ("shut",)}, {"ids": ("abc",)}, {"ids": ("aaaaaa%' OR 1",)}])
def test_a_wrong_filter_is_refused(wrong: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError):
        DeadLetterFilter(**wrong)  # type: ignore[arg-type]


def test_causes_are_grouped_with_what_settled_most_of_them(lake: Lake, tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    lake.con.execute("UPDATE lake.ops.dead_letters SET reason = 'amount is not a DOUBLE' WHERE _object = 'orders'")
    first, *others = list_causes(lake.con, OPEN, settings)
    assert (first.object, first.rule, first.rows) == ("orders", "at_least", 1)
    assert "the check at_least of [sources.shop.objects.orders]" in first.likeliest_fix
    assert [(one.rule, one.rows) for one in others] == [("currency", 1), ("email", 1)]
    for status, move in (("superseded", "wait for the source"), ("resolved", "`dataflow dlq replay --source shop")):
        lake.con.execute(f"""
            INSERT INTO lake.ops.dead_letters SELECT * EXCLUDE (n) REPLACE (dead_letter_id || n AS dead_letter_id,
                '{status}' AS status) FROM lake.ops.dead_letters, range(9) AS r(n) WHERE dead_letter_id = 'bbbbbb03'
        """)
        [found] = list_causes(lake.con, DeadLetterFilter(object="people"), settings)
        assert (found.rows, move in found.likeliest_fix) == (1, True)
