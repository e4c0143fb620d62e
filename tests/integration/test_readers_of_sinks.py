"""Readers that poll lake, warehouse and cache while publications run see one publication in each, never a mix."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from dataflow.access.pipeline import open_published
from dataflow.serve.from_cache import CachedCustomers
from dataflow.settings import Settings
from dataflow.sinks.cache.cache import Cache
from dataflow.sinks.warehouse import Warehouse
from lakehouse.connect import connect
from lakehouse.table import literal
from tests.lib.servers.redis import RedisServer
from tests.lib.three_publications import Shop, open_shop

NAMES = ("a", "b")
_PAUSE_SECONDS = 0.1
# Each publication gives both customers the same day in their address, and the 360 of each is in two tables.
DAYS = """
SELECT list(DISTINCT regexp_extract(email, '[0-9]+')::INT) FROM (
    SELECT email FROM {at}published.customer_360
    UNION ALL SELECT email FROM {at}published.customer_history WHERE valid_to IS NULL)
"""


@pytest.fixture
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory) as made:
        yield made


def in_lake(settings: Settings) -> list[int]:
    with closing(open_published(settings)) as con:
        [(days,)] = con.execute(DAYS.format(at="")).fetchall()
    return list(days)


def in_warehouse(settings: Settings) -> list[int]:
    with closing(connect()) as con:
        con.execute(f"ATTACH {literal(settings.warehouse.path)} AS seen (READ_ONLY)")
        [(days,)] = con.execute(DAYS.format(at="seen.")).fetchall()
    return list(days)


def in_cache(cache: CachedCustomers, numbers: list[int]) -> list[int]:
    """The day of each customer's publication, and of its address: one customer is read at a time."""
    days = set()
    for name in NAMES:
        found = cache.get(name)
        assert found is not None
        publication, _, values = found
        days |= {numbers.index(publication), int(values["email"][1:].split("@")[0])}
        # The next customer can be of the next publication; each is whole.
        assert len(days) == 1, f"{name} is of a mix: {days}"
        days = set()
    return [numbers.index(publication)]


def test_no_reader_sees_a_mix(shop: Shop, redis_of_tests: RedisServer, pytestconfig: pytest.Config) -> None:
    rounds = 100 if pytestconfig.getoption("--soak") else 3
    redis_of_tests.admin.flushall()
    settings = redis_of_tests.settings(shop.settings_for(shop.settings.home / "warehouse.duckdb"))
    numbers: list[int] = []

    def publish(day: int) -> None:
        for name in NAMES:
            shop.world.customer(name, email=f"{name}{day}@mail.example")
        publication = shop.publish()
        numbers.append(publication.number)
        Warehouse(settings).follow(publication)
        Cache(settings).follow(publication)

    publish(0)
    cache = CachedCustomers(settings)
    ended, looks = threading.Event(), dict.fromkeys(("lake", "warehouse", "cache"), 0)
    wrong: list[str] = []

    def poll(name: str, look: Callable[[], list[int]]) -> None:
        before = 0
        try:
            while not ended.wait(_PAUSE_SECONDS):
                days = look()
                looks[name] += 1
                if len(days) != 1 or days[0] < before:
                    wrong.append(f"{name} shows {days} after {before}")
                before = max(days)
        except Exception as error:  # noqa: BLE001 (what a reader meets is what the test asks for)
            wrong.append(f"{name}: {error!r}")

    readers = [
        threading.Thread(target=poll, args=("lake", lambda: in_lake(settings))),
        threading.Thread(target=poll, args=("warehouse", lambda: in_warehouse(settings))),
        threading.Thread(target=poll, args=("cache", lambda: in_cache(cache, numbers))),
    ]
    for reader in readers:
        reader.start()
    try:
        for day in range(1, rounds):
            publish(day)
    finally:
        ended.set()
        for reader in readers:
            reader.join()
        cache.close()
    assert wrong == []
    assert min(looks.values()) > 0
    assert (in_lake(settings), in_warehouse(settings)) == ([rounds - 1], [rounds - 1])
