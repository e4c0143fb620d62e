"""Generate companies: names with legal forms, domains, switchboards, parents and branches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from dataflow.sample.arrays import Ints, Random, Text, blank, choose, draw, skewed, text
from dataflow.sample.noise import RATES
from dataflow.sample.places import Addresses, Country, countries, draw_addresses, draw_countries, draw_phones
from dataflow.sample.pools import languages, read_pool
from dataflow.sample.scripts import SCRIPTS, romanise, slug
from dataflow.sample.unique import Claims

_OWN_SCRIPT = {"ja", "zh", "ru", "uk", "el"}
_INDUSTRY_FIRST = {"fr", "es", "pt", "it", "ru", "uk", "pl"}
_DIVISIONS = ("Holdings", "Services", "International", "Group", "Ventures", "Solutions", "Global", "Europe")


@dataclass(frozen=True)
class Industry:
    code: str
    naics: str
    title: str
    words: dict[str, tuple[tuple[str, str], ...]]


@cache
def industries() -> tuple[Industry, ...]:
    found = []
    for code, row in read_pool("companies")["industries"].items():
        naics, title, *lists = row.split("|")
        words = {}
        for entry in lists:
            language, _, options = entry.partition(":")
            pairs = [option.partition("=") for option in options.split(",")]
            script = SCRIPTS.get(language)
            words[language] = tuple(
                (local, latin or (romanise(local, script) if script else local)) for local, _, latin in pairs
            )
        found.append(Industry(code, naics, title, words))
    return tuple(found)


@cache
def legal_forms(country: str) -> tuple[tuple[str, ...], ...]:
    """Return the legal forms of a country; each with its spellings, most common first."""
    listed = read_pool("companies")["legal_forms"][country]
    return tuple(tuple(form.split("/")) for form in listed.split(";"))


@cache
def _local_forms(country: str) -> tuple[str, ...]:
    listed: dict[str, str] = read_pool("companies")["legal_forms_local"]
    return tuple(listed[country].split(";")) if country in listed else ()


@dataclass
class Companies:
    """Companies, one per row. `parent` is a row of the same set or -1; `kind` is the reason that the row exists.

    `core_latin` is the name without legal form and store number, `form` indexes legal_forms(country).
    """

    entity: Text
    kind: Text
    name: Text
    core_latin: Text
    mark: Text
    form: Ints
    industry: Ints
    domain: Text
    phone: Text
    role_email: Text
    employees: Ints
    parent: Ints
    home: Addresses
    account: Text
    customer: Text

    @property
    def size(self) -> int:
        return len(self.entity)


def build_companies(rng: Random, size: int, first: int, claims: Claims) -> Companies:
    """Build `size` companies numbered from `first`; parents are in the same set."""
    country = draw_countries(rng, size)
    kind = choose(rng, size, {
        "single": 1 - RATES.branch - RATES.subsidiary - RATES.sole_trader - RATES.same_name_abroad,
        "branch": RATES.branch, "subsidiary": RATES.subsidiary, "sole": RATES.sole_trader,
        "abroad": RATES.same_name_abroad,
    })  # fmt: skip
    kind[: min(8, size)] = "single"
    parent = _draw_parents(rng, kind)
    branch = (kind == "branch") & (parent >= 0)
    country[branch] = country[parent[branch]]
    industry = rng.integers(0, len(industries()), size)
    related = parent >= 0
    industry[related] = industry[parent[related]]
    home = draw_addresses(rng, country, flats=0.2)
    made = Companies(
        entity=text(f"C{first + i:08d}" for i in range(size)),
        kind=kind,
        name=blank(size),
        core_latin=blank(size),
        mark=text([""] * size),
        form=draw(rng, size, skewed(4, exponent=1.5, offset=1.0)),
        industry=industry,
        domain=blank(size),
        phone=claims.phones(draw_phones(rng, country, home.place, mobile=False)),
        role_email=blank(size),
        employees=np.maximum(1, rng.lognormal(3.2, 1.5, size)).astype(np.int64),
        parent=np.where(kind == "abroad", -1, parent),
        home=home,
        account=blank(size),
        customer=blank(size),
    )
    _name(rng, made, parent, claims)
    return made


def _draw_parents(rng: Random, kind: Text) -> Ints:
    """Give each branch, subsidiary and namesake a single company built before it; large groups are rare."""
    parent = np.full(len(kind), -1, dtype=np.int64)
    heads: list[int] = []
    dice = rng.random(len(kind))
    for row, what in enumerate(kind.tolist()):
        if what == "single":
            heads.append(row)
        elif what != "sole":
            # Squared: the first companies get many branches, most get none.
            parent[row] = heads[int(dice[row] ** 2 * len(heads))]
    return parent


def _name(rng: Random, made: Companies, parent: Ints, claims: Claims) -> None:
    dice = rng.integers(0, 2**31, (made.size, 8)).tolist()
    for row in range(made.size):
        country = countries()[made.home.country[row]]
        what = made.kind[row]
        above = int(parent[row])
        if what in ("branch", "subsidiary", "abroad"):
            _name_after(made, row, above, country, dice[row], claims)
        else:
            _name_alone(made, row, country, dice[row], claims)
        made.role_email[row] = _role_email(made.domain[row], dice[row][7])


def _role_email(domain: str | None, dice: int) -> str | None:
    return f"{('info', 'sales', 'office', 'contact', 'admin', 'hello')[dice % 6]}@{domain}" if domain else None


def _word(made: Companies, row: int, language: str, dice: int) -> tuple[str, str]:
    words = industries()[made.industry[row]].words
    options = words.get(language) or words["en"]
    local, latin = options[dice % len(options)]
    return local, latin


def _name_alone(made: Companies, row: int, country: Country, dice: list[int], claims: Claims) -> None:
    language = languages()[country.language]
    local_word, latin_word = _word(made, row, country.language, dice[0])
    by_name = country.language in _OWN_SCRIPT or dice[1] % 100 < 22
    if by_name:
        # A uniform draw: a skewed one would give too many firms the same common surname.
        surnames = language.surname[0]
        at = dice[2] % len(surnames.local)
        brand_local, brand = surnames.local[at], surnames.latin[at]
    else:
        brand = brand_local = _brand(country.language, dice[2:5])
    order = "{word} {brand}" if country.language in _INDUSTRY_FIRST else "{brand} {word}"
    made.core_latin[row] = order.format(brand=brand, word=latin_word)
    forms = _local_forms(country.code)
    joined = (
        f"{brand_local}{local_word}"
        if country.language in ("ja", "zh")
        else order.format(brand=brand_local, word=local_word)
    )
    made.name[row] = _local_name(joined, forms, dice[5]) if forms else with_form(made, row, dice[5])
    if dice[6] % 100 < 88 and made.kind[row] != "sole":
        base = slug(brand) + ("" if dice[4] % 3 else slug(latin_word))
        made.domain[row] = claims.domain(base, slug(latin_word), country.tld[dice[3] % len(country.tld)])


def _local_name(core: str, forms: tuple[str, ...], dice: int) -> str:
    form = forms[dice % len(forms)]
    if form.startswith("<"):
        return form[1:] + core if ord(form[1]) > 0x2000 else f"{form[1:]} «{core}»"
    return core + form if ord(form[0]) > 0x2000 else f"{core} {form}"


def with_form(made: Companies, row: int, dice: int, spelling: int = 0) -> str:
    """Write a company's Latin name with its mark (store, city, division) and legal form."""
    country = countries()[made.home.country[row]]
    forms = legal_forms(country.code)
    form = forms[made.form[row] % len(forms)]
    name = f"{made.core_latin[row]}{made.mark[row]}"
    written = form[spelling % len(form)]
    return f"{name}, {written}" if country.code == "US" and dice % 4 == 0 else f"{name} {written}"


def _brand(language: str, dice: list[int]) -> str:
    pool = _brand_words()
    if language == "en" and dice[0] % 100 < 55:
        return f"{pool['adjectives'][dice[1] % 85]} {pool['nouns'][dice[2] % 100]}"
    first, second, third = pool["first"], pool["second"], pool["third"]
    middle = second[dice[1] % len(second)] if dice[0] % 5 else ""
    return first[dice[0] // 7 % len(first)] + middle + third[dice[2] % len(third)]


@cache
def _brand_words() -> dict[str, list[str]]:
    raw: dict[str, Any] = read_pool("companies")["brand"]
    return {name: words.split() for name, words in raw.items()}


def _name_after(made: Companies, row: int, above: int, country: Country, dice: list[int], claims: Claims) -> None:
    """Name a branch, a subsidiary or an unrelated namesake abroad after the company `above`."""
    core = made.core_latin[above]
    what = made.kind[row]
    made.core_latin[row] = core
    made.domain[row] = made.domain[above]
    if what == "branch":
        made.form[row] = made.form[above]
        city = made.home.city_latin[row]
        marks: tuple[str, ...] = (
            f" #{dice[0] % 900 + 100}",
            f" - {city}",
            f" Store {dice[0] % 900 + 100}",
            f" ({city})",
        )
        made.mark[row] = marks[dice[1] % 4]
        if dice[2] % 100 < 30:
            made.phone[row] = made.phone[above]
        made.name[row] = with_form(made, row, 1) if dice[3] % 2 else f"{core}{made.mark[row]}"
        return
    if what == "subsidiary":
        made.mark[row] = f" {_DIVISIONS[dice[0] % 8]}" if dice[1] % 2 else f" {country.names[0]}"
    made.name[row] = with_form(made, row, 1)
    if what == "abroad" or dice[4] % 2:
        made.domain[row] = claims.domain(slug(core), slug(country.names[0]), country.tld[0])
