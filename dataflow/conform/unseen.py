"""Invisible characters in names, dropped from every text before it is normalised.

Control characters come from broken exports and keyboards, bidirectional controls from text that was copied out of a
browser or a mail program: with them a name is not the same name to a comparison, and another name to a reader.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.table import literal, quote

# They stand between words: vertical tab, form feed, the four separators, next line, line and paragraph separator.
_BLANK = r"\x0b\x0c\x1c-\x1f\x{85}\x{2028}\x{2029}"
# Other controls of C0 and C1, bidirectional controls (UAX #9), invisible characters without a meaning in a name:
# zero-width space, word joiner and its neighbours, byte order mark.
_NOTHING = (
    r"\x00-\x08\x0e-\x1b\x7f-\x{84}\x{86}-\x{9f}"
    r"\x{061c}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}"
)
# Joiners shape Persian and Indic words, and emoji; after these scripts they shape nothing.
_JOINERS = r"\x{200c}\x{200d}"
_NOT_JOINED = r"\x00-\x7f\p{Latin}\p{Greek}\p{Cyrillic}"


def without_unseen(text: str) -> str:
    """Return the SQL of the text without invisible characters; `text` is SQL."""
    blanks = f"regexp_replace({text}, {literal(f'[{_BLANK}]+')}, ' ', 'g')"
    rest = f"regexp_replace({blanks}, {literal(f'[{_NOTHING}]+')}, '', 'g')"
    return f"regexp_replace({rest}, {literal(f'(^|[{_NOT_JOINED}])[{_JOINERS}]+')}, {literal(chr(92) + '1')}, 'g')"


def drop_unseen_sql(table: str, columns: Sequence[str]) -> str:
    """UPDATE of text columns of a table; `table` is SQL. Rows without such a character are only looked at, once."""
    changes = ", ".join(f"{quote(column)} = {without_unseen(quote(column))}" for column in columns)
    whole = f"concat_ws('', {', '.join(map(quote, columns))})"
    return f"UPDATE {table} SET {changes} WHERE regexp_matches({whole}, {literal(f'[{_BLANK}{_NOTHING}{_JOINERS}]')})"
