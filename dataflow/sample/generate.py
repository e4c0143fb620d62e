"""Generate a whole sample: days of deliveries, reference data and their truth."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from dataflow.sample.arrays import Ints, Random, height, present, take
from dataflow.sample.clock import Day
from dataflow.sample.companies import Companies, industries
from dataflow.sample.defects import break_rows
from dataflow.sample.deliver import Deliveries, object_folder, open_deliveries, write_deleted
from dataflow.sample.events import apply_one_day
from dataflow.sample.geoip import write_mmdb
from dataflow.sample.increments import change_records, delete_in_crm, delivered, earlier_records, make_late
from dataflow.sample.ledger import Ledger
from dataflow.sample.objects import OBJECTS, Key
from dataflow.sample.places import countries
from dataflow.sample.slices import Counters, Earlier, Made, make_slice
from dataflow.sample.spec import SampleSpec, SampleSummary
from dataflow.sample.truth import Firmographics, Truth
from dataflow.sample.unique import Claims
from dataflow.sample.world import COMPANIES_PER_ROW, PEOPLE_PER_ROW, World, build_world, join_worlds

Progress = Callable[[str, int, int], None]
Quota = dict[Key, int]
_COUNTED = ("delivered", "new", "updated", "late", "repeated", "stale", "soft_deleted", "deleted", "current")

# Rows built together: small enough that a million-row day needs a few hundred MB.
_SLICE_ROWS = 50_000
# On a later day about half of the new records describe new people and companies, half existing ones.
_NEWCOMERS, _ACQUAINTED = 0.5, 0.45

_FOLDERS = ("salesforce", "mysql", "tickets", "reference", "truth")

Tally = dict[str, Any]


def generate(spec: SampleSpec, root: Path, *, progress: Progress | None = None) -> SampleSummary:
    """Write a sample under `root`; the same spec writes the same bytes.

    Shape: <root>/salesforce/<Object>/<day>/page-0001.json and deleted.json, mysql/<table>/<day>.parquet,
    tickets/<day>/tickets-<n>.csv, reference/{geoip.mmdb,firmographics.parquet},
    truth/{truth.parquet,defects.parquet,counts.json}. Each day delivers `records_per_day` rows exactly;
    Salesforce deletions (deleted.json) are counted apart. Day 1 is a first load and reaches three years back;
    later days bring new records, new versions, repeats, late rows and deletions.
    An older sample under `root` is replaced. `progress(what, done, total)` gets the number of delivered rows.
    """
    # Files of an older sample must not remain; other files in the folder stay.
    for folder in _FOLDERS:
        shutil.rmtree(root / folder, ignore_errors=True)
    return _Generator(spec, root, progress).run()


class _Generator:
    """Carry state from one slice or day to the next: used numbers, claimed mailboxes, built records."""

    def __init__(self, spec: SampleSpec, root: Path, progress: Progress | None) -> None:
        self.spec, self.root, self.progress = spec, root, progress
        self.claims, self.counters = Claims(), Counters()
        self.truth = Truth(root / "truth")
        self.firms = Firmographics(root / "reference" / "firmographics.parquet")
        self.people = self.companies = self.delivered = 0
        # A sample of one day has no later versions, so no ledger is kept.
        self.ledger = Ledger() if spec.days > 1 else None
        self.world: World | None = None
        self.days: list[dict[str, object]] = []

    def run(self) -> SampleSummary:
        write_mmdb(self.root / "reference" / "geoip.mmdb", self.spec.start)
        for number in range(1, self.spec.days + 1):
            self._day(Day(number, self.spec.start + timedelta(days=number - 1)))
        self.firms.close()
        counts: dict[str, object] = {
            "seed": self.spec.seed, "records_per_day": self.spec.records_per_day,
            "entities": len(self.truth.entities), "defects": self.truth.defects, "days": self.days,
        }  # fmt: skip
        self.truth.close(counts)
        return SampleSummary(
            root=self.root, days=self.spec.days, records=self.delivered, entities=len(self.truth.entities),
            defects=self.truth.defects, counts=counts,
        )  # fmt: skip

    def _day(self, day: Day) -> None:
        quota = self.spec.quota()
        out = open_deliveries(self.root, day, quota, drift=0 < self.spec.drift_day <= day.number)
        tally: dict[Key, Tally] = {key: dict.fromkeys(_COUNTED, 0) | {"defects": Counter()} for key in OBJECTS}
        if day.first_load:
            self._first_load(day, quota, out, tally)
        else:
            self._increment(day, quota, out, tally)
        for delivery in out.values():
            delivery.close()
        if self.ledger:
            for key in OBJECTS:
                tally[key]["current"] = int(self.ledger.usable(key).size)
        self.days.append({"date": str(day.date), "objects": {"/".join(key): value for key, value in tally.items()}})

    def _first_load(self, day: Day, quota: Quota, out: Deliveries, tally: dict[Key, Tally]) -> None:
        slices = max(1, math.ceil(self.spec.records_per_day / _SLICE_ROWS))
        for number in range(slices):
            rng = np.random.default_rng([self.spec.seed, day.number, number])
            part = {key: rows * (number + 1) // slices - rows * number // slices for key, rows in quota.items()}
            world, people, companies = self._grow(rng, sum(part.values()))
            made = make_slice(
                rng, world, part, day, counters=self.counters, people=people, companies=companies, earlier=Earlier()
            )
            for key, each in made.items():
                self._keep(key, each)
                tally[key]["new"] += height(each.frame)
                tally[key]["current"] += int((~present(each.defects)).sum())
                self._deliver(rng, key, each, out, day, tally)
        for key in quota:
            if key[0] == "salesforce":
                write_deleted(object_folder(self.root, key, day), [], np.zeros(0, dtype="datetime64[s]"), day.date)

    def _increment(self, day: Day, quota: Quota, out: Deliveries, tally: dict[Key, Tally]) -> None:
        ledger, world = self.ledger, self.world
        assert ledger is not None and world is not None
        rng = np.random.default_rng([self.spec.seed, day.number])
        events = apply_one_day(rng, world, self.claims)
        changes = {
            key: change_records(rng, key, ledger, world, events, quota=rows, day=day) for key, rows in quota.items()
        }
        room = {key: rows - changes[key].size for key, rows in quota.items()}
        for key in quota:
            if key[0] == "salesforce":
                gone, timestamps = delete_in_crm(rng, key, ledger, changes[key].rows, world, day)
                write_deleted(object_folder(self.root, key, day), gone.tolist(), timestamps, day.date)
                tally[key]["deleted"] = gone.size
        earlier = earlier_records(
            rng, ledger, customers=room["mysql", "customers"], requesters=room["tickets", "ticket"] // 4
        )
        rows = sum(room.values())
        world, newcomers, firms = self._grow(rng, round(rows * _NEWCOMERS))
        known = rng.permutation(int(newcomers[0]))[: round(rows * PEOPLE_PER_ROW * _ACQUAINTED)]
        known_firms = rng.permutation(int(firms[0]))[: round(rows * COMPANIES_PER_ROW * _ACQUAINTED)]
        made = make_slice(
            rng, world, room, day, counters=self.counters, people=np.concatenate([newcomers, known]),
            companies=np.concatenate([firms, known_firms]), earlier=earlier,
        )  # fmt: skip
        for key, new in made.items():
            each = changes[key]
            late = make_late(rng, key, new.frame, day, None)
            self._keep(key, new)
            tally[key] |= {
                "new": height(new.frame), "updated": each.rows.size, "late": each.late + late,
                "repeated": height(each.repeated), "stale": height(each.stale), "soft_deleted": each.soft_deleted,
            }  # fmt: skip
            self._deliver(rng, key, delivered(each, new), out, day, tally)

    def _grow(self, rng: Random, rows: int) -> tuple[World, Ints, Ints]:
        """Add the people and companies that `rows` rows describe; return the world and the rows of the new ones."""
        people, companies = max(8, round(rows * PEOPLE_PER_ROW)), max(10, round(rows * COMPANIES_PER_ROW))
        world = build_world(
            rng, people=people, companies=companies, first_person=self.people + 1, first_company=self.companies + 1,
            claims=self.claims, year=self.spec.start.year,
        )  # fmt: skip
        self.people += people
        self.companies += companies
        self.firms.append(_firmographics(rng, world.companies))
        if self.ledger:
            world = self.world = join_worlds(self.world, world) if self.world else world
        return (
            world,
            np.arange(world.people.size - people, world.people.size, dtype=np.int64),
            np.arange(world.companies.size - companies, world.companies.size, dtype=np.int64),
        )

    def _keep(self, key: Key, made: Made) -> None:
        if self.ledger:
            self.ledger.add(key, made.frame, ~present(made.defects))

    def _deliver(self, rng: Random, key: Key, made: Made, out: Deliveries, day: Day, tally: dict[Key, Tally]) -> None:
        rows = height(made.frame)
        order = np.arange(rows) if day.first_load else rng.permutation(rows)
        frame, defects = take(made.frame, order), made.defects[order]
        out[key].append(break_rows(rng, key, frame, defects))
        self.truth.add(key, frame, defects, day)
        tally[key]["delivered"] += rows
        tally[key]["defects"].update(defects[present(defects)].tolist())
        self.delivered += rows
        if self.progress:
            self.progress("sample", self.delivered, self.spec.days * self.spec.records_per_day)


def _firmographics(rng: np.random.Generator, companies: Companies) -> dict[str, list[object]]:
    first: dict[str, int] = {}
    for row, domain in enumerate(companies.domain.tolist()):
        if domain:
            first.setdefault(domain, row)
    rows = np.array(list(first.values()), dtype=np.int64)
    rows = rows[rng.random(rows.size) < 0.7]
    staff = companies.employees[rows]
    sectors = industries()
    return {
        "domain": companies.domain[rows].tolist(),
        "company_name": [f"{core}" for core in companies.core_latin[rows].tolist()],
        "employee_count": staff.tolist(),
        "annual_revenue_usd": (staff * rng.lognormal(11.6, 0.5, rows.size)).astype(np.int64).tolist(),
        "founded_year": (2024 - rng.gamma(2.0, 12.0, rows.size)).astype(np.int64).tolist(),
        "naics_code": [sectors[index].naics for index in companies.industry[rows].tolist()],
        "naics_title": [sectors[index].title for index in companies.industry[rows].tolist()],
        "country_code": [countries()[index].code for index in companies.home.country[rows].tolist()],
    }
