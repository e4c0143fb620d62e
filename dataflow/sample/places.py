"""Generate countries, cities, streets, postcodes and telephone numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import numpy.typing as npt

from dataflow.sample.arrays import Ints, Random, Text, blank, draw, skewed, text
from dataflow.sample.pools import read_pool
from dataflow.sample.scripts import SCRIPTS, romanise

_POSTCODE_LETTERS = "ABDEFGHJLNPRSTUWXYZ"


@dataclass(frozen=True)
class City:
    name: str
    local: str
    region: str
    region_local: str
    postcode: str
    latitude: float
    longitude: float
    time_zone: str
    areas: tuple[str, ...]


@dataclass(frozen=True)
class Country:
    """One country of the pools; pairs are (own script, Latin letters)."""

    code: str
    index: int
    names: tuple[str, ...]
    weight: float
    language: str
    mixed: dict[str, float]
    calling_code: str
    trunk: str
    nsn_length: int
    local_first: str
    mobile: tuple[str, ...]
    groups: tuple[int, ...]
    currency: str
    tld: tuple[str, ...]
    freemail: tuple[str, ...]
    line: tuple[str, str]
    unit: tuple[tuple[str, str], ...]
    streets: tuple[tuple[str, str], ...]
    cities: tuple[City, ...]


def _pair(value: str) -> tuple[str, str]:
    """Split "latin=local" into (local, latin)."""
    latin, _, local = value.partition("=")
    return local or latin, latin


def _city(row: str) -> City:
    name, region, postcode, latitude, longitude, zone, areas = row.split("|")
    (local, latin), (region_local, region_latin) = _pair(name), _pair(region)
    return City(
        latin, local, region_latin, region_local, postcode, float(latitude), float(longitude), zone,
        tuple(areas.split()),
    )  # fmt: skip


def _streets(kinds: list[str], words: str, language: str) -> tuple[tuple[str, str], ...]:
    """Return all street names, in an order fixed per country, so that the skew mixes words and kinds."""
    script = SCRIPTS.get(language)
    made = []
    for word in words.split("|") if "|" in words else words.split():
        local, _, latin = word.partition("=")
        latin = latin or (romanise(local, script) if script else local)
        for kind in kinds:
            kind_local, kind_latin = _pair(kind)
            made.append((kind_local.format(w=local), kind_latin.format(w=latin)))
    order = np.random.default_rng(len(made)).permutation(len(made))
    return tuple(made[i] for i in order)


@cache
def countries() -> tuple[Country, ...]:
    """Return every country of the pools, in file order; `index` is its position."""
    found = []
    for index, (code, raw) in enumerate(read_pool("countries").items()):
        found.append(
            Country(
                code=code,
                index=index,
                names=tuple(raw["names"]),
                weight=raw["weight"],
                language=raw["language"],
                mixed=raw["mixed"],
                calling_code=raw["calling_code"],
                trunk=raw["trunk"],
                nsn_length=raw["nsn_length"],
                local_first=raw["local_first"],
                mobile=tuple(raw["mobile"]),
                groups=tuple(raw["groups"]),
                currency=raw["currency"],
                tld=tuple(raw["tld"]),
                freemail=tuple(raw["freemail"]),
                line=(raw.get("line_local", raw["line"]), raw["line"]),
                unit=tuple(_pair(unit) for unit in raw["unit"]),
                streets=_streets(raw["street_kinds"], raw["street_words"], raw["language"]),
                cities=tuple(_city(row) for row in raw["cities"]),
            )
        )
    return tuple(found)


_DICE_FACES = {"#": "0123456789", "%": "23456789", "@": _POSTCODE_LETTERS}


def fill(mask: str, dice: Sequence[int]) -> str:
    """Fill a mask ('#' 0-9, '%' 2-9, '@' letter); `dice` has at least one number per position."""
    return "".join(
        faces[die % len(faces)] if (faces := _DICE_FACES.get(letter)) else letter
        for letter, die in zip(mask, dice, strict=False)
    )


@dataclass
class Addresses:
    """Postal addresses, one per row; `_latin` columns hold the same values in Latin letters.

    `unit` is a flat or suite, None for most. `country` and `place` index countries() and its cities.
    """

    line: Text
    line_latin: Text
    unit: Text
    unit_latin: Text
    city: Text
    city_latin: Text
    region: Text
    region_latin: Text
    postcode: Text
    country: Ints
    place: Ints

    @classmethod
    def empty(cls, size: int) -> Addresses:
        columns = {f.name: blank(size) for f in fields(cls) if f.name not in ("country", "place")}
        return cls(**columns, country=np.zeros(size, dtype=np.int64), place=np.zeros(size, dtype=np.int64))

    def put(self, rows: npt.NDArray[np.int64], other: Addresses, source: npt.NDArray[np.int64]) -> None:
        """Copy rows `source` of another set over rows `rows` of this one."""
        for f in fields(self):
            getattr(self, f.name)[rows] = getattr(other, f.name)[source]

    def take(self, rows: npt.NDArray[np.int64]) -> Addresses:
        return Addresses(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def draw_countries(rng: Random, size: int) -> Ints:
    weights = np.cumsum([country.weight for country in countries()])
    return draw(rng, size, weights / weights[-1])


def draw_addresses(rng: Random, country: Ints, *, flats: float = 0.25, place: Ints | None = None) -> Addresses:
    """Draw an address in each given country (and city, where `place` is given)."""
    made = Addresses.empty(len(country))
    made.country = country.copy()
    for index in np.unique(country).tolist():
        rows = np.flatnonzero(country == index)
        _fill_country(rng, made, rows, countries()[index], flats, None if place is None else place[rows])
    return made


def _fill_country(rng: Random, made: Addresses, rows: Ints, country: Country, flats: float, place: Ints | None) -> None:
    size = rows.size
    cities = country.cities
    at = draw(rng, size, skewed(len(cities), exponent=0.7, offset=2.0)) if place is None else place
    street = draw(rng, size, skewed(len(country.streets), exponent=0.4))
    number = (rng.gamma(1.3, 45.0, size).astype(np.int64) % 900) + 1
    parts = rng.integers(1, 31, (size, 2))
    digits = rng.integers(0, 1_000_000, (size, 9)).tolist()
    has_unit = rng.random(size) < flats
    unit = rng.integers(1, 60, size)
    kind = rng.integers(0, len(country.unit), size)
    made.place[rows] = at
    made.postcode[rows] = text(fill(cities[c].postcode, d) for c, d in zip(at.tolist(), digits, strict=True))
    local, latin = country.line
    items = list(zip(street.tolist(), number.tolist(), parts.tolist(), strict=True))
    made.line[rows] = text(local.format(street=country.streets[s][0], number=n, b=b, c=c) for s, n, (b, c) in items)
    made.line_latin[rows] = text(
        latin.format(street=country.streets[s][1], number=n, b=b, c=c) for s, n, (b, c) in items
    )
    units = list(zip(has_unit.tolist(), unit.tolist(), kind.tolist(), strict=True))
    made.unit[rows] = text(country.unit[k][0].format(u=u) if has else None for has, u, k in units)
    made.unit_latin[rows] = text(country.unit[k][1].format(u=u) if has else None for has, u, k in units)
    made.city[rows] = text(c.local for c in cities)[at]
    made.city_latin[rows] = text(c.name for c in cities)[at]
    made.region[rows] = text(c.region_local for c in cities)[at]
    made.region_latin[rows] = text(c.region for c in cities)[at]


def draw_phones(rng: Random, country: Ints, place: Ints, *, mobile: bool) -> Text:
    """Draw E.164 numbers that are valid by the country's numbering plan."""
    digits = rng.integers(0, 1_000_000, (len(country), 12)).tolist()
    pick = rng.integers(0, 1_000_000, len(country))
    return text(
        _phone(countries()[c], p, d, k, mobile)
        for c, p, d, k in zip(country.tolist(), place.tolist(), digits, pick.tolist(), strict=True)
    )


def _phone(country: Country, place: int, digits: Sequence[int], pick: int, mobile: bool) -> str:
    areas = country.cities[place].areas
    area = areas[pick % len(areas)]
    if mobile and country.mobile:
        mask = country.mobile[pick % len(country.mobile)].replace("A", area)
    else:
        mask = area + country.local_first + "#" * (country.nsn_length - len(area) - 1)
    return f"+{country.calling_code}{fill(mask, digits)}"


# Countries that do not dial 00 for calls abroad; numbers are written with "+" there.
_OTHER_PREFIX = {"61": "0011 61 ", "81": "010 81 ", "55": "+55-", "7": "+7-"}


def _abroad(code: str) -> str:
    return _OTHER_PREFIX.get(code, f"00{code} ")


def write_phone(number: str, country: Country, style: int) -> str:
    """Write an E.164 number as people type it: local, international, spaced, dotted, bare."""
    if not number.startswith("+" + country.calling_code):
        return number
    national = number[1 + len(country.calling_code) :]
    if country.calling_code == "1":
        area, middle, last = national[:3], national[3:6], national[6:]
        return (
            f"({area}) {middle}-{last}", f"{area}-{middle}-{last}", f"+1 {area} {middle} {last}",
            f"{area}.{middle}.{last}", number, national, f"1-{area}-{middle}-{last}",
        )[style % 7]  # fmt: skip
    groups, at = [], 0
    for width in country.groups:
        groups.append(national[at : at + width])
        at += width
    if at < len(national):
        groups[-1] += national[at:]
    groups = [group for group in groups if group]
    code = country.calling_code
    return (
        country.trunk + " ".join(groups), f"+{code} " + " ".join(groups), number, country.trunk + national,
        country.trunk + ".".join(groups), _abroad(code) + " ".join(groups), country.trunk + "-".join(groups),
    )[style % 7]  # fmt: skip
