"""Make text from outside safe to show: characters that control a terminal or a page become escapes."""

from __future__ import annotations

import re

# Control characters (C0, DEL, C1) move the cursor, set the window title or type for the user; bidirectional controls
# and other invisible format characters change what the text looks like; U+2028 and U+2029 end lines; a lone surrogate
# cannot be encoded. The joiners U+200C and U+200D stay: Persian and Indic names are spelt with them.
_UNSAFE = r"\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
_WRITTEN = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}
# What an escape looks like. Backslashes before one that the text already has are doubled, and only those: different
# texts stay different, and `C:\data` stays unchanged.
_LOOKS_WRITTEN = r"[tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}"
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
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _write(found: re.Match[str]) -> str:
    before, character, doubtful = found.groups()
    if doubtful:
        return str(doubtful) * 2
    return str(before) * 2 + _escape(character)


def _escape(character: str) -> str:
    code = ord(character)
    return _WRITTEN.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
