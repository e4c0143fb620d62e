"""Placeholders that people and systems write into a field that they cannot fill."""

from __future__ import annotations

from datetime import datetime, timedelta

from dataflow.vocabulary.lists import WordList, plain

_NULLS = "n/a #n/a n.a. na none null (null) <na> nil - --"

NOTHING = WordList(
    name="nothing",
    source="our own: words met in exports of CRMs, spreadsheets and databases",
    as_of="2026-11-29",
    means=plain(
        f"{_NULLS} undefined unknown unbekannt inconnu desconocido test testing "
        "tester tbd tba xx xxx --- . ? noname customer guest anonymous",
        "not available",
        "not provided",
        "no name",
        "first name",
        "last name",
    ),
)
"""Placeholders in any field."""

NOT_A_NUMBER = WordList(
    name="not a number",
    source="pandas 2: how NaN and NaT are written to CSV",
    as_of="2026-11-29",
    means=plain("nan nat"),
)
"""Placeholders in files written by a data frame; elsewhere Nan and Nat are given names."""

NO_VALUE = WordList(
    name="no value",
    source="our own: how databases, spreadsheets and data frames write null",
    as_of="2026-11-30",
    means=plain(f"{_NULLS} \\n nan nat"),
)
"""Words that stand for no value in a column of numbers or dates; in a column of texts they can be values."""

NO_VALUE_ANYWHERE = WordList(
    name="no value anywhere",
    source="our own: those that no text is, as MySQL, Excel and pandas write them",
    as_of="2026-11-30",
    means=plain("NULL (null) \\N #N/A <NA>"),
)
"""Words that stand for no value in any column, in the case in which they are written."""

NO_NAMES = WordList(
    name="no names",
    source="our own: words met in fields of names",
    as_of="2026-11-29",
    means=plain("nn user name firstname lastname x asdf nobody various"),
)
"""Placeholders in a name field, besides NOTHING. They are shown as received, but not compared."""

PLACEHOLDER_MAILBOXES = WordList(
    name="placeholder mailboxes",
    source="our own: addresses met in forms that demand one",
    as_of="2026-11-29",
    means=plain("a aa aaa abc email example fake foo no noemail nomail xyz"),
)
"""Placeholders before and after the @, besides NOTHING and NO_NAMES: test@test.com, noemail@example.com."""

DEFAULT_DATES = WordList(
    name="default dates",
    source="our own: first and last dates of databases and spreadsheets, and what is typed in their place",
    as_of="2026-11-29",
    means=plain("1900-01-01 1901-01-01 1970-01-01 1111-11-11 0001-01-01 9999-12-31"),
)
"""Dates of birth typed where a form requires one; treating the few real ones as missing costs less."""

ZERO_DATES = WordList(
    name="zero dates",
    source="the dates that MySQL, .NET, Windows, SQL Server, OLE automation and Excel write for none",
    as_of="2026-11-30",
    means=plain("0000-00-00 0000-01-01 0001-01-01 1601-01-01 1753-01-01 1899-12-30 1899-12-31 1900-01-00"),
)
"""Dates that stand for none, in any field."""

_ZONES_WEST = (*range(1, 13), 3.5, 9.5)
_ZONES_EAST = (*range(1, 15), 3.5, 4.5, 5.5, 5.75, 6.5, 9.5)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - as the clocks of each zone show it

ZERO_TIMESTAMPS = WordList(
    name="zero timestamps",
    source="what SQL Server and the Unix clock make of 0, the latter in every time zone",
    as_of="2026-11-30",
    means=plain(
        "",
        "1900-01-01",
        "1900-01-01 00:00:00",
        "1970-01-01",
        "1970-01-01 00:00",
        *(str(_EPOCH + timedelta(hours=hours)) for hours in (0, *_ZONES_EAST, *(-hours for hours in _ZONES_WEST))),
    ),
)
"""Timestamps that stand for none, as the zero dates do; as days alone they can be dates of birth or of foundation."""

KEY_RUNS = WordList(
    name="key runs",
    source="the keys of a keyboard and of a telephone, in order and in reverse",
    as_of="2026-11-29",
    means=plain("01234567890123456789 98765432109876543210"),
)
"""Sequences of digits, each twice in a row: a telephone number that is part of one is a placeholder."""
