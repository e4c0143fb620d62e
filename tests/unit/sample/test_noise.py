"""Small slips on one value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.sample.noise import digit_off, initial, look_alike, typo, typo_email
from dataflow.sample.scripts import other_romanisation, romanise, slug, without_marks

WORDS = st.text(st.characters(categories=("L",)), min_size=3, max_size=20)
DICE = st.integers(0, 2**31 - 1)


@given(WORDS, DICE)
def test_a_typo_keeps_the_first_letter_and_moves_at_most_two_letters_in_length(word: str, dice: int) -> None:
    slipped = typo(word, dice)
    assert slipped[0] == word[0]
    assert abs(len(slipped) - len(word)) <= 2


@given(st.from_regex(r"[a-z]{2,9}\.[a-z]{2,9}@(gmail|gmx)\.(com|de)", fullmatch=True), DICE)
def test_a_mistyped_mailbox_is_still_well_formed(address: str, dice: int) -> None:
    local, _, domain = typo_email(address, dice).partition("@")
    assert local
    assert not local.startswith(".")
    assert ".." not in local
    assert "." in domain
    assert "@" not in domain


@given(st.from_regex(r"\+[1-9][0-9]{9,12}", fullmatch=True), DICE)
def test_one_digit_off_is_one_digit_off(number: str, dice: int) -> None:
    other = digit_off(number, dice)
    assert len(other) == len(number)
    assert sum(a != b for a, b in zip(number, other, strict=True)) == 1


@pytest.mark.parametrize(
    ("name", "script", "latin"),
    [("Щукина Юлия", "cyrillic", "Shchukina Yuliya"), ("Παπαδόπουλος", "greek", "Papadopoulos")],
)
def test_names_are_romanised(name: str, script: str, latin: str) -> None:
    assert romanise(name, script) == latin


@pytest.mark.parametrize(
    ("name", "plain", "mailbox"),
    [("Łódź", "Lodz", "lodz"), ("O'Brien", "O'Brien", "obrien"), ("Weiß", "Weiss", "weiss")],
)
def test_marks_can_be_dropped(name: str, plain: str, mailbox: str) -> None:
    assert without_marks(name) == plain
    assert slug(name) == mailbox


def test_other_slips() -> None:
    assert initial("Anna", 1) == "A."
    assert look_alike("Paola", 0) != "Paola"
    assert len(look_alike("Paola", 0)) == 5
    assert other_romanisation("Tanya", 0) == "Tania"
