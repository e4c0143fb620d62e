"""The section `csv` of an object: how its files are written, where that cannot be detected."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dataflow.settings.section import Section

_Character = Annotated[str, Field(pattern=r"^[^\r\n]?$")]

DateOrder = Literal["", "ymd", "dmy", "mdy"]
DecimalMark = Literal["", ".", ","]


class CsvSettings(Section):
    """How an object's CSV files are written. `dataflow plan` shows what all values of the newest files say."""

    delimiter: _Character = ""
    """The character between values; empty: comma, semicolon, tab or bar, whichever fits."""
    quote: Annotated[str, Field(pattern=r"^([^\r\n]|none)?$")] = ""
    """The character around values, or `none`; empty: detect it."""
    escape: _Character = ""
    """The character before a quote inside a value; empty: a quote is written twice, or a backslash is detected."""
    preamble_rows: Annotated[int, Field(ge=0, le=100)] | None = None
    """Lines before the header; left out: the header is the first line that has all fields of the key."""
    footer_rows: Annotated[int, Field(ge=0, le=1000)] = 0
    """Lines after the last row, such as totals: they are left out."""
    decimal: DecimalMark = ""
    """The decimal mark of numbers; the other mark, a blank and an apostrophe then group thousands. Empty: a point, and
    a comma sets the row aside, as nothing says whether 1,234 is a thousand."""
    date_order: DateOrder = ""
    """The order of day, month and year of dates such as 01.02.2026. Empty: years come first, others are set aside."""
    null_words: list[str] = []
    """Texts that stand for no value, such as NULL or n/a, exactly as written."""

    @property
    def shapes_values(self) -> bool:
        """Whether it says how values are read, and not only how a file is split into them."""
        return bool(self.decimal or self.date_order or self.null_words)
