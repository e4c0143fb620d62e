"""Invisible characters in names, dropped from every text before it is normalised.

Control characters come from broken exports and keyboards, bidirectional controls from text that was copied out of a
browser or a mail program: with them a name is not the same name to a comparison, and another name to a reader.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.table import literal, quote

# They stand between words: vertical tab, form feed, the four separators, next line, line and paragraph separator.
_BLANK = r"\x0b\x0c\x1c-\x1f\x{85}\x{2028}\x{2029}"
# Other controls of C0 and C1, bidirectional controls (UAX #9), and the characters that are not seen and mean nothing in
# a name: soft hyphen, grapheme joiner, Hangul and Khmer fillers, zero-width space, word joiner and its neighbours, byte
# order mark, annotations, shorthand and musical controls, tags. Arabic number signs are also in Cf, but are seen.
_NOTHING = (
    r"\x00-\x08\x0e-\x1b\x7f-\x{84}\x{86}-\x{9f}\x{ad}\x{034f}\x{115f}\x{1160}\x{17b4}\x{17b5}"
    r"\x{061c}\x{200b}\x{200e}\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{3164}\x{feff}\x{ffa0}\x{fff0}-\x{fffb}"
    r"\x{1bca0}-\x{1bca3}\x{1d173}-\x{1d17a}\x{e0000}-\x{e00ff}\x{e01f0}-\x{e0fff}"
)
# Joiners shape Persian and Indic words, and emoji; variation selectors choose the form of an ideograph, which
# Japanese and Chinese names differ by, of a Mongolian letter or of an emoji. After these scripts they shape nothing.
_SHAPING = r"\x{180b}-\x{180f}\x{200c}\x{200d}\x{fe00}-\x{fe0f}\x{e0100}-\x{e01ef}"
_NOT_SHAPED = r"\x00-\x7f\p{Latin}\p{Greek}\p{Cyrillic}"


def without_unseen(text: str) -> str:
    """Return the SQL of the text without invisible characters; `text` is SQL."""
    blanks = f"regexp_replace({text}, {literal(f'[{_BLANK}]+')}, ' ', 'g')"
    rest = f"regexp_replace({blanks}, {literal(f'[{_NOTHING}]+')}, '', 'g')"
    return f"regexp_replace({rest}, {literal(f'(^|[{_NOT_SHAPED}])[{_SHAPING}]+')}, {literal(chr(92) + '1')}, 'g')"


def drop_unseen_sql(table: str, columns: Sequence[str]) -> str:
    """UPDATE of text columns of a table; `table` is SQL. Rows without such a character are only looked at, once."""
    changes = ", ".join(f"{quote(column)} = {without_unseen(quote(column))}" for column in columns)
    whole = f"concat_ws('', {', '.join(map(quote, columns))})"
    return f"UPDATE {table} SET {changes} WHERE regexp_matches({whole}, {literal(f'[{_BLANK}{_NOTHING}{_SHAPING}]')})"
