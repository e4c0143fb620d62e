"""How systems write yes and no."""

from __future__ import annotations

from dataflow.vocabulary.lists import WordList, plain

YES = WordList(
    name="yes",
    source="our own: how databases and spreadsheets write true",
    as_of="2026-11-29",
    means=plain("true t yes y 1"),
)
NO = WordList(
    name="no",
    source="our own: how databases and spreadsheets write false",
    as_of="2026-11-29",
    means=plain("false f no n 0"),
)
