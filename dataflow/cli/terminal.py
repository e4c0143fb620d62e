"""The one way to a terminal: text is shown as it is, never interpreted, whatever the terminal's encoding.

Every line that `dataflow` writes for people passes through a `PlainConsole` or `styled`; only this package adds colour.
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
# What we draw with, for an encoding without it; every other character is written as an escape.
_DRAWN_IN_ASCII = str.maketrans({"│": "|", "█": "#", "━": "-", "→": "->", "≠": "!="})


class PlainConsole(Console):
    """A console to which text is text: no markup, no emoji codes, no escape sequence of another's making."""

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
        """Make text of a string that was printed, or is a part of what was."""
        return Text(_lines(text), style=style, justify=justify, overflow=overflow)


def styled(*parts: str | tuple[str, str]) -> Text:
    """Make text of parts; a part is a text, or a text and the style of ours that it is shown in."""
    return Text.assemble(*(_lines(part) if isinstance(part, str) else (_lines(part[0]), part[1]) for part in parts))


def cell(value: str) -> Text:
    """Make the text of a table's cell, heading or title: in one line, so that no value looks like a row of its own."""
    return Text(visible(value))


def prepare_streams() -> None:
    """Let stdout and stderr write what their encoding does not have as escapes, drawings of ours in ASCII."""
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
