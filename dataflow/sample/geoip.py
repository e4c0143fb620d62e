"""Generate network addresses of people, and the MMDB of their locations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import numpy as np
from netaddr import IPSet

from dataflow.sample.arrays import Ints, Random, Text, text
from dataflow.sample.mmdb_dated import DatedWriter
from dataflow.sample.places import City, Country, countries

_CONTINENTS = {
    "US": "NA", "CA": "NA", "MX": "NA", "BR": "SA", "IN": "AS", "JP": "AS", "CN": "AS", "TR": "AS", "AU": "OC",
}  # fmt: skip
_CONTINENT_NAMES = {"NA": "North America", "SA": "South America", "AS": "Asia", "OC": "Oceania", "EU": "Europe"}
# Fixed, so that the same spec gives the same file; GeoNames-like numbers of our own start here.
_FIRST_GEONAME = 9_000_000


@dataclass(frozen=True)
class Network:
    """A network and its place; `place` is None where only the country is known."""

    range: IPv4Network | IPv6Network
    country: Country
    place: int | None


@cache
def networks() -> tuple[Network, ...]:
    """Return two IPv4 networks and one IPv6 network per city, one country-wide network per country; all invented."""
    found = []
    number = 0
    for country in countries():
        for place in range(len(country.cities)):
            for _ in range(2):
                first, second = 62 + number // 16, number % 16 * 16 + 3
                found.append(Network(ip_network(f"{first}.{second}.{number % 13 * 16}.0/20"), country, place))
                number += 1
            found.append(Network(ip_network(f"2a0d:{0x3000 + number:x}::/40"), country, place))
        found.append(Network(ip_network(f"141.{country.index * 5}.64.0/18"), country, None))
    return tuple(found)


@cache
def _by_place() -> dict[tuple[int, int], list[Network]]:
    table: dict[tuple[int, int], list[Network]] = {}
    for network in networks():
        places = range(len(network.country.cities)) if network.place is None else [network.place]
        for place in places:
            table.setdefault((network.country.index, place), []).append(network)
    return table


def draw_ips(rng: Random, country: Ints, place: Ints) -> Text:
    """Draw an address in a network of each city: mostly IPv4, some IPv6, some country-wide."""
    size = len(country)
    pick = np.searchsorted([0.48, 0.88, 0.94], rng.random(size)).tolist()
    offset = rng.integers(1, 4000, size).tolist()
    table = _by_place()
    return text(
        str(table[c, p][k].range[o]) for c, p, k, o in zip(country.tolist(), place.tolist(), pick, offset, strict=True)
    )


def _city_record(country: Country, city: City | None, number: int) -> dict[str, Any]:
    continent = _CONTINENTS.get(country.code, "EU")
    record: dict[str, Any] = {
        "continent": {"code": continent, "names": {"en": _CONTINENT_NAMES[continent]}},
        "country": {
            "iso_code": country.code, "names": {"en": country.names[0]}, "geoname_id": _FIRST_GEONAME + country.index,
        },
        "registered_country": {"iso_code": country.code, "names": {"en": country.names[0]}},
        "traits": {"user_type": "residential" if city else "cellular"},
    }  # fmt: skip
    first = country.cities[0]
    where = city or first
    record["location"] = {
        "latitude": where.latitude, "longitude": where.longitude, "accuracy_radius": 20 if city else 500,
        "time_zone": where.time_zone,
    }  # fmt: skip
    if city:
        record["city"] = {"names": {"en": city.name}, "geoname_id": _FIRST_GEONAME + 1000 + number}
        code = city.region if len(city.region) <= 3 else "".join(w[0] for w in city.region.split())[:3].upper()
        record["subdivisions"] = [{"iso_code": code, "names": {"en": city.region}}]
        record["postal"] = {"code": city.postcode.replace("#", "0").replace("@", "A")}
    return record


def write_mmdb(path: Path, built: date) -> None:
    """Write the City database of all networks."""
    writer = DatedWriter(built, description="Invented networks of the sample")
    for network, record in _records():
        writer.insert_network(IPSet([str(network.range)]), record)
    writer.to_db_file(str(path))


def _records() -> Iterator[tuple[Network, dict[str, Any]]]:
    for number, network in enumerate(networks()):
        city = None if network.place is None else network.country.cities[network.place]
        yield network, _city_record(network.country, city, number)
