"""The cache: each reader sees one publication, whole, whatever happened to the one that writes it."""

from __future__ import annotations

import json
import pickle
import signal
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataflow.access.who import system_user
from dataflow.errors import ConfigurationError, SinkError, SinkTimeout
from dataflow.serve import Customers
from dataflow.settings import Settings
from dataflow.sinks.cache.cache import Cache
from dataflow.sinks.cache.layout import decode_customer, newest_upto, outdated
from dataflow.tables.subject import Subject
from tests.lib.customers import record_of
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.redis import READER, RedisServer, redis_server
from tests.lib.three_publications import Shop


@pytest.fixture
def server(redis_of_tests: RedisServer) -> RedisServer:
    redis_of_tests.admin.flushall()
    redis_of_tests.admin.config_set("maxmemory", "0")
    redis_of_tests.admin.config_set("maxmemory-policy", "noeviction")
    return redis_of_tests


@pytest.fixture
def cached(shop: Shop, server: RedisServer) -> Settings:
    """The shop's settings with an empty cache."""
    return server.settings(shop.settings)


def read(settings: Settings) -> dict[str, object]:
    """What readers of the cache find under the ids a to c: found in the cache, or "lake", as an id and its orders."""
    from dataflow.serve.from_cache import CachedCustomers

    cache = CachedCustomers(settings)
    found: dict[str, object] = {}
    for name in ("a", "b", "c"):
        answer = cache.get(name)
        found[name] = None if answer is None else (answer[1], answer[2]["order_count"])
    cache.close()
    return found


WHO = system_user()
FIRST = {"a": ("a", 1), "b": ("b", 1), "c": ("c", 1)}
SECOND = {"a": ("a", 2), "b": ("b", 1), "c": ("a", 2)}
THIRD = {"a": ("a", 3), "b": ("b", 0), "c": ("a", 3)}


def test_it_follows_day_by_day_and_each_reader_sees_one_publication(shop: Shop, cached: Settings) -> None:
    before = None
    for day, expected in zip(shop.days, (FIRST, SECOND, THIRD), strict=False):
        report = Cache(cached).follow(day)
        assert report.facts == {"publication": day.number, "was_at": before}
        assert report.rows_out > 0
        assert read(cached) == expected
        assert Cache(cached).follow(day).rows_out == 0
        before = day.number
    shown = Cache(cached).shows()
    assert shown is not None
    assert (shown.publication, shown.lake_id) == (shop.days[-1].number, shop.lake.lake_id())


def test_a_publication_left_out_comes_with_the_next(shop: Shop, cached: Settings) -> None:
    Cache(cached).follow(shop.days[0])
    Cache(cached).follow(shop.days[2])
    assert read(cached) == THIRD
    # A run that comes late does not turn it back.
    assert Cache(cached).follow(shop.days[1]).rows_out == 0
    assert read(cached) == THIRD


def test_the_same_values_and_types_as_in_the_lake(shop: Shop, cached: Settings) -> None:
    Cache(cached).follow(shop.days[2])
    with Customers(cached, WHO) as cached_customers, Customers(shop.settings, WHO) as lake_customers:
        for name in ("a", "b", "c"):
            here, there = cached_customers.get(name), lake_customers.get(name)
            assert here is not None
            assert there is not None
            assert (here.found_in, there.found_in) == ("cache", "lake")
            assert (here.publication, dict(here.values)) == (there.publication, dict(there.values))
            assert here.customer_id == there.customer_id == ("a" if name == "c" else name)


def test_found_by_what_any_record_says(shop: Shop, cached: Settings) -> None:
    Cache(cached).follow(shop.days[2])
    searches = [
        {"email": " A@mail.example"},
        {"email": "b@mail.example"},
        {"phone": "+44 20 7946 0958"},
        {"record": "mysql.customers:c"},
        {"email": "lotte@example.com"},
    ]
    for settings in (cached, shop.settings):
        with Customers(settings, WHO) as customers:
            found = [[each.customer_id for each in customers.find(**search)] for search in searches]
        assert found == [["a"], ["b"], ["a", "b"], ["a"], []]


def test_no_address_or_number_is_a_key(shop: Shop, cached: Settings, server: RedisServer) -> None:
    Cache(cached).follow(shop.days[2])
    names = b" ".join(server.admin.keys("*"))
    assert names.count(b"df:i:") > 3
    for value in (b"mail.example", b"442079460958", b"customers|"):
        assert value not in names


def test_former_states_go_when_no_reader_needs_them(shop: Shop, server: RedisServer) -> None:
    patient, hurried = server.settings(shop.settings), server.settings(shop.settings, keep_seconds=1)
    for day in shop.days[:3]:
        Cache(patient).follow(day)
    assert len(server.admin.hgetall("df:a")) == 3
    pointer = server.admin.get("df:publication")
    # A reader that still has the first pointer finds the first state.
    assert pointer is not None
    assert newest_upto(server.admin.hgetall("df:a"), shop.days[0].number) != newest_upto(
        server.admin.hgetall("df:a"), shop.days[2].number
    )
    for name in server.admin.zrange("df:publications", 0, -1):
        server.admin.zadd("df:publications", {name: 1.0})
    Cache(hurried).follow(shop.days[2])
    assert len(server.admin.hgetall("df:a")) == 1
    assert server.admin.keys("df:superseded:*") == []
    assert read(hurried) == THIRD


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lake_id": "another"}, "of another lake, another; this one is"),
        ({"publication": 1_000_000}, "shows publication 1000000, which this lake has not reached: it ends at"),
    ],
)
def test_another_lake_is_refused_until_it_is_cleared(
    shop: Shop, cached: Settings, server: RedisServer, change: dict[str, object], told: str
) -> None:
    Cache(cached).follow(shop.days[0])
    pointer = json.loads(server.admin.get("df:publication") or b"")
    server.admin.set("df:publication", json.dumps({**pointer, **change}))
    with pytest.raises(SinkError, match=told) as refused:
        Cache(cached).follow(shop.days[2])
    assert "dataflow sinks adopt cache" in refused.value.next_move
    Cache(cached).clear()
    assert server.admin.keys("*") == []
    Cache(cached).follow(shop.days[2])
    assert read(cached) == THIRD


def test_what_a_lost_pointer_leaves_is_not_shown(shop: Shop, cached: Settings, server: RedisServer) -> None:
    Cache(cached).follow(shop.days[0])
    server.admin.delete("df:publication")
    server.admin.hset("df:stranger", str(shop.days[0].number), '{"customer_id": "stranger"}')
    Cache(cached).follow(shop.days[2])
    assert read(cached) == THIRD
    assert server.admin.hget("df:stranger", str(shop.days[2].number)) == b""


KILLED = """
import os, signal, sys
from dataflow.sinks.cache import keys
left = int(sys.argv[2])
pairs = keys.write
def dying(client, entries, publication, **others):
    def some():
        for number, entry in enumerate(entries):
            if number == left:
                os.kill(os.getpid(), signal.SIGKILL)
            yield entry
    done = pairs(client, some(), publication, **others)
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return done
keys.write = dying
keys._PIPELINE = 1
import pickle
from dataflow.settings import load_settings
from dataflow.sinks.cache.cache import Cache
home, cache, publication = pickle.load(open(sys.argv[1], "rb"))
Cache(load_settings(home=home).model_copy(update={"cache": cache})).follow(publication)
"""


@pytest.mark.parametrize("after_entries", [1, 4, -1])
def test_killed_while_it_writes_it_shows_the_former_publication_and_the_next_call_ends_it(
    shop: Shop, cached: Settings, tmp_path: Path, after_entries: int
) -> None:
    Cache(cached).follow(shop.days[0])
    (tmp_path / "call").write_bytes(pickle.dumps((cached.home, cached.cache, shop.days[1])))
    died = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "call"), str(after_entries)],
        check=False,
        capture_output=True,
        cwd=Path.cwd(),
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert read(cached) == FIRST
    Cache(cached).follow(shop.days[2])
    assert read(cached) == THIRD


def test_a_person_is_forgotten_and_others_keep_the_shared_number(shop: Shop, cached: Settings) -> None:
    Cache(cached).follow(shop.days[2])
    person = Subject(customer_ids=frozenset({"a", "c"}), record_ids=frozenset({record_of("a"), record_of("c")}))
    assert Cache(cached).forget(person) > 0
    assert read(cached) == {"a": None, "b": ("b", 0), "c": None}
    from dataflow.serve.from_cache import CachedCustomers

    cache = CachedCustomers(cached)
    assert cache.find("phone", "+442079460958") == ["b"]
    assert cache.find("email", "a@mail.example") == []
    assert cache.find("record", record_of("a")) == []
    cache.close()
    assert Cache(cached).forget(person) == 0


def test_a_miss_and_an_unreachable_cache_ask_the_lake(shop: Shop, cached: Settings, server: RedisServer) -> None:
    down = cached.model_copy(update={"cache": cached.cache.model_copy(update={"url": "rediss://writer@127.0.0.1:1"})})
    for settings in (cached, down):
        with Customers(settings, WHO) as customers:
            found = customers.get("c")
            assert found is not None
            assert (found.customer_id, found.found_in, found.asked_for) == ("a", "lake", "c")
            assert [each.customer_id for each in customers.find(phone="+442079460958")] == ["a", "b"]
            assert customers.get("nobody") is None
            assert "mail" not in repr(found)
    Cache(cached).follow(shop.days[2])
    assert server.admin.get("df:publication") is not None


def faults(server: RedisServer, name: str) -> None:
    match name:
        case "full":
            server.admin.config_set("maxmemory", "1")
        case "evicting":
            server.admin.config_set("maxmemory-policy", "allkeys-lru")
        case "read-only":
            server.admin.replicaof("127.0.0.1", 1)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("full", "it is full"),
        ("evicting", r"evicts keys \(allkeys-lru\)"),
        ("read-only", "it is a read-only replica"),
    ],
)
def test_a_server_that_cannot_take_it_is_named_and_the_next_call_brings_it_to_the_publication(
    shop: Shop, cached: Settings, server: RedisServer, fault: str, told: str
) -> None:
    Cache(cached).follow(shop.days[0])
    faults(server, fault)
    try:
        with pytest.raises(SinkError, match=told) as refused:
            Cache(cached).follow(shop.days[2])
        assert refused.value.next_move
    finally:
        server.admin.config_set("maxmemory", "0")
        server.admin.config_set("maxmemory-policy", "noeviction")
        server.admin.replicaof("NO", "ONE")
    Cache(cached).follow(shop.days[2])
    assert read(cached) == THIRD


def with_cache(settings: Settings, **values: object) -> Settings:
    return settings.model_copy(update={"cache": settings.cache.model_copy(update=values)})


def test_who_cannot_enter_is_told_why(
    shop: Shop, cached: Settings, server: RedisServer, certificates: Certificates
) -> None:
    def told(settings: Settings) -> str:
        with pytest.raises(SinkError) as refused:
            Cache(settings).follow(shop.days[0])
        return str(refused.value)

    assert "does not accept user and password" in told(server.settings(shop.settings, user=("writer", "wrong")))
    assert "lacks a permission" in told(server.settings(shop.settings, user=READER))
    assert "certificate is not trusted" in told(with_cache(cached, ca_file=str(certificates.other_ca)))
    assert "nothing listens there" in told(with_cache(cached, url="rediss://writer@127.0.0.1:1"))
    plain = told(with_cache(cached, url=cached.cache.url.replace("rediss", "redis")))
    assert str(server.port) in plain
    assert "writer-password" not in plain


def test_tls_below_1_3_is_refused(shop: Shop, certificates: Certificates) -> None:
    with redis_server(certificates, tls="TLSv1.2") as old, pytest.raises(SinkError, match=r"TLS 1\.3"):
        Cache(old.settings(shop.settings)).follow(shop.days[0])


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1", "is not an address of Redis"),
        ("redis://cache.example.org", "in the clear"),
        ("rediss://me:secret@cache.example.org", "has a password in it"),
        ("rediss://cache.example.org/customers", "a database that is not a number"),
    ],
)
def test_addresses_that_cannot_be_used(cached: Settings, shop: Shop, url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as refused:
        Cache(with_cache(cached, url=url)).follow(shop.days[0])
    assert "secret" not in str(refused.value)


def test_doctor_sees_what_it_needs(shop: Shop, cached: Settings, server: RedisServer) -> None:
    assert [(one.name, one.is_well) for one in Cache(cached).probe()] == [("reach", True), ("eviction", True)]
    server.admin.config_set("maxmemory-policy", "allkeys-lru")
    assert [one.is_well for one in Cache(cached).probe()] == [True, False]
    [down] = Cache(with_cache(cached, url="rediss://writer@127.0.0.1:1")).probe()
    assert not down.is_well
    assert down.fix


def test_too_slow_is_given_up_and_readers_see_the_former_publication(shop: Shop, cached: Settings) -> None:
    Cache(cached).follow(shop.days[0])
    hurried = cached.model_copy(update={"sinks": cached.sinks.model_copy(update={"timeout_seconds": 1e-9})})
    with pytest.raises(SinkTimeout, match="Its readers see the former one"):
        Cache(hurried).follow(shop.days[2])
    assert read(cached) == FIRST


@given(st.sets(st.integers(1, 30), min_size=1), st.integers(1, 30))
def test_what_is_dropped_is_what_no_reader_takes(numbers: set[int], publication: int) -> None:
    fields = {str(number).encode(): str(number).encode() for number in numbers}
    kept = {name: value for name, value in fields.items() if name not in outdated(fields, publication)}
    for pointer in range(publication, 32):
        assert newest_upto(kept, pointer) == newest_upto(fields, pointer)
    assert sum(int(number) <= publication for number in kept) <= 1


@pytest.mark.parametrize(
    ("cached_value", "column", "expected"),
    [
        ('{"date_of_birth": "1990-02-03"}', "date_of_birth", date(1990, 2, 3)),
        ('{"date_of_birth": "12345-01-01"}', "date_of_birth", "12345-01-01"),
        ('{"last_order_at": "infinity"}', "last_order_at", "infinity"),
        ('{"order_amount": 12.3400}', "order_amount", Decimal("12.3400")),
        ('{"confidence": 1}', "confidence", 1.0),
        ('{"email": null, "of_a_later_version": 1}', "email", None),
    ],
)
def test_a_cached_value_has_the_type_of_its_column(cached_value: str, column: str, expected: object) -> None:
    found = decode_customer(cached_value.encode())
    assert set(found) == {column}
    assert (found[column], type(found[column])) == (expected, type(expected))
