"""Dead letters in the hands of an operator."""

from collections.abc import Iterator

import pytest

from dataflow.errors import UsageError
from dataflow.govern.dead_letters import (
    LetterFilter,
    count_letters,
    discard_letters,
    list_letters,
    replay_letters,
    show_letter,
)
from dataflow.settings import load_settings
from lakehouse import Lake
from tests.lib.raw_rows import opened_lake

LETTERS = [
    ("aaaaaa01", "orders", ["at_least", "currency"], "open"),
    ("aaaaaa02", "orders", ["currency"], "open"),
    ("bbbbbb03", "people", ["email"], "open"),
    ("cccccc04", "people", ["email"], "resolved"),
]
OPEN = LetterFilter()


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


def ids(lake: Lake, chosen: LetterFilter) -> list[str]:
    return [letter.id for letter in list_letters(lake.con, chosen)]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        (OPEN, ["aaaaaa01", "aaaaaa02", "bbbbbb03"]),
        (LetterFilter(statuses=()), ["aaaaaa01", "aaaaaa02", "bbbbbb03", "cccccc04"]),
        (LetterFilter(object="people"), ["bbbbbb03"]),
        (LetterFilter(source="elsewhere"), []),
        (LetterFilter(rule="currency"), ["aaaaaa01", "aaaaaa02"]),
        (LetterFilter(ids=("bbbbbb",)), ["bbbbbb03"]),
    ],
)
def test_letters_are_listed_by_what_was_asked_for(lake: Lake, chosen: LetterFilter, expected: list[str]) -> None:
    assert ids(lake, chosen) == expected


def test_letters_are_counted_by_object_and_first_rule(lake: Lake) -> None:
    found = [
        (one.object, one.rule, one.status, one.count) for one in count_letters(lake.con, LetterFilter(statuses=()))
    ]
    assert found == [
        ("orders", "at_least", "open", 1),
        ("orders", "currency", "open", 1),
        ("people", "email", "open", 1),
        ("people", "email", "resolved", 1),
    ]


def test_a_payload_is_shown_only_when_asked_for(lake: Lake) -> None:
    assert show_letter(lake.con, "aaaaaa01").payload is None
    assert show_letter(lake.con, "aaaaaa01", with_payload=True).payload == "the payload"
    assert [letter.payload for letter in list_letters(lake.con, OPEN)] == [None] * 3


@pytest.mark.parametrize(
    ("wanted", "told"), [("dddddd", "No dead letter has"), ("aaaaaa", "Several dead letters have")]
)
def test_an_id_names_one_letter(lake: Lake, wanted: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        show_letter(lake.con, wanted)


def test_replay_marks_open_letters(lake: Lake) -> None:
    assert replay_letters(lake, LetterFilter(rule="currency")) == 2
    assert ids(lake, LetterFilter(statuses=("replaying",))) == ["aaaaaa01", "aaaaaa02"]
    assert lake.snapshot().message == "replay 2 dead letters"


def test_replay_of_nothing_commits_nothing(lake: Lake) -> None:
    before = lake.snapshot().id
    assert replay_letters(lake, LetterFilter(rule="no_such_rule")) == 0
    assert lake.snapshot().id == before


def test_discarding_keeps_who_and_why(lake: Lake) -> None:
    assert discard_letters(lake, LetterFilter(ids=("bbbbbb",)), who="steward", why="a test account") == 1
    letter = show_letter(lake.con, "bbbbbb03")
    assert (letter.status, letter.decided_by, letter.decision_reason) == ("discarded", "steward", "a test account")
    assert lake.snapshot().author == "steward"
    assert replay_letters(lake, LetterFilter(ids=("bbbbbb",))) == 1


@pytest.mark.parametrize(("who", "why"), [("", "why"), ("who", " ")])
def test_discarding_needs_a_person_and_a_reason(lake: Lake, who: str, why: str) -> None:
    with pytest.raises(UsageError, match="who decides it and why"):
        discard_letters(lake, OPEN, who=who, why=why)


def test_a_closed_letter_cannot_be_decided(lake: Lake) -> None:
    with pytest.raises(UsageError, match="begins with cccccc"):
        replay_letters(lake, LetterFilter(ids=("cccccc",)))


@pytest.mark.parametrize("wrong", [{"statuses": ("shut",)}, {"ids": ("abc",)}, {"ids": ("aaaaaa%' OR 1",)}])
def test_a_wrong_filter_is_refused(wrong: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError):
        LetterFilter(**wrong)  # type: ignore[arg-type]
