"""Reference data: networks that a GeoIP reader understands, firms by domain, numbers that can be dialled."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path

import geoip2.database
import geoip2.errors
import numpy as np
import phonenumbers
import pyarrow.parquet as pq
import pytest

from dataflow.sample.geoip import networks
from dataflow.sample.places import countries, draw_phones, write_phone
from tests.lib.sample import delivered

DAY = "2026-01-01"


def test_most_customers_are_found_in_the_country_of_their_network(sample: Path) -> None:
    addresses = [row["last_login_ip"] for row in delivered(sample, "mysql", "customers", DAY) if row["last_login_ip"]]
    found = missing = 0
    with geoip2.database.Reader(sample / "reference/geoip.mmdb") as reader:
        assert "City" in reader.metadata().database_type
        for address in addresses:
            try:
                place = reader.city(address)
            except (geoip2.errors.AddressNotFoundError, ValueError):
                missing += 1
                continue
            found += 1
            assert place.country.iso_code
            assert place.location.time_zone
    assert found > 20 * missing


def test_networks_do_not_overlap_and_the_file_is_small(sample: Path) -> None:
    ranges = [network.range for network in networks()]
    assert len(ranges) > 300
    for version in (4, 6):
        same = sorted((each for each in ranges if each.version == version), key=lambda each: int(each[0]))
        assert all(int(a[-1]) < int(b[0]) for a, b in pairwise(same))
    assert all(ip_address(str(each[0])).is_global for each in ranges)
    assert (sample / "reference/geoip.mmdb").stat().st_size < 2_000_000


def test_a_city_network_names_its_city(sample: Path) -> None:
    network = next(each for each in networks() if each.place == 1)
    with geoip2.database.Reader(sample / "reference/geoip.mmdb") as reader:
        place = reader.city(str(network.range[5]))
    city = network.country.cities[1]
    assert (place.country.iso_code, place.city.name, place.location.latitude) == (
        network.country.code, city.name, city.latitude,
    )  # fmt: skip


def test_firmographics_have_one_row_a_domain(sample: Path) -> None:
    rows = pq.read_table(sample / "reference/firmographics.parquet").to_pylist()
    assert len({row["domain"] for row in rows}) == len(rows)
    sites = {
        site.split("//")[-1].removeprefix("www.").strip("/")
        for site in (row["Website"] for row in delivered(sample, "salesforce", "account", DAY))
        if site
    }
    known = {row["domain"] for row in rows}
    assert 0.55 < len(sites & known) / len(sites) < 0.85


@pytest.mark.parametrize("mobile", [True, False])
def test_numbers_are_valid_by_the_numbering_plans(mobile: bool) -> None:
    rng = np.random.default_rng(3)
    country = np.repeat(np.arange(len(countries())), 150)
    place = rng.integers(0, 5, country.size)
    numbers = draw_phones(rng, country, place, mobile=mobile).tolist()
    valid = sum(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers)
    assert valid / len(numbers) >= 0.98


def test_numbers_can_be_read_back_however_they_are_written() -> None:
    rng = np.random.default_rng(4)
    wrong = []
    for country in countries():
        index = np.full(40, country.index)
        for number in draw_phones(rng, index, np.zeros(40, dtype=np.int64), mobile=True).tolist():
            for style in range(7):
                parsed = phonenumbers.parse(write_phone(number, country, style), country.code)
                if phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) != number:
                    wrong.append((country.code, style))
    assert not wrong
