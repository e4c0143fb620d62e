"""Change people and companies between two days: moves, marriages, new numbers and mailboxes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dataflow.sample.arrays import Flags, Ints, Random, chance, text
from dataflow.sample.people import draw_surnames
from dataflow.sample.places import Addresses, draw_addresses, draw_phones
from dataflow.sample.unique import Claims
from dataflow.sample.world import World

# Daily shares of people and companies; far above real rates, so that increments have changes.
_MOVES, _MARRIES, _NEW_NUMBER, _NEW_MAILBOX, _COMPANY_MOVES = 0.010, 0.003, 0.004, 0.004, 0.006


@dataclass(frozen=True)
class Events:
    """The people and companies that changed today; flags by row of the world."""

    people: Flags
    companies: Flags


def apply_one_day(rng: Random, world: World, claims: Claims) -> Events:
    """Change the world in place and return the changed rows."""
    people, companies = world.people, world.companies
    moved = np.flatnonzero(chance(rng, people.size, _MOVES))
    people.former_home.put(moved, people.home, moved)
    _rehouse(rng, people.home, moved)
    people.moved[moved] = True
    married = np.flatnonzero(chance(rng, people.size, _MARRIES) & people.female)
    people.former_surname[married] = people.surname[married]
    people.former_surname_latin[married] = people.surname_latin[married]
    draw_surnames(rng, people, married)
    renumbered = np.flatnonzero(chance(rng, people.size, _NEW_NUMBER))
    home = people.home
    numbers = draw_phones(rng, home.country[renumbered], home.place[renumbered], mobile=True)
    people.mobile[renumbered] = claims.phones(numbers)
    written = np.flatnonzero(chance(rng, people.size, _NEW_MAILBOX))
    people.former_email[written] = people.email[written]
    people.email[written] = claims.emails(text(people.email[written]))
    relocated = np.flatnonzero(chance(rng, companies.size, _COMPANY_MOVES))
    _rehouse(rng, companies.home, relocated)
    touched = np.zeros(people.size, dtype=bool)
    for rows in (moved, married, renumbered, written):
        touched[rows] = True
    firms = np.zeros(companies.size, dtype=bool)
    firms[relocated] = True
    return Events(touched, firms)


def _rehouse(rng: Random, home: Addresses, rows: Ints) -> None:
    """Move within the country, so that telephone numbers and postcodes stay consistent."""
    home.put(rows, draw_addresses(rng, home.country[rows]), np.arange(rows.size, dtype=np.int64))
