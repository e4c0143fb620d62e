"""Currencies: how many decimals their amounts have."""

from __future__ import annotations

from dataflow.vocabulary.lists import WordList, spelt

MINOR_UNITS = WordList(
    name="minor units",
    source="ISO 4217, list one: current currencies whose minor unit is not 2",
    as_of="2026-11-30",
    means=spelt(
        {
            "0": "bif clp djf gnf isk jpy kmf krw pyg rwf ugx uyi vnd vuv xaf xof xpf",
            "3": "bhd iqd jod kwd lyd omr tnd",
            "4": "clf uyw",
        }
    ),
)
"""Code to the decimals of its amounts; all others have two."""


def decimals_of(code: str) -> int:
    """Return the decimals of the amounts of a currency."""
    return int(MINOR_UNITS.means.get(code.lower(), "2"))
