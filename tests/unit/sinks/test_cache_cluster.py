"""The cache in a real Redis cluster: what one server does, over three nodes."""

from __future__ import annotations

from typing import Any

import pytest

from dataflow.access.who import system_user
from dataflow.errors import SinkError
from dataflow.serve import Customers
from dataflow.serve.from_cache import CachedCustomers
from dataflow.settings import Settings
from dataflow.sinks.cache.cache import Cache
from dataflow.sinks.cache.layout import POINTER
from dataflow.tables.subject import Subject
from tests.lib.customers import record_of
from tests.lib.servers.redis import READER, RedisServer
from tests.lib.three_publications import Shop

WHO = system_user()


@pytest.fixture
def nodes(cluster_of_tests: list[RedisServer]) -> list[RedisServer]:
    for node in cluster_of_tests:
        node.admin.flushall()
        node.admin.config_set("maxmemory-policy", "noeviction")
    return cluster_of_tests


@pytest.fixture
def cached(shop: Shop, nodes: list[RedisServer]) -> Settings:
    return nodes[0].settings(shop.settings)


def keys_of(nodes: list[RedisServer], pattern: str) -> list[bytes]:
    return [key for node in nodes for key in node.admin.keys(pattern)]


def test_it_follows_and_readers_find_what_the_lake_has(shop: Shop, cached: Settings, nodes: list[RedisServer]) -> None:
    before = None
    for day in shop.days:
        report = Cache(cached).follow(day)
        assert report.facts == {"publication": day.number, "was_at": before}
        before = day.number
    assert all(node.admin.dbsize() > 0 for node in nodes)
    reader = nodes[1].settings(shop.settings, user=READER)
    with Customers(reader, WHO) as here, Customers(shop.settings, WHO) as there:
        for name in ("a", "b", "c"):
            found, expected = here.get(name), there.get(name)
            assert found is not None
            assert expected is not None
            assert (found.found_in, found.publication) == ("cache", expected.publication)
            assert dict(found.values) == dict(expected.values)
        assert [each.customer_id for each in here.find(phone="+442079460958")] == ["a", "b"]


def test_superseded_fields_go_and_a_lost_pointer_is_made_up_for(
    shop: Shop, nodes: list[RedisServer], cached: Settings
) -> None:
    for day in shop.days:
        Cache(cached).follow(day)
    [publications] = [node for node in nodes if node.admin.keys("df:publications")]
    for name in publications.admin.zrange("df:publications", 0, -1):
        publications.admin.zadd("df:publications", {name: 1.0})
    Cache(nodes[2].settings(shop.settings, keep_seconds=1)).follow(shop.days[-1])
    assert keys_of(nodes, "df:superseded:*") == []
    [holder] = [node for node in nodes if node.admin.keys(POINTER)]
    holder.admin.delete(POINTER)
    Cache(cached).follow(shop.days[-1])
    with Customers(cached, WHO) as customers:
        found = customers.get("c")
    assert found is not None
    assert (found.customer_id, found.found_in) == ("a", "cache")


def test_a_person_is_forgotten_and_all_is_cleared(shop: Shop, cached: Settings, nodes: list[RedisServer]) -> None:
    Cache(cached).follow(shop.days[-1])
    person = Subject(customer_ids=frozenset({"a", "c"}), record_ids=frozenset({record_of("a"), record_of("c")}))
    assert Cache(cached).forget(person) > 0
    cache = CachedCustomers(cached)
    assert (cache.get("a"), cache.find("phone", "+442079460958")) == (None, ["b"])
    cache.close()
    Cache(cached).clear()
    assert keys_of(nodes, "*") == []


def test_one_node_that_evicts_is_named(shop: Shop, cached: Settings, nodes: list[RedisServer]) -> None:
    for node in nodes:
        node.admin.config_set("maxmemory-policy", "allkeys-lru")
        with pytest.raises(SinkError, match=r"evicts keys \(allkeys-lru\)"):
            Cache(cached).follow(shop.days[0])
        assert [one.is_well for one in Cache(cached).probe()] == [True, False]
        node.admin.config_set("maxmemory-policy", "noeviction")
    Cache(cached).follow(shop.days[0])


def test_fields_that_were_read_before_the_pointer_are_read_again(
    shop: Shop, cached: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nodes answer in any order: a publication between the two reads must not show a former state as its own."""
    Cache(cached).follow(shop.days[0])
    cache = CachedCustomers(cached)
    first = cache.get("a")
    client: Any = cache._client

    class Torn:
        """A pipeline whose second command is answered before a publication, and the first after it."""

        def __init__(self) -> None:
            self._key = ""

        def execute_command(self, _: str, key: str) -> None:
            self._key = key

        def execute(self) -> list[Any]:
            fields = client.execute_command("HGETALL", self._key)
            Cache(cached).follow(shop.days[2])
            return [client.get(POINTER), fields]

    monkeypatch.setattr(client, "pipeline", lambda **_: Torn())
    second = cache.get("a")
    cache.close()
    assert first is not None
    assert second is not None
    assert [(seen[0], seen[2]["order_count"]) for seen in (first, second)] == [
        (shop.days[0].number, 1),
        (shop.days[2].number, 3),
    ]
