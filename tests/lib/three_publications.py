"""A lake with three publications, for the tests of sinks: customers merged, orders added and deleted."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dataflow.access.lake import open_lake
from dataflow.publish import Publication
from dataflow.settings import Settings
from dataflow.tables.declared import declared_tables
from lakehouse import Lake
from tests.lib.customers import World, record_of
from tests.lib.publishing import publish_world, settings_in
from tests.lib.servers.pipeline import made_once
from tests.lib.tables import NOW


@dataclass
class Shop:
    """A lake at the default places of a home; `days` are its publications, `world` its records at the last."""

    settings: Settings
    lake: Lake
    days: list[Publication]
    world: World

    def settings_for(self, warehouse: Path) -> Settings:
        place = self.settings.warehouse.model_copy(update={"path": str(warehouse)})
        return self.settings.model_copy(update={"warehouse": place})

    def publish(self) -> Publication:
        """Publish the world as it is now, a day after the last publication."""
        now = NOW + timedelta(days=len(self.days))
        self.days.append(publish_world(self.lake, self.settings.home, self.world, now=now))
        return self.days[-1]


@contextmanager
def open_shop(temporary: pytest.TempPathFactory) -> Iterator[Shop]:
    """Open a copy of the lake, which is made once for all test processes."""
    home = temporary.mktemp("shop") / "home"
    shutil.copytree(made_once(temporary, "three-publications", _make), home)
    days, world = pickle.loads((home / _NOTED).read_bytes())
    settings = settings_in(home)
    with open_lake(settings, purpose="test") as lake:
        yield Shop(settings, lake, days, world)


def _make(home: Path) -> None:
    """On the second day c is merged into a, on the third an order is deleted, one is new."""
    settings = settings_in(home)
    with open_lake(settings, purpose="test") as lake:
        lake.ensure(declared_tables(settings).values())
        shop = Shop(settings, lake, [], World())
        world = shop.world
        for name in ("a", "b", "c"):
            world.customer(name, email=f"{name}@mail.example", phone="+442079460958" if name != "c" else None)
            world.order(f"o{name}", record_of(name), NOW - timedelta(days=5), 10)
        shop.publish()
        world.merge("c", "a")
        shop.publish()
        del world.orders["ob"]
        world.order("new", record_of("a"), NOW, 99)
        shop.publish()
    (home / _NOTED).write_bytes(pickle.dumps((shop.days, world)))


_NOTED = "days-and-world"
