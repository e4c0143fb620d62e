"""Invisible characters are dropped from a name; characters that shape a word in its script stay."""

import pytest

from dataflow.conform.unseen import drop_unseen_sql, without_unseen
from lakehouse.connect import connect


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Zoë O'Brien-李 🙂", "Zoë O'Brien-李 🙂"),
        ("Ann\x1b[31mLee\x07", "Ann[31mLee"),
        ("\ufeffAnn\x00\x7f\x9b Lee", "Ann Lee"),
        ("\u202a+44 20 7946 0000\u202c", "+44 20 7946 0000"),
        ("Ann\u202eeeL\u2066x\u2069\u200e\u200f\u061c", "AnneeLx"),
        ("High St\x0bFlat 4\x85London\u2028UK", "High St Flat 4 London UK"),
        ("High St\r\nFlat\t4", "High St\r\nFlat\t4"),
        ("A\u200bnn Jo\u200dhn\u200c Müller\u200d", "Ann John Müller"),
        ("\u200cAnn", "Ann"),
        # Persian, Devanagari, Malayalam with its chillu at the end, a family of emoji: joiners shape them
        ("علی\u200cرضا می\u200cخواهم", "علی\u200cرضا می\u200cخواهم"),
        ("क्\u200dष क्\u200cष", "क्\u200dष क्\u200cष"),
        ("അവന്\u200d", "അവന്\u200d"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        # soft hyphen, grapheme joiner, fillers, inherent vowel, deprecated formats, annotation, tags
        ("A\xadn\u034fn\u115f\u1160\u3164\uffa0\u17b4\u206a\ufff9\U000e0041\U000e0001", "Ann"),
        ("A\ufe0fn\u180en\U000e0100 Lee\u180b", "Ann Lee"),
        # an ideograph by its variation selector, a Mongolian vowel separator, an emoji, an Arabic number sign
        ("\u8fbb\U000e0101", "\u8fbb\U000e0101"),
        ("\u8fbb\ufe00", "\u8fbb\ufe00"),
        ("\u182e\u180e\u1820", "\u182e\u180e\u1820"),
        ("\u2764\ufe0f", "\u2764\ufe0f"),
        ("\u0600\u0661", "\u0600\u0661"),
        ("", ""),
        (None, None),
    ],
)
def test_what_is_left(text: str | None, left: str | None) -> None:
    with connect() as con:
        assert con.execute(f"SELECT {without_unseen('$1::VARCHAR')}", [text]).fetchone() == (left,)


def test_only_rows_that_hold_such_a_character_are_written() -> None:
    with connect() as con:
        con.execute("CREATE TABLE t AS SELECT * FROM (VALUES ('a', 'b'), ('c', e'd\\x1b'), (NULL, NULL)) v (x, y)")
        assert con.execute(drop_unseen_sql("t", ["x", "y"])).fetchone() == (1,)
        assert con.execute("FROM t").fetchall() == [("a", "b"), ("c", "d"), (None, None)]
