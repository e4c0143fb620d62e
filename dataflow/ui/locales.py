"""Write numbers and times as the reader's language does. Source: CLDR 46, numbers and dateFormats (medium)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

_NARROW_SPACE = "\u202f"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Locale:
    """How a language writes numbers and days. `day` has the placeholders of str.format."""

    language: str
    decimal: str = "."
    group: str = ","
    day: str = "{day} {name} {year}"

    def count(self, number: float | Decimal | None) -> str:
        """Write a number; a fraction under 100 keeps one digit."""
        if number is None:
            return "–"
        is_small = number != int(number) and -100 < number < 100
        return self._grouped(f"{number:,.1f}" if is_small else f"{number:,.0f}")

    def amount(self, number: float | Decimal | None) -> str:
        """Write a sum of money with its cents."""
        return "–" if number is None else self._grouped(f"{number:,.2f}")

    def share(self, number: float | None) -> str:
        return "–" if number is None else f"{self._grouped(f'{100 * number:,.1f}')}{_NARROW_SPACE}%"

    def change(self, number: float | None) -> str:
        """Write a relative change with its sign; from ten times on, how many times."""
        if number is None:
            return "–"
        if number >= 9:
            return f"×{self.count(number + 1)}"
        sign = "+" if number > 0 else "−" if number < 0 else "±"
        return f"{sign}{self._grouped(f'{abs(100 * number):,.1f}')}{_NARROW_SPACE}%"

    def on(self, day: date | None) -> str:
        """Write a day; of a time, its day in UTC."""
        if day is None:
            return "–"
        chosen = day.astimezone(UTC) if isinstance(day, datetime) else day
        return self.day.format(
            day=chosen.day, dd=f"{chosen.day:02}", mm=f"{chosen.month:02}", name=_MONTHS[chosen.month - 1],
            year=f"{chosen.year:04}",
        )  # fmt: skip

    def at(self, timestamp: datetime | None) -> str:
        """Write a time in UTC, with its zone."""
        if timestamp is None:
            return "–"
        return f"{self.on(timestamp)}, {timestamp.astimezone(UTC):%H:%M} UTC"

    def _grouped(self, text: str) -> str:
        return text.translate({ord(","): self.group, ord("."): self.decimal})


_ENGLISH = Locale("en")
_POINTED = "{dd}.{mm}.{year}"
_SLASHED = "{dd}/{mm}/{year}"
LOCALES = {
    locale.language: locale
    for locale in (
        _ENGLISH,
        Locale("en-us", day="{name} {day}, {year}"),
        Locale("de", ",", ".", _POINTED),
        Locale("de-ch", ".", "’", _POINTED),
        Locale("fr", ",", _NARROW_SPACE, _SLASHED),
        Locale("es", ",", ".", _SLASHED),
        Locale("it", ",", ".", _SLASHED),
        Locale("pt", ",", ".", _SLASHED),
        Locale("nl", ",", ".", "{dd}-{mm}-{year}"),
        Locale("da", ",", ".", _POINTED),
        Locale("sv", ",", "\u00a0", "{year}-{mm}-{dd}"),
        Locale("pl", ",", "\u00a0", _POINTED),
    )
}


def choose_locale(accepted: str) -> Locale:
    """Return the first language of an Accept-Language header that is known; English without one."""
    weighed = []
    for place, part in enumerate(accepted.split(",")[:20]):
        tag, _, weight = part.strip().lower().partition(";q=")
        try:
            weighed.append((-float(weight or 1), place, tag))
        except ValueError:
            continue
    for _, _, tag in sorted(weighed):
        found = LOCALES.get(tag) or LOCALES.get(tag.partition("-")[0])
        if found:
            return found
    return _ENGLISH
