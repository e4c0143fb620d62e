"""Places of network addresses, and what of them reaches a customer."""

from pathlib import Path

import pytest

from dataflow.enrich.geography import find_places, open_geoip, releases
from dataflow.errors import ConfigurationError
from lakehouse import Lake
from tests.lib.customers import World
from tests.lib.enriching import Enriched, write_mmdb
from tests.lib.publishing import settings_in


@pytest.fixture(scope="module")
def mmdb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mmdb(tmp_path_factory.mktemp("geoip") / "city.mmdb")


@pytest.mark.parametrize(
    ("address", "country", "city"),
    [
        ("198.51.100.7", "PT", "Lisbon"),
        ("198.51.100.255", "PT", "Lisbon"),
        ("198.51.101.0", None, None),
        ("203.0.113.9", "JP", None),
        ("203.0.113.200", None, None),
        ("2001:db8::1", "PT", "Lisbon"),
        ("not an address", None, None),
        ("", None, None),
    ],
)
def test_an_address_has_the_place_of_its_network(
    mmdb: Path, address: str, country: str | None, city: str | None
) -> None:
    # Among its neighbours: the answer for one must not leak to the next.
    others = {"198.51.100.1", "198.51.99.1", "203.0.113.1", "203.0.113.128", "2001:db8::ffff", address}
    with open_geoip(mmdb) as reader:
        found = {row["ip_address"]: row for row in find_places(reader, sorted(others)).to_pylist()}
    assert (found.get(address, {}).get("ip_country_code"), found.get(address, {}).get("ip_city")) == (country, city)


def test_the_address_decides_and_the_network_fills_in(lake: Lake, tmp_path: Path, mmdb: Path) -> None:
    world = World()
    here = {"ip_address": "198.51.100.7"}
    world.customer("by network", **here)
    world.customer("fills", country_code="PT", **here)
    world.customer("keeps", country_code="PT", city="Porto", region="13", **here)
    world.customer("travels", country_code="JP", **here)
    world.customer("unknown network", country_code="JP", ip_address="192.0.2.1")
    world.customer("nothing known")
    told = Enriched(lake, tmp_path, settings_in(tmp_path, geoip=str(mmdb))).run(world)["geography"]
    columns = ("country_code", "region", "city", "latitude", "time_zone", "ip_country_code", "method", "provider")
    assert {row["customer_id"]: tuple(row[c] for c in columns) for row in told} == {
        "by network": ("PT", "11", "Lisbon", 38.7, "Europe/Lisbon", "PT", "ip", "Test-City"),
        "fills": ("PT", "11", "Lisbon", 38.7, "Europe/Lisbon", "PT", "address", "Test-City"),
        "keeps": ("PT", "13", "Porto", 38.7, "Europe/Lisbon", "PT", "address", "Test-City"),
        "travels": ("JP", None, None, None, None, "PT", "address", "source records"),
        "unknown network": ("JP", None, None, None, None, None, "address", "source records"),
    }


def test_without_a_database_the_address_remains(lake: Lake, tmp_path: Path) -> None:
    world = World()
    world.customer("a", country_code="PT", ip_address="198.51.100.7")
    (row,) = Enriched(lake, tmp_path, settings_in(tmp_path)).run(world)["geography"]
    assert (row["country_code"], row["latitude"], row["provider"]) == ("PT", None, "source records")


def test_a_missing_database_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.mmdb, but there is no such file.*empty text"):
        releases(settings_in(tmp_path, geoip=str(tmp_path / "nowhere.mmdb")))


def test_a_broken_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.mmdb").write_bytes(b"not an MMDB")
    with pytest.raises(ConfigurationError, match="cannot be read as an MMDB"):
        releases(settings_in(tmp_path, geoip=str(tmp_path / "broken.mmdb")))


def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = write_mmdb(tmp_path / "asn.mmdb", kind="Test-ASN")
    with pytest.raises(ConfigurationError, match="type Test-ASN; expected a City database"):
        releases(settings_in(tmp_path, geoip=str(other)))
