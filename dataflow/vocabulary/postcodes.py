"""Postcodes that are written in several forms: those of the United States."""

from __future__ import annotations

from dataflow.vocabulary.lists import WordList, any_of, plain

ZIP_COUNTRIES = WordList(
    name="countries with ZIP codes",
    source="United States Postal Service: the states, and territories that have a country code of their own",
    as_of="2026-11-30",
    means=plain("us usa pr gu vi as mp"),
)
"""Countries whose postcodes are ZIP codes of five digits, and four more after a hyphen (ZIP+4)."""

_HAS_ZIP = f"regexp_full_match(lower({{country}}), '{any_of(ZIP_COUNTRIES)}')"
# A spreadsheet reads a ZIP code as a number: 02139 comes out as 2139 or 2139.0, 02139-4307 as 21394307.
_AREA = "lpad(regexp_extract({code}, '^([0-9]{{3,5}})(-?[0-9]{{4}})?([.]0)?$', 1), 5, '0')"
_REST = "nullif(regexp_extract({code}, '^[0-9]{{3,5}}-?([0-9]{{4}})([.]0)?$', 1), '')"
_ODD = "regexp_full_match({code}, '[0-9]{{3,5}}(-?[0-9]{{4}})?([.]0)?')"


def zip_code_sql(code: str, *, country: str) -> str:
    """Return SQL: a postcode without blanks, as its country writes it: 02139, 02139-4307; others stay as they are."""
    whole = f"concat_ws('-', {_AREA.format(code=code)}, {_REST.format(code=code)})"
    condition = f"{_HAS_ZIP.format(country=country)} AND {_ODD.format(code=code)}"
    return f"CASE WHEN {condition} THEN {whole} ELSE {code} END"


def delivery_area_sql(code: str, *, country: str) -> str:
    """Return SQL: the part of a postcode that all forms of an address have; of a ZIP+4 the first five digits.

    Without a country a postcode is a ZIP+4 where it has the form of one.
    """
    condition = (
        f"({_HAS_ZIP.format(country=country)} AND {_ODD.format(code=code)})"
        f" OR ({country} IS NULL AND regexp_full_match({code}, '[0-9]{{5}}-[0-9]{{4}}'))"
    )
    return f"CASE WHEN {condition} THEN {_AREA.format(code=code)} ELSE {code} END"
