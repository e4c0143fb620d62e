"""Make text from outside safe to show: characters that control a terminal or a page become escapes."""

from __future__ import annotations

import json
import re

# Control characters (C0, DEL, C1) move the cursor, set the window title or type for the user; bidirectional controls
# and other format characters change what the text looks like; U+2028 and U+2029 end lines; a lone surrogate cannot be
# encoded; fillers, variation selectors and tags are not seen. So: the categories Cc, Cf, Cs, Zl and Zp and the property
# Default_Ignorable_Code_Point, but for the joiners U+200C and U+200D: Persian and Indic names are spelt with them.
# Source: Unicode 16, UnicodeData.txt and DerivedCoreProperties.txt.
_UNSAFE = (
    r"\x00-\x1f\x7f-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_WRITTEN = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
# What an escape looks like. Backslashes before one that the text already has are doubled, and only those: different
# texts stay different, and `C:\data` stays unchanged.
_LOOKS_WRITTEN = r"[tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}"
_TO_WRITE = re.compile(rf"(\\*)([{_UNSAFE}])|(\\+)(?={_LOOKS_WRITTEN})")
# JSON escapes the C0 characters by itself; line feeds stand between its parts.
_IN_JSON = re.compile(rf"(?![\x00-\x1f])[{_UNSAFE}]")
_TO_WRITE_IN_LINES = re.compile(rf"(\\*)((?!\n)[{_UNSAFE}])|(\\+)(?={_LOOKS_WRITTEN})")


def visible(text: str, *, keep_newlines: bool = False) -> str:
    """Return the text with each control, bidirectional and invisible character written as an escape such as `\\x1b`.

    Different texts stay different. `keep_newlines` leaves line feeds, for messages of several lines.
    """
    return (_TO_WRITE_IN_LINES if keep_newlines else _TO_WRITE).sub(_write, text)


def escape_json(text: str) -> str:
    """Return JSON text with the same characters as JSON escapes; its value stays the same."""
    return _IN_JSON.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _write(found: re.Match[str]) -> str:
    before, character, doubtful = found.groups()
    if doubtful:
        return str(doubtful) * 2
    return str(before) * 2 + _escape(character)


def _escape(character: str) -> str:
    code = ord(character)
    if character in _WRITTEN:
        return _WRITTEN[character]
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
