"""How lists of words are read, found and versioned."""

from datetime import date
from types import ModuleType

import duckdb
import pytest
from anyascii import anyascii

from dataflow.resolve.comparisons import company
from dataflow.resolve.records import match_record, normaliser
from dataflow.resolve.records.normaliser import FOLDED_WITH, folded_sql
from dataflow.vocabulary import LISTS, VOCABULARY_VERSION, WordList, _find_lists, version_of
from dataflow.vocabulary.companies import FORM_OF_WORD, FORM_WORDS
from dataflow.vocabulary.lists import any_of, fold_words, plain, spelt
from lakehouse.table import literal


def listed(name: str, *words: str) -> WordList:
    return WordList(name=name, source="a test", as_of="2026-01-01", means=plain("", *words))


def test_every_list_says_where_it_comes_from_and_as_of_when() -> None:
    assert len(LISTS) > 25
    for one in LISTS.values():
        assert one.means
        assert len(one.source) > 10
        assert date(2026, 1, 1) <= date.fromisoformat(one.as_of)


def test_entries_are_written_as_they_are_looked_up() -> None:
    capitals = {name: [w for w in one if w != w.lower()] for name, one in LISTS.items()}
    # Capitals distinguish these from words.
    assert {name for name, found in capitals.items() if found} == {"legal forms before the name", "no value anywhere"}
    assert [w for one in LISTS.values() for w in one if w != w.strip() or not w] == []


def test_plain_words_and_spellings() -> None:
    assert plain("a b", "c d") == {"a": "a", "b": "b", "c d": "c d"}
    assert spelt({"jr": "jr junior", "sr": "sr"}) == {"jr": "jr", "junior": "jr", "sr": "sr"}


def test_an_entry_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'a' twice"):
        plain("a b a")
    with pytest.raises(ValueError, match="'junior' twice"):
        spelt({"jr": "junior", "ii": "junior"})


def test_two_lists_of_one_name_are_refused() -> None:
    first, second = ModuleType("first"), ModuleType("second")
    first.A = first.B = listed("names", "x")  # type: ignore[attr-defined]
    assert list(_find_lists(first)) == ["names"]
    second.C = listed("names", "y")  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="two lists named 'names'"):
        _find_lists(first, second)


def test_a_version_follows_the_entries_and_nothing_else() -> None:
    a, b = listed("a", "x", "y"), listed("b", "x")
    assert version_of(a, b) == version_of(b, a) == version_of(listed("a", "y", "x"), b)
    assert (
        len({version_of(a, b), version_of(a), version_of(listed("a", "x"), b), version_of(listed("a", "x", "z"))}) == 4
    )
    assert version_of(*LISTS.values()) == VOCABULARY_VERSION


def test_every_list_that_a_match_record_is_made_with_is_in_its_version() -> None:
    used = {
        value.name
        for module in (match_record, normaliser, company)
        for value in vars(module).values()
        if isinstance(value, WordList)
    }
    # what FORM_WORDS, FORM_OF_WORD and free_mail_sql are made of
    used |= {"legal forms", "parts of legal forms", "legal forms that are words", "free mail", "brands of free mail"}
    assert used == {one.name for one in FOLDED_WITH}


@pytest.mark.parametrize(
    "word", ["fräulein", "dipl-ing", "n/a", "n.a.", "o'", "haftungsbeschränkt", "not available", "--"]
)
def test_words_are_folded_as_records_are(word: str) -> None:
    (plain_word,) = fold_words([word]) or (None,)
    assert duckdb.execute(f"SELECT {folded_sql(literal(anyascii(word)))}").fetchall() == [(plain_word,)]


def test_alternatives_stand_longest_first() -> None:
    assert any_of(["ii", "jr", "iii", "i"]) == "iii|ii|jr|i"


def test_legal_forms_that_are_words_stay_in_folded_names() -> None:
    assert {"gmbh", "limited", "group", "sp z oo", "haftungsbeschrankt", "oyj"} <= set(FORM_WORDS)
    assert {"me", "ae", "sc", "ike"}.isdisjoint(FORM_WORDS)
    assert (FORM_OF_WORD["limited"], FORM_OF_WORD["oyj"], FORM_OF_WORD.get("ltd")) == ("ltd", "oy", None)
