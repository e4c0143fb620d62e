"""Build one slice of the world: companies and people that refer to each other."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar

import numpy as np

from dataflow.sample.arrays import Ints, Random, text
from dataflow.sample.companies import Companies, build_companies
from dataflow.sample.noise import RATES
from dataflow.sample.people import People, build_people
from dataflow.sample.places import Addresses, countries, draw_addresses
from dataflow.sample.unique import Claims

T = TypeVar("T", Companies, People, Addresses)

# Entities per delivered row of a first load: about 2.2 source records describe one person or company.
PEOPLE_PER_ROW = 0.255
COMPANIES_PER_ROW = 0.048


@dataclass
class World:
    """People and companies that refer to each other by row."""

    people: People
    companies: Companies


@cache
def hot_addresses() -> Addresses:
    """Return forwarders and registered-office agents: three addresses per country, equal in every sample."""
    country = np.repeat(np.arange(len(countries()), dtype=np.int64), 3)
    return draw_addresses(np.random.default_rng(11), country, flats=1.0)


def build_world(
    rng: Random, *, people: int, companies: int, first_person: int, first_company: int, claims: Claims, year: int
) -> World:
    firms = build_companies(rng, companies, first_company, claims)
    hot = hot_addresses()
    agents = np.flatnonzero(rng.random(companies) < RATES.registered_office)
    for index in np.unique(firms.home.country[agents]).tolist():
        some = agents[firms.home.country[agents] == index]
        spots = np.flatnonzero(hot.country == index)
        firms.home.put(some, hot, spots[rng.integers(0, spots.size, some.size)])
        # An agent rents out suites: one building, many companies.
        suites = rng.integers(100, 900, some.size)
        firms.home.unit[some] = firms.home.unit_latin[some] = text(f"Suite {n}" for n in suites)
    folk = build_people(rng, people, firms, first=first_person, claims=claims, year=year, hot=hot)
    return World(folk, firms)


def _join(first: T, second: T) -> T:
    """Append the rows of `second`, column by column."""
    columns: dict[str, Any] = {}
    for f in fields(first):
        a, b = getattr(first, f.name), getattr(second, f.name)
        columns[f.name] = _join(a, b) if isinstance(a, Addresses) else np.concatenate([a, b])
    return type(first)(**columns)


def join_worlds(first: World, second: World) -> World:
    """Append `second`; shift its row references (employer, parent)."""
    shift = first.companies.size
    second.people.employer = _shifted(second.people.employer, shift)
    second.companies.parent = _shifted(second.companies.parent, shift)
    return World(_join(first.people, second.people), _join(first.companies, second.companies))


def _shifted(rows: Ints, shift: int) -> Ints:
    return np.where(rows >= 0, rows + shift, rows)
