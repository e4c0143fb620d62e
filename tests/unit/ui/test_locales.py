"""Numbers and times in the reader's language."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from dataflow.ui.locales import LOCALES, choose_locale


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de-DE,de;q=0.9,en;q=0.8", "de"),
        ("de-CH", "de-ch"),
        ("en-US,en;q=0.5", "en-us"),
        ("tlh, fr;q=0.5, de;q=0.7", "de"),
        ("*", "en"),
        ("de;q=many, sv", "sv"),
        ("x" * 10_000, "en"),
    ],
)
def test_the_language_of_the_browser(accepted: str, language: str) -> None:
    assert choose_locale(accepted).language == language


@pytest.mark.parametrize(
    ("language", "count", "amount", "share", "day"),
    [
        ("en", "1,234,567", "1,234.50", "12.3\u202f%", "2 Jan 2026"),
        ("en-us", "1,234,567", "1,234.50", "12.3\u202f%", "Jan 2, 2026"),
        ("de", "1.234.567", "1.234,50", "12,3\u202f%", "02.01.2026"),
        ("de-ch", "1’234’567", "1’234.50", "12.3\u202f%", "02.01.2026"),
        ("fr", "1\u202f234\u202f567", "1\u202f234,50", "12,3\u202f%", "02/01/2026"),
        ("sv", "1\u00a0234\u00a0567", "1\u00a0234,50", "12,3\u202f%", "2026-01-02"),
    ],
)
def test_numbers_and_days(language: str, count: str, amount: str, share: str, day: str) -> None:
    locale = LOCALES[language]
    assert locale.count(1234567) == count
    assert locale.amount(Decimal("1234.5")) == amount
    assert locale.share(0.123) == share
    assert locale.on(date(2026, 1, 2)) == day


def test_a_time_has_its_zone() -> None:
    one_hour = timezone(timedelta(hours=1))
    assert LOCALES["de"].at(datetime(2026, 1, 3, 0, 30, tzinfo=one_hour)) == "02.01.2026, 23:30 UTC"
    assert LOCALES["en"].at(datetime(2026, 1, 2, 5, 6, tzinfo=UTC)) == "2 Jan 2026, 05:06 UTC"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.5, "0.5"), (99.95, "100.0"), (0, "0"), (12.0, "12"), (-3.25, "-3.2"), (None, "–"), (Decimal("7.5"), "7.5")],
)
def test_small_fractions_keep_a_digit(number: float | None, text: str) -> None:
    assert LOCALES["en"].count(number) == text


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (0.05, "+5.0\u202f%"),
        (-0.5, "−50.0\u202f%"),
        (0.0, "±0.0\u202f%"),
        (None, "–"),
        (8.99, "+899.0\u202f%"),
        (9.5, "×10.5"),
    ],
)
def test_changes_have_a_sign(change: float | None, text: str) -> None:
    assert LOCALES["en"].change(change) == text
