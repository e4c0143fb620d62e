"""Locate customers: the postal address decides the country; the network address fills in what it leaves open."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import geoip2.database
import geoip2.errors
import maxminddb
import pyarrow as pa
from geoip2.models import City

from dataflow.enrich.provider import CUSTOMERS, Enrichment, Release
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings
from dataflow.tables.enriched import GEOGRAPHY
from dataflow.tables.resolved import GOLDEN_CUSTOMER
from dataflow.workspace.compiled import compiled
from dataflow.workspace.relations import key_relation, relation, sql_of, widened
from dataflow.workspace.workspace import Workspace
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
else:
    ibis = deferred("ibis")

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PLACES = "ip_place"
_FROM_ADDRESS = Release("source records", "1")
_PLACE_SCHEMA = pa.schema(
    [
        ("ip_address", pa.string()),
        ("ip_country_code", pa.string()),
        ("ip_region", pa.string()),
        ("ip_city", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("time_zone", pa.string()),
    ]
)


def releases(settings: Settings) -> tuple[Release, ...]:
    """Name the GeoIP database by its type and build time. Raises: ConfigurationError when it cannot be read."""
    if not settings.enrich.geoip:
        return (_FROM_ADDRESS,)
    with open_geoip(Path(settings.enrich.geoip)) as reader:
        return _FROM_ADDRESS, _release(reader)


def geography_sql(ws: Workspace, settings: Settings) -> str:
    """Return the SELECT of rows for the customers in CUSTOMERS whose place is known.

    Latitude, longitude and time zone come from the network address, and only where its country is the customer's:
    a login from abroad is not a move.
    """
    return _rows_sql(_look_up(ws, settings))


@compiled
def _rows_sql(release: Release) -> str:
    customers = relation(GOLDEN_CUSTOMER).semi_join(key_relation(CUSTOMERS, "customer_id"), "customer_id")
    customers = customers.select("customer_id", "country_code", "region", "city", "ip_address")
    schema = dict.fromkeys(_PLACE_SCHEMA.names, "string") | {"latitude": "float64", "longitude": "float64"}
    rows = widened(customers, ibis.table(schema, name=_PLACES), "ip_address")
    agrees = rows.country_code.fill_null(rows.ip_country_code) == rows.ip_country_code
    by_address = rows.country_code.notnull()
    from_ip = agrees & (~by_address | rows.ip_country_code.notnull())
    known = rows.mutate(
        country_code=ibis.coalesce(rows.country_code, rows.ip_country_code),
        region=ibis.coalesce(rows.region, ibis.ifelse(from_ip & rows.city.isnull(), rows.ip_region, ibis.null())),
        city=ibis.coalesce(rows.city, ibis.ifelse(from_ip, rows.ip_city, ibis.null())),
        **{name: ibis.ifelse(from_ip, rows[name], ibis.null()) for name in ("latitude", "longitude", "time_zone")},
        method=ibis.ifelse(by_address, "address", "ip"),
        provider=ibis.ifelse(from_ip.fill_null(False), release.provider, _FROM_ADDRESS.provider),
        provider_version=ibis.ifelse(from_ip.fill_null(False), release.version, _FROM_ADDRESS.version),
    )
    chosen = [name for name in GEOGRAPHY.column_names if name in known.columns]
    return sql_of(known.filter(known.country_code.notnull()).select(*chosen))


def find_places(reader: geoip2.database.Reader, addresses: Iterable[str]) -> pa.Table:
    """Look up network addresses; leave out unknown and malformed ones.

    Addresses are sorted, so that an address in the network of the last answer takes that answer without a lookup.
    """
    places = []
    last: dict[str, object] | None = None
    reaches = (0, -1)
    for version, number, text in sorted(_parsed(addresses)):
        if (version, number) > reaches:
            network, last = _place(reader, text)
            reaches = (version, int(network.broadcast_address) if network else number)
        if last is not None:
            places.append({"ip_address": text, **last})
    return pa.Table.from_pylist(places, schema=_PLACE_SCHEMA)


@contextmanager
def open_geoip(path: Path) -> Iterator[geoip2.database.Reader]:
    """Open a City database. Raises: ConfigurationError when it is missing, broken, or of another kind."""
    try:
        reader = geoip2.database.Reader(path)
    except FileNotFoundError:
        raise ConfigurationError(
            f"enrich.geoip names {path}, but there is no such file.",
            next_move="Put a City MMDB there, or set enrich.geoip to an empty text to switch it off.",
        ) from None
    except (maxminddb.InvalidDatabaseError, ValueError, OSError) as error:
        raise ConfigurationError(
            f"enrich.geoip names {path}, which cannot be read as an MMDB ({type(error).__name__}).",
            next_move="Download it again, or set enrich.geoip to an empty text to switch it off.",
        ) from error
    with reader:
        if "City" not in reader.metadata().database_type:
            raise ConfigurationError(
                f"enrich.geoip names {path}, a database of type {reader.metadata().database_type}; "
                "expected a City database."
            )
        yield reader


def _look_up(ws: Workspace, settings: Settings) -> Release:
    """Fill the temporary table of places with one lookup per network address."""
    if not settings.enrich.geoip:
        _keep(ws, _PLACE_SCHEMA.empty_table())
        return _FROM_ADDRESS
    addresses = ws.con.execute(f"""
        SELECT DISTINCT ip_address FROM {GOLDEN_CUSTOMER.sql_name} SEMI JOIN {CUSTOMERS} USING (customer_id)
        WHERE ip_address IS NOT NULL
    """).fetchall()
    with open_geoip(Path(settings.enrich.geoip)) as reader:
        _keep(ws, find_places(reader, (str(row[0]) for row in addresses)))
        return _release(reader)


def _keep(ws: Workspace, places: pa.Table) -> None:
    ws.con.register("found_places", places)
    ws.con.execute(f"CREATE OR REPLACE TEMP TABLE {_PLACES} AS SELECT * FROM found_places")
    ws.con.unregister("found_places")


def _release(reader: geoip2.database.Reader) -> Release:
    metadata = reader.metadata()
    built_at = datetime.fromtimestamp(metadata.build_epoch, tz=UTC)
    return Release(metadata.database_type, built_at.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _parsed(addresses: Iterable[str]) -> Iterator[tuple[int, int, str]]:
    for text in addresses:
        with suppress(ValueError):
            address = ipaddress.ip_address(text)
            yield address.version, int(address), text


def _place(reader: geoip2.database.Reader, address: str) -> tuple[_Network | None, dict[str, object] | None]:
    """Return the network that the answer covers, and the answer; None where the address is unknown."""
    try:
        found: City = reader.city(address)
    except geoip2.errors.AddressNotFoundError as unknown:
        return unknown.network, None
    region = found.subdivisions.most_specific
    return found.traits.network, {
        "ip_country_code": found.country.iso_code,
        "ip_region": region.iso_code or region.name,
        "ip_city": found.city.name,
        "latitude": found.location.latitude,
        "longitude": found.location.longitude,
        "time_zone": found.location.time_zone,
    }


ENRICHMENT = Enrichment(
    table=GEOGRAPHY,
    releases=releases,
    rows=geography_sql,
    follows=lambda ws: f"SELECT customer_id FROM ({ws.changed(GOLDEN_CUSTOMER)})",
)
