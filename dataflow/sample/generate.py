"""Generate a whole sample: days of deliveries, reference data and the truth about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np

from dataflow.sample.clock import Day
from dataflow.sample.companies import Companies, industries
from dataflow.sample.defects import break_rows
from dataflow.sample.deliver import Delivery, MysqlTable, SalesforcePages, TicketFiles, write_deleted
from dataflow.sample.geoip import write_mmdb
from dataflow.sample.objects import OBJECTS, Key
from dataflow.sample.places import countries
from dataflow.sample.slices import Counters, Made, make_slice
from dataflow.sample.spec import SampleSpec, SampleSummary
from dataflow.sample.truth import Firmographics, Truth
from dataflow.sample.unique import Claims
from dataflow.sample.world import COMPANIES_PER_ROW, PEOPLE_PER_ROW, World, build_world

Progress = Callable[[str, int, int], None]

# Rows made at once: small enough to keep a million-row day in a few hundred MB.
_SLICE_ROWS = 50_000


def generate(spec: SampleSpec, root: Path, *, progress: Progress | None = None) -> SampleSummary:
    """Write a sample under `root`; the same spec writes the same bytes.

    Shape: <root>/salesforce/<Object>/<day>/page-0001.json and deleted.json, mysql/<table>/<day>.parquet,
    tickets/<day>/tickets-<n>.csv, reference/{geoip.mmdb,firmographics.parquet},
    truth/{truth.parquet,defects.parquet,counts.json}. Each day delivers `records_per_day` rows exactly;
    Salesforce deletions (deleted.json) are counted apart. Day 1 is a first load and reaches three years back.
    `progress(what, done, total)` is told the delivered rows.
    """
    return _Generator(spec, root, progress).run()


class _Generator:
    """Carries what one slice leaves to the next: numbers taken, mailboxes claimed, counts."""

    def __init__(self, spec: SampleSpec, root: Path, progress: Progress | None) -> None:
        self.spec, self.root, self.progress = spec, root, progress
        self.claims, self.counters = Claims(), Counters()
        self.truth = Truth(root / "truth")
        self.firms = Firmographics(root / "reference" / "firmographics.parquet")
        self.people = self.companies = self.delivered = 0
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
        out = self._open(day, quota)
        tally: dict[Key, dict[str, int]] = {key: {"delivered": 0, "defects": 0} for key in OBJECTS}
        slices = max(1, math.ceil(self.spec.records_per_day / _SLICE_ROWS))
        for number in range(slices):
            rng = np.random.default_rng([self.spec.seed, day.number, number])
            part = {key: rows * (number + 1) // slices - rows * number // slices for key, rows in quota.items()}
            world = self._world(rng, sum(part.values()))
            made = make_slice(
                rng, world, part, day, counters=self.counters,
                people=np.arange(world.people.size), companies=np.arange(world.companies.size),
            )  # fmt: skip
            self._deliver(rng, made, out, day, tally)
        for delivery in out.values():
            delivery.close()
        for key in OBJECTS:
            if key[0] == "salesforce":
                write_deleted(self._folder(key, day), [], np.zeros(0, dtype="datetime64[s]"), day.date)
        self.days.append({"date": str(day.date), "objects": {"/".join(key): value for key, value in tally.items()}})

    def _world(self, rng: np.random.Generator, rows: int) -> World:
        people, companies = max(8, round(rows * PEOPLE_PER_ROW)), max(10, round(rows * COMPANIES_PER_ROW))
        world = build_world(
            rng, people=people, companies=companies, first_person=self.people + 1, first_company=self.companies + 1,
            claims=self.claims, year=self.spec.start.year,
        )  # fmt: skip
        self.people += people
        self.companies += companies
        self.firms.append(_firmographics(rng, world.companies))
        return world

    def _folder(self, key: Key, day: Day) -> Path:
        return self.root / OBJECTS[key].folder / str(day.date)

    def _open(self, day: Day, quota: dict[Key, int]) -> dict[Key, Delivery]:
        out: dict[Key, Delivery] = {}
        for key, each in OBJECTS.items():
            folder = self._folder(key, day)
            if each.source == "salesforce":
                out[key] = SalesforcePages(folder, each.name.title(), quota[key])
            elif each.source == "mysql":
                out[key] = MysqlTable(folder.with_suffix(".parquet"), each.name)
            else:
                out[key] = TicketFiles(folder)
        return out

    def _deliver(
        self, rng: np.random.Generator, made: dict[Key, Made], out: dict[Key, Delivery], day: Day,
        tally: dict[Key, dict[str, int]],
    ) -> None:  # fmt: skip
        for key, each in made.items():
            out[key].append(break_rows(rng, key, each.frame, each.defects))
            self.truth.add(key, each.frame, each.defects, day)
            rows = len(each.defects)
            tally[key]["delivered"] += rows
            tally[key]["defects"] += int((each.defects != None).sum())  # noqa: E711
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
