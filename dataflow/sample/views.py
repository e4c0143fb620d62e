"""Derive how one record shows its person or company: the entity's values with the record's own noise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from dataflow.sample.arrays import Flags, Ints, Random, Text, Times, apply_change, chance, either, present, text
from dataflow.sample.companies import Companies, legal_forms, with_form
from dataflow.sample.noise import (
    PLACEHOLDER_EMAILS,
    PLACEHOLDER_NAMES,
    PLACEHOLDER_PHONES,
    RATES,
    digit_off,
    drop_marks,
    initial,
    look_alike,
    lower,
    typo,
    typo_email,
    upper,
)
from dataflow.sample.people import People
from dataflow.sample.places import Addresses, countries, write_phone
from dataflow.sample.pools import nicknames
from dataflow.sample.scripts import other_romanisation


@dataclass
class Place:
    """A postal address as one record writes it; `line2` is the flat where the record keeps it separately."""

    line1: Text
    line2: Text
    city: Text
    region: Text
    postcode: Text
    country: Text


@dataclass
class PersonView:
    """People as records of one source object write them, one row per record; phones are still E.164."""

    given: Text
    surname: Text
    suffix: Text
    birth: Text
    email: Text
    mobile: Text
    landline: Text
    home: Place


def country_text(rng: Random, country: Ints, *, code_share: float) -> Text:
    """Write countries as ISO code or as one of their common names."""
    as_code = chance(rng, len(country), code_share)
    pick = np.minimum(rng.geometric(0.6, len(country)) - 1, 9)
    names, codes = [c.names for c in countries()], [c.code for c in countries()]
    return text(
        codes[c] if code else names[c][k % len(names[c])]
        for c, k, code in zip(country.tolist(), pick.tolist(), as_code.tolist(), strict=True)
    )


def write_place(
    rng: Random, home: Addresses, *, local: Flags, mess: float, code_share: float, line2_share: float
) -> Place:
    """Write addresses in the record's script, with typos and gaps; the flat goes to line2 or into line 1."""
    size = len(home.country)
    line = np.where(local, home.line, home.line_latin)
    unit = np.where(local, home.unit, home.unit_latin)
    apart = chance(rng, size, line2_share)
    joined = text(
        f"{a}, {b}" if b and not keep else a
        for a, b, keep in zip(line.tolist(), unit.tolist(), apart.tolist(), strict=True)
    )
    apply_change(joined, chance(rng, size, RATES.typo_street * mess), typo, rng)
    apply_change(joined, chance(rng, size, RATES.lower_case), lower, rng)
    # Munich or München: half the records in Latin letters use the English name of a city
    city = np.where(local | chance(rng, size, 0.5), home.city, home.city_latin)
    city[~local & ~_is_latin(home)] = home.city_latin[~local & ~_is_latin(home)]
    region = np.where(local, home.region, home.region_latin)
    postcode = home.postcode.copy()
    city[chance(rng, size, RATES.placeholder_city)] = "n/a"
    apply_change(city, chance(rng, size, RATES.upper_case), upper, rng)
    region[chance(rng, size, RATES.region_missing)] = None
    apply_change(postcode, chance(rng, size, 0.05), lambda value, _: value.replace(" ", "").replace("-", ""), rng)
    country = country_text(rng, home.country, code_share=code_share)
    line2 = either(apart, unit, None)
    gone = chance(rng, size, RATES.address_missing * mess)
    for column in (joined, line2, city, region, postcode):
        column[gone] = None
    return Place(joined, line2, city, region, postcode, country)


def _is_latin(home: Addresses) -> Flags:
    own = np.array([c.code in ("RU", "UA", "GR", "JP", "CN", "IN") for c in countries()])
    return ~np.asarray(own[home.country], dtype=bool)


def view_people(
    rng: Random,
    people: People,
    companies: Companies,
    rows: Ints,
    *,
    mess: float = 1.0,
    own_script: float = 1.0,
    work_mail: float = 0.0,
    birth_share: float = 0.0,
    code_share: float = 0.3,
) -> PersonView:
    """View each person of `rows` once. `mess` scales the typing errors, `own_script` the local spelling."""
    size = rows.size
    local = chance(rng, size, RATES.own_script * own_script) & people.own_script[rows]
    given, surname = _names(rng, people, rows, local, mess)
    suffix = people.suffix[rows].copy()
    suffix[chance(rng, size, RATES.suffix_missing)] = None
    former = people.moved[rows] & chance(rng, size, RATES.former_address)
    home = people.home.take(rows)
    at = np.flatnonzero(former)
    home.put(at, people.former_home, rows[at])
    return PersonView(
        given=given,
        surname=surname,
        suffix=suffix,
        birth=_births(rng, people.birth[rows], birth_share),
        email=_emails(rng, people, companies, rows, work_mail, mess),
        mobile=_numbers(rng, people.mobile[rows], mess),
        landline=_numbers(rng, people.landline[rows], mess),
        home=write_place(rng, home, local=local, mess=mess, code_share=code_share, line2_share=0.4),
    )


def _names(rng: Random, people: People, rows: Ints, local: Flags, mess: float) -> tuple[Text, Text]:
    size = rows.size
    given = np.where(local, people.given[rows], people.given_latin[rows])
    surname = np.where(local, people.surname[rows], people.surname_latin[rows])
    was = np.where(local, people.former_surname[rows], people.former_surname_latin[rows])
    old = chance(rng, size, RATES.former_surname) & present(was)
    surname[old] = was[old]
    apply_change(given, chance(rng, size, RATES.nickname), _nickname, rng)
    apply_change(given, chance(rng, size, RATES.initial * mess), initial, rng)
    romanised = people.own_script[rows] & ~local & chance(rng, size, RATES.other_romanisation)
    apply_change(given, romanised, other_romanisation, rng)
    apply_change(surname, romanised, other_romanisation, rng)
    dropped = chance(rng, size, RATES.diacritics_dropped) & ~local
    for column, rate in ((given, RATES.typo_given), (surname, RATES.typo_surname)):
        apply_change(column, dropped, drop_marks, rng)
        apply_change(column, chance(rng, size, rate * mess), typo, rng)
        apply_change(column, chance(rng, size, RATES.look_alike) & ~local, look_alike, rng)
    for rate, change in ((RATES.upper_case, upper), (RATES.lower_case, lower)):
        shouted = chance(rng, size, rate)
        apply_change(given, shouted, change, rng)
        apply_change(surname, shouted, change, rng)
    swapped = chance(rng, size, RATES.swapped_names * mess)
    given[swapped], surname[swapped] = surname[swapped], given[swapped]
    # Some enter only one of two family names.
    apply_change(surname, chance(rng, size, 0.3) & ~swapped, _first_family_name, rng)
    unknown = chance(rng, size, RATES.placeholder_name)
    given[unknown] = text(PLACEHOLDER_NAMES)[rng.integers(0, len(PLACEHOLDER_NAMES), int(unknown.sum()))]
    return given, surname


def _first_family_name(value: str, dice: int) -> str:
    del dice
    head, _, tail = value.partition(" ")
    return head if tail and head[0].isupper() and len(head) > 3 else value


def _nickname(value: str, dice: int) -> str:
    short = nicknames().get(value)
    return short[dice % len(short)] if short else value


def _births(rng: Random, birth: Times, share: float) -> Text:
    """Return datetime.date values; some with day and month swapped, a wrong year, the default 1900-01-01, or None."""
    size = len(birth)
    days = birth.astype("datetime64[D]").tolist()
    kept = chance(rng, size, share).tolist()
    swap, off, default = (
        chance(rng, size, rate).tolist()
        for rate in (RATES.day_month_swap, RATES.birth_year_off, RATES.placeholder_birth)
    )
    made: list[date | None] = []
    for row, day in enumerate(days):
        if not kept[row]:
            made.append(None)
        elif default[row]:
            made.append(day.replace(year=1900, month=1, day=1))
        elif swap[row] and day.day <= 12:
            made.append(day.replace(month=day.day, day=day.month))
        elif off[row] and not (day.month == 2 and day.day == 29):
            made.append(day.replace(year=day.year - 1))
        else:
            made.append(day)
    return text(made)


def _emails(rng: Random, people: People, companies: Companies, rows: Ints, work_mail: float, mess: float) -> Text:
    size = rows.size
    email = people.email[rows].copy()
    mailboxes = (
        (people.other_email, RATES.other_mailbox), (people.former_email, 0.5), (people.work_email, work_mail),
    )  # fmt: skip
    for source, rate in mailboxes:
        other = source[rows]
        used = chance(rng, size, rate) & present(other)
        email[used] = other[used]
    employer = people.employer[rows]
    role = chance(rng, size, RATES.role_mailbox) & (employer >= 0)
    shared = companies.role_email[employer[role]]
    email[role] = either(present(shared), shared, email[role])
    apply_change(email, chance(rng, size, RATES.typo_email * mess), typo_email, rng)
    apply_change(email, chance(rng, size, 0.04), upper, rng)
    fake = chance(rng, size, RATES.placeholder_email)
    email[fake] = text(PLACEHOLDER_EMAILS)[rng.integers(0, len(PLACEHOLDER_EMAILS), int(fake.sum()))]
    return email


def _numbers(rng: Random, numbers: Text, mess: float) -> Text:
    """Return E.164 numbers; some with a wrong digit, some placeholders."""
    written = numbers.copy()
    apply_change(written, chance(rng, len(written), RATES.digit_off * mess), digit_off, rng)
    fake = chance(rng, len(written), RATES.placeholder_phone)
    written[fake] = text(PLACEHOLDER_PHONES)[rng.integers(0, len(PLACEHOLDER_PHONES), int(fake.sum()))]
    return written


def format_phones(rng: Random, numbers: Text, country: Ints, *, missing: float) -> Text:
    """Write numbers in common formats, and leave some out."""
    size = len(numbers)
    style = rng.integers(0, 7, size).tolist()
    gone = chance(rng, size, missing).tolist()
    return text(
        None if lost or not number else write_phone(number, countries()[c], s)
        for number, c, s, lost in zip(numbers.tolist(), country.tolist(), style, gone, strict=True)
    )


def latin_company(rng: Random, companies: Companies, rows: Ints, *, mess: float, own_script: float = 1.0) -> Text:
    """Write company names: full, without or with another spelling of the legal form, in either script."""
    size = rows.size
    dice = rng.integers(0, 2**31, size).tolist()
    bare = chance(rng, size, RATES.form_missing).tolist()
    other = chance(rng, size, RATES.form_other_spelling).tolist()
    local = chance(rng, size, 1 - 0.6 * own_script).tolist()
    names = []
    for at, row in enumerate(rows.tolist()):
        code = countries()[companies.home.country[row]].code
        own = code in ("JP", "CN", "RU", "UA", "GR") and companies.kind[row] == "single"
        if (own and not local[at]) or (companies.kind[row] in ("sole", "branch") and not other[at]):
            names.append(companies.name[row])
        elif bare[at]:
            names.append(f"{companies.core_latin[row]}{companies.mark[row]}")
        else:
            spellings = len(legal_forms(code)[0])
            names.append(with_form(companies, row, dice[at], dice[at] // 8 % spellings if other[at] else 0))
    written = text(names)
    apply_change(written, chance(rng, size, RATES.typo_company * mess), typo, rng)
    apply_change(written, chance(rng, size, RATES.upper_case), upper, rng)
    apply_change(written, chance(rng, size, RATES.diacritics_dropped), drop_marks, rng)
    apply_change(written, chance(rng, size, 0.04), lambda value, _: value.replace(" & ", " and "), rng)
    return written


def websites(rng: Random, domains: Text, *, missing: float) -> Text:
    """Write a domain as a website address in common forms."""
    shape = rng.integers(0, 5, len(domains)).tolist()
    gone = chance(rng, len(domains), missing).tolist()
    forms = ("https://www.{d}", "www.{d}", "http://{d}/", "{d}", "https://{d}")
    return text(
        forms[k].format(d=d) if d and not lost else None
        for d, k, lost in zip(domains.tolist(), shape, gone, strict=True)
    )
