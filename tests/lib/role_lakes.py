"""A small lake whose values are canaries: each is found again wherever it leaks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from dataflow.access.lake import open_lake
from dataflow.publish import Publication
from dataflow.settings import Settings
from dataflow.settings.roles import SHIPPED_ROLES
from dataflow.sinks.marts import Marts
from dataflow.tables.declared import declared_tables
from lakehouse import Lake
from tests.lib.customers import World, record_of
from tests.lib.publishing import publish_world, settings_in
from tests.lib.tables import NOW

CUSTOMERS = 12
# A class of personal data to the golden fields that hold a canary of it.
TEXTS = {
    "identity": ("full_name", "given_name", "surname", "company_name"),
    "contact": ("street", "city", "region", "phone", "website_domain"),
    "behaviour": ("crm_status",),
}


def with_marts(settings: Settings, roles: Iterable[str] = SHIPPED_ROLES) -> Settings:
    """The settings with marts of these roles."""
    access = settings.access.model_copy(update={"marts": list(roles)})
    return settings.model_copy(update={"access": access})


def make_world(customers: int = CUSTOMERS) -> World:
    """Customers with a canary in every field that can hold one."""
    world = World()
    for number in range(customers):
        name = f"cid{number:04}canary"
        texts = {field: f"{kind}-{field}-{number:04}-canary" for kind, fields in TEXTS.items() for field in fields}
        world.customer(
            name,
            **texts,
            email=f"mailcanary{number:04}@shop{number % 3}.example",
            postcode=f"9{number:04}postcanary",
            country_code="DE" if number % 2 else "AT",
            date_of_birth=date(1960 + number, 7, 13),
            parent_customer_id="cid0000canary" if number else None,
        )
        for order in range(3):
            world.order(
                f"order{number}-{order}-canary",
                record_of(name),
                NOW - timedelta(days=30 * order + number),
                Decimal(f"{number}37.{order}1"),
                order_number=f"number{number}-{order}-canary",
            )
        world.ticket(f"ticket{number}-canary", record_of(name), NOW, subject=f"subject{number:04}canary about health")
    return world


@dataclass
class RoleLake:
    """The lake, its settings with every shipped role's mart, and the publications."""

    settings: Settings
    lake: Lake
    world: World
    days: list[Publication]

    def publish(self, run_id: str = "later") -> Publication:
        """Publish the world as it is now, without feeding the marts."""
        at = NOW + timedelta(days=len(self.days))
        self.days.append(publish_world(self.lake, self.settings.home, self.world, now=at, run_id=run_id))
        return self.days[-1]


def open_role_lake(home: Path, *, roles: Iterable[str] = SHIPPED_ROLES) -> RoleLake:
    """Make the lake with one publication, and the marts of some roles; the caller closes its `lake`."""
    settings = with_marts(settings_in(home), roles)
    lake = open_lake(settings, purpose="test")
    lake.ensure(declared_tables(settings).values())
    made = RoleLake(settings, lake, make_world(), [])
    made.publish("first")
    Marts(settings).follow(made.days[0])
    return made


def files_below(folder: Path) -> dict[str, str]:
    """Hash every file but those of the access log."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "log" not in path.relative_to(folder).parts
    }
