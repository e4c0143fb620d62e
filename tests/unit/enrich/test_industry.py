"""From codes and words to NAICS sectors."""

import duckdb
import ibis
import pytest
from ibis.expr import types as ir

from dataflow.enrich.industry import KEYWORDS, SECTORS, sector_of_naics, sector_of_text
from dataflow.workspace.relations import sql_of


def evaluate(expression: ir.Value) -> object:
    row = duckdb.execute(sql_of(expression.name("found").as_table())).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("code", "sector"),
    [("511210", "51"), ("332710", "31"), ("45", "44"), ("493110", "48"), ("99", None), ("", None), ("5", None)],
)
def test_a_code_of_any_length_has_a_sector(code: str, sector: str | None) -> None:
    assert evaluate(sector_of_naics(ibis.literal(code))) == sector


@pytest.mark.parametrize(
    ("words", "sector"),
    [
        ("Technology", "51"),
        ("BANKING", "52"),
        ("Real Estate", "53"),
        ("Food & Beverage", "31"),
        ("Oil Field Services", "21"),
        ("Oil", "21"),
        ("Not For Profit", "81"),
        ("Biotechnology", "62"),
        ("", None),
        ("xyz", None),
    ],
)
def test_words_have_a_sector(words: str, sector: str | None) -> None:
    assert evaluate(sector_of_text(ibis.literal(words))) == sector


def test_every_keyword_leads_to_a_sector() -> None:
    assert {sector for _, sector in KEYWORDS} <= set(SECTORS)
