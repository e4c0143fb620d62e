"""Write text to a terminal as it is, never interpreted, in any encoding.

Every line for people passes through a `PlainConsole` or `styled`; only this package adds colour.
"""

from __future__ import annotations

import codecs
import io
import sys
from typing import Any

from rich.console import Console, JustifyMethod, OverflowMethod
from rich.style import Style
from rich.text import Text

from dataflow.observe.visible import visible

_ERRORS = "dataflow-visible"
# Characters of drawings, for encodings that lack them; any other lacking character becomes an escape.
_DRAWN_IN_ASCII = str.maketrans({"│": "|", "█": "#", "━": "-", "→": "->", "≠": "!="})


class PlainConsole(Console):
    """A console that interprets nothing in its text: no markup, no emoji codes, no escape sequences."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, **options)

    def render_str(
        self,
        text: str,
        *,
        style: str | Style = "",
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        **_: Any,
    ) -> Text:
        """Make a Text of a printed string, or of a part of one."""
        return Text(_lines(text), style=style, justify=justify, overflow=overflow)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Make a Text of parts; each part is a text, or a text and its style."""
    return Text.assemble(*(_lines(part) if isinstance(part, str) else (_lines(part[0]), part[1]) for part in parts))


def cell(value: str) -> Text:
    """Make the text of a table's cell, heading or title, in one line, so that no value looks like another row."""
    return Text(visible(value))


def prepare_streams() -> None:
    """Let stdout and stderr write characters that their encoding lacks as escapes, and drawings in ASCII."""
    codecs.register_error(_ERRORS, _write_around)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def _lines(text: str) -> str:
    return visible(text, keep_newlines=True)


def _write_around(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    drawn = error.object[error.start : error.end].translate(_DRAWN_IN_ASCII)
    return drawn.encode("ascii", "backslashreplace").decode("ascii"), error.end
