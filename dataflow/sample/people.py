"""Generate people: names, homes, mailboxes, numbers, households, employers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from dataflow.sample.arrays import Flags, Ints, Random, Text, Times, blank, chance, draw, present, skewed, text
from dataflow.sample.companies import Companies, industries, with_form
from dataflow.sample.geoip import draw_ips
from dataflow.sample.noise import RATES
from dataflow.sample.places import Addresses, countries, draw_addresses, draw_countries, draw_phones
from dataflow.sample.pools import Language, languages
from dataflow.sample.unique import Claims

_LATIN_ONLY = {"US", "GB", "CA", "AU", "DE", "NL", "FR", "SE", "BR", "PL", "IT", "ES", "MX", "TR"}


@cache
def _codes() -> tuple[str, ...]:
    """Return the languages by their index in `People.language`."""
    return tuple(languages())


@dataclass
class People:
    """People, one per row. `former_*` is None where nothing changed; `employer` is a company's row or -1.

    `own_script` flags people whose name can be written in a non-Latin script at home.
    """

    entity: Text
    language: Ints
    female: Flags
    given: Text
    given_latin: Text
    surname: Text
    surname_latin: Text
    given_slug: Text
    surname_slug: Text
    former_surname: Text
    former_surname_latin: Text
    suffix: Text
    birth: Times
    home: Addresses
    former_home: Addresses
    moved: Flags
    email: Text
    other_email: Text
    work_email: Text
    former_email: Text
    mobile: Text
    landline: Text
    ip: Text
    employer: Ints
    own_script: Flags

    @property
    def size(self) -> int:
        return len(self.entity)


def build_people(
    rng: Random, size: int, companies: Companies, *, first: int, claims: Claims, year: int, hot: Addresses
) -> People:
    """Build `size` people numbered from `first`; some share a household or a name, or inherit names."""
    made = _unnamed_people(rng, size, companies, first=first, claims=claims, year=year)
    _name_people(rng, made)
    _pair_up(rng, made)
    _change_surnames(rng, made)
    _use_hot_addresses(rng, made, hot)
    _give_mailboxes(rng, made, companies, claims)
    _share_mailboxes(rng, made)
    _name_sole_traders(rng, made, companies)
    return made


def _unnamed_people(rng: Random, size: int, companies: Companies, *, first: int, claims: Claims, year: int) -> People:
    """Build people with addresses, telephones and employers, still without names and mailboxes."""
    country = draw_countries(rng, size)
    home = draw_addresses(rng, country)
    moved = chance(rng, size, RATES.moved_house)
    code = _languages_of(rng, country)
    female = rng.random(size) < 0.5
    made = People(
        entity=text(f"P{first + i:08d}" for i in range(size)),
        language=code,
        female=female,
        given=blank(size),
        given_latin=blank(size),
        surname=blank(size),
        surname_latin=blank(size),
        given_slug=blank(size),
        surname_slug=blank(size),
        former_surname=blank(size),
        former_surname_latin=blank(size),
        suffix=blank(size),
        birth=_births(rng, size, year),
        home=home,
        former_home=draw_addresses(rng, country),
        moved=moved,
        email=blank(size),
        other_email=blank(size),
        work_email=blank(size),
        former_email=blank(size),
        mobile=claims.phones(draw_phones(rng, country, home.place, mobile=True)),
        landline=claims.phones(draw_phones(rng, country, home.place, mobile=False)),
        ip=draw_ips(rng, country, home.place),
        employer=_employers(rng, country, companies),
        own_script=np.array([countries()[c].code not in _LATIN_ONLY for c in range(len(countries()))])[country],
    )
    made.own_script &= np.array([_codes()[c] in ("ru", "uk", "el", "hi", "ja", "zh") for c in range(len(_codes()))])[
        code
    ]
    return made


def _births(rng: Random, size: int, year: int) -> Times:
    age = np.clip(rng.normal(44, 15, size), 18, 93)
    start = np.datetime64(f"{year}-01-01", "D")
    return start - (age * 365.25).astype("timedelta64[D]")


def _languages_of(rng: Random, country: Ints) -> Ints:
    dice = rng.random(len(country))
    code = np.zeros(len(country), dtype=np.int64)
    for index, place in enumerate(countries()):
        rows = np.flatnonzero(country == index)
        options = {**place.mixed, place.language: 1 - sum(place.mixed.values())}
        bounds = np.cumsum(list(options.values()))
        picked = np.minimum(np.searchsorted(bounds, dice[rows]), len(options) - 1)
        code[rows] = np.array([_codes().index(name) for name in options])[picked]
    return code


def _employers(rng: Random, country: Ints, companies: Companies) -> Ints:
    """Give most people an employer in their own country; larger companies employ more."""
    employer = np.full(len(country), -1, dtype=np.int64)
    works = chance(rng, len(country), RATES.employed)
    for index in range(len(countries())):
        rows = np.flatnonzero((country == index) & works)
        firms = np.flatnonzero((companies.home.country == index) & (companies.kind != "sole"))
        if rows.size and firms.size:
            # Capped, so that no employer has most of a block's people.
            weight = np.minimum(companies.employees[firms], 400) ** 0.5
            employer[rows] = firms[draw(rng, rows.size, np.cumsum(weight) / weight.sum())]
    return employer


def _name_people(rng: Random, made: People) -> None:
    for index in np.unique(made.language).tolist():
        language = languages()[_codes()[index]]
        for sex in (0, 1):
            rows = np.flatnonzero((made.language == index) & (made.female == bool(sex)))
            _name_rows(rng, made, rows, language, sex)


def _name_rows(rng: Random, made: People, rows: Ints, language: Language, sex: int) -> None:
    given, surname = language.given[sex], language.surname[sex]
    g, s = given.draw(rng, rows.size), surname.draw(rng, rows.size)
    made.given[rows], made.given_latin[rows], made.given_slug[rows] = given.local[g], given.latin[g], given.slug[g]
    made.surname[rows], made.surname_latin[rows] = surname.local[s], surname.latin[s]
    made.surname_slug[rows] = surname.slug[s]
    if language.code in ("es", "pt"):
        # Two family names: the father's, then the mother's.
        second = surname.draw(rng, rows.size)
        both = chance(rng, rows.size, 0.6) & (second != s)
        made.surname[rows[both]] = made.surname[rows[both]] + " " + surname.local[second[both]]
        made.surname_latin[rows[both]] = made.surname[rows[both]]


def _copy(made: People, names: tuple[str, ...], to: Ints, source: Ints) -> None:
    for name in names:
        getattr(made, name)[to] = getattr(made, name)[source]


_SURNAME = ("surname", "surname_latin", "surname_slug", "language", "own_script")


def _pair_up(rng: Random, made: People) -> None:
    """Turn some neighbours (rows 2k, 2k+1) into spouses, father and son, twins or residents of one building."""
    even = np.arange(0, made.size - 1, 2, dtype=np.int64)
    bounds = np.cumsum([RATES.spouses, RATES.father_and_son, RATES.twins, RATES.flat_neighbours])
    kind = np.searchsorted(bounds, rng.random(even.size))
    spouses, fathers, twins, flats = (even[kind == k] for k in range(4))
    together = np.concatenate([spouses, fathers, twins])
    _copy(made, ("landline", "moved", "ip"), together + 1, together)
    for group in (together, flats):
        made.home.put(group + 1, made.home, group)
        made.former_home.put(group + 1, made.former_home, group)
    _marry(rng, made, spouses)
    _copy(made, (*_SURNAME, "given", "given_latin", "given_slug", "female"), fathers + 1, fathers)
    made.suffix[fathers], made.suffix[fathers + 1] = "Sr", "Jr"
    # The son keeps an adult's date of birth; the father is a generation older.
    older = rng.integers(22 * 365, 36 * 365, fathers.size).astype("timedelta64[D]")
    made.birth[fathers] = made.birth[fathers + 1] - older
    _twin(rng, made, twins)
    # One building: the same line, another flat.
    made.home.unit[flats] = made.home.unit_latin[flats] = "1A"
    made.home.unit[flats + 1] = made.home.unit_latin[flats + 1] = "4C"
    plan = together[chance(rng, together.size, RATES.family_plan)]
    made.mobile[plan + 1] = text(_one_up(number) for number in made.mobile[plan])


def _marry(rng: Random, made: People, spouses: Ints) -> None:
    made.female[spouses], made.female[spouses + 1] = False, True
    _copy(made, ("language", "own_script"), spouses + 1, spouses)
    both = np.concatenate([spouses, spouses + 1])
    for index in np.unique(made.language[both]).tolist():
        for sex in (0, 1):
            rows = both[(made.language[both] == index) & (made.female[both] == bool(sex))]
            _name_rows(rng, made, rows, languages()[_codes()[index]], sex)
    # Most share the family name; its female form is found in the pool by the Latin stem.
    share = chance(rng, spouses.size, 0.8)
    for row in spouses[share].tolist():
        pools = languages()[_codes()[made.language[row]]].surname
        at = np.flatnonzero(pools[0].local == made.surname[row])
        form = pools[1] if at.size else None
        made.surname[row + 1] = form.local[at[0]] if form else made.surname[row]
        made.surname_latin[row + 1] = form.latin[at[0]] if form else made.surname_latin[row]
        made.surname_slug[row + 1] = form.slug[at[0]] if form else made.surname_slug[row]


def _twin(rng: Random, made: People, twins: Ints) -> None:
    """Give the same surname, home and date of birth, and another given name."""
    _copy(made, (*_SURNAME, "birth", "female"), twins + 1, twins)
    for row in twins.tolist():
        pool = languages()[_codes()[made.language[row]]].given[int(made.female[row])]
        at = (int(np.flatnonzero(pool.local == made.given[row])[0]) + 1 + int(rng.integers(0, 20))) % len(pool.local)
        made.given[row + 1], made.given_latin[row + 1] = pool.local[at], pool.latin[at]
        made.given_slug[row + 1] = pool.slug[at]


def _one_up(number: str) -> str:
    return f"{number[:-1]}{(int(number[-1]) + 1) % 10}"


def _change_surnames(rng: Random, made: People) -> None:
    rows = np.flatnonzero(chance(rng, made.size, RATES.changed_surname * 2) & made.female)
    for index in np.unique(made.language[rows]).tolist():
        pool = languages()[_codes()[index]].surname[1]
        some = rows[made.language[rows] == index]
        at = pool.draw(rng, some.size)
        made.former_surname[some], made.former_surname_latin[some] = pool.local[at], pool.latin[at]


def draw_surnames(rng: Random, made: People, rows: Ints) -> None:
    """Give new surnames, in each person's language and form."""
    for index in np.unique(made.language[rows]).tolist():
        for sex in (0, 1):
            pool = languages()[_codes()[index]].surname[sex]
            some = rows[(made.language[rows] == index) & (made.female[rows] == bool(sex))]
            at = pool.draw(rng, some.size)
            made.surname[some], made.surname_latin[some], made.surname_slug[some] = (
                pool.local[at], pool.latin[at], pool.slug[at],
            )  # fmt: skip


def _use_hot_addresses(rng: Random, made: People, hot: Addresses) -> None:
    rows = np.flatnonzero(chance(rng, made.size, RATES.reseller_address))
    for index in np.unique(made.home.country[rows]).tolist():
        some = rows[made.home.country[rows] == index]
        spots = np.flatnonzero(hot.country == index)
        made.home.put(some, hot, spots[rng.integers(0, spots.size, some.size)])


_PATTERNS = (
    "{g}.{s}",
    "{g}{s}",
    "{g}_{s}",
    "{i}{s}",
    "{s}.{g}",
    "{g}.{s}{y}",
    "{g}{y}",
    "{s}{i}{y}",
    "{g}{s}{n}",
    "{i}.{s}",
)


def _mailbox(pattern: int, given: str, surname: str, year: int, number: int) -> str:
    return _PATTERNS[pattern % len(_PATTERNS)].format(
        g=given[:14], s=surname[:18], i=given[:1], y=str(year)[-2:] if number % 2 else year, n=number % 1000
    )


def _give_mailboxes(rng: Random, made: People, companies: Companies, claims: Claims) -> None:
    size = made.size
    years = (made.birth.astype("datetime64[Y]").astype(np.int64) + 1970).tolist()
    dice = rng.integers(0, 2**31, (size, 4)).tolist()
    weights = [skewed(len(country.freemail), exponent=1.1, offset=1.0) for country in countries()]
    uniform = rng.random((size, 2))
    second = chance(rng, size, RATES.second_mailbox)

    def free(row: int, which: int) -> str:
        country = made.home.country[row]
        at = min(int(np.searchsorted(weights[country], uniform[row, which])), len(weights[country]) - 1)
        local = _mailbox(dice[row][which], made.given_slug[row], made.surname_slug[row], years[row], dice[row][2])
        return f"{local}@{countries()[country].freemail[at]}"

    made.email[:] = claims.emails(free(row, 0) for row in range(size))
    made.other_email[:] = claims.emails(free(row, 1) if second[row] else None for row in range(size))
    domains = companies.domain
    made.work_email[:] = claims.emails(
        _work_mailbox(made, row, employer, domains[employer]) if employer >= 0 and domains[employer] else None
        for row, employer in enumerate(made.employer.tolist())
    )


def _work_mailbox(made: People, row: int, employer: int, domain: str) -> str:
    pattern = (0, 3, 0, 1)[employer * 7919 % 4]
    return f"{_mailbox(pattern, made.given_slug[row], made.surname_slug[row], 0, 0)}@{domain}"


def _share_mailboxes(rng: Random, made: People) -> None:
    """Let some spouses share one mailbox, and give some abandoned mailboxes to another person."""
    even = np.arange(0, made.size - 1, 2, dtype=np.int64)
    same_home = made.landline[even] == made.landline[even + 1]
    shared = even[
        same_home & (made.female[even] != made.female[even + 1]) & chance(rng, even.size, RATES.shared_mailbox)
    ]
    made.email[shared + 1] = made.email[shared]
    former = np.flatnonzero(chance(rng, made.size // 2, RATES.recycled_mailbox * 2)) * 2
    former = former[former + 3 < made.size]
    # The mailbox passes from row r, which gets its second one, to row r + 3, an unrelated person.
    former = former[present(made.other_email[former])]
    made.former_email[former] = made.email[former]
    made.email[former + 3] = made.email[former]
    made.email[former], made.other_email[former] = made.other_email[former], None


def _name_sole_traders(rng: Random, made: People, companies: Companies) -> None:
    """Name each sole trader after a person of its country, at that person's home and number."""
    for row in np.flatnonzero(companies.kind == "sole").tolist():
        near = np.flatnonzero(made.home.country == companies.home.country[row])
        if not near.size:
            continue
        person = int(near[rng.integers(0, near.size)])
        country = countries()[companies.home.country[row]]
        words = industries()[companies.industry[row]].words
        word = (words.get(country.language) or words["en"])[0][1]
        companies.core_latin[row] = f"{made.given_latin[person]} {made.surname_latin[person]} {word}"
        companies.name[row] = companies.core_latin[row] if person % 3 else with_form(companies, row, person)
        companies.phone[row] = made.mobile[person]
        companies.role_email[row] = made.email[person]
        companies.domain[row] = None
        companies.employees[row] = 1
        at = np.array([row])
        companies.home.put(at, made.home, np.array([person]))
