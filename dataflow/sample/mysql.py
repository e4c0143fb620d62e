"""Generate customers, addresses, orders and order items of the orders database.

Times are naive UTC; money is in integer cents until it is written as DECIMAL(12,2).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from dataflow.sample.arrays import (
    Frame,
    Ints,
    Random,
    Text,
    Times,
    blank,
    chance,
    choose,
    draw,
    height,
    present,
    skewed,
    text,
)
from dataflow.sample.clock import Day, made_and_changed
from dataflow.sample.companies import Companies
from dataflow.sample.geoip import draw_ips
from dataflow.sample.noise import RATES
from dataflow.sample.places import Addresses, countries
from dataflow.sample.views import format_phones, latin_company, view_people, write_place
from dataflow.sample.world import World

NEVER = np.datetime64("NaT", "s")
ORDER_STATUSES: dict[str | None, float] = {
    "placed": 0.06, "paid": 0.08, "shipped": 0.10, "delivered": 0.66, "cancelled": 0.06, "refunded": 0.04,
}  # fmt: skip
# Approximate units of a currency for one dollar; they only make amounts plausible.
_SCALE = {"JPY": 150.0, "INR": 84.0, "RUB": 90.0, "TRY": 33.0, "UAH": 41.0, "CNY": 7.2, "MXN": 18.0, "SEK": 10.5,
          "PLN": 4.0, "BRL": 5.4}  # fmt: skip
_CATEGORIES = ("Kitchen", "Garden", "Office", "Lighting", "Storage", "Textiles", "Tools", "Toys", "Sport", "Travel",
               "Pets", "Audio")  # fmt: skip
_GOODS = ("Lamp", "Shelf", "Kettle", "Chair", "Desk", "Blanket", "Bottle", "Backpack", "Speaker", "Basket", "Hammer",
          "Puzzle", "Tent", "Bowl", "Mirror", "Clock", "Cable", "Stool", "Planter", "Rug")  # fmt: skip
_LOOKS = ("Oak", "Slate", "Linen", "Copper", "Sage", "Ivory", "Graphite", "Amber", "Cobalt", "Sand")


def make_customers(
    rng: Random, world: World, people: Ints, firms: Ints, first: int, times: tuple[Times, Times]
) -> Frame:
    """Return one customer per person of `people`, then one per company of `firms`; times cover both."""
    made = [_person_customers(rng, world, people), _company_customers(rng, world.companies, firms)]
    frame = {name: np.concatenate([part[name] for part in made]) for name in made[0]}
    size = people.size + firms.size
    order = rng.permutation(size)
    frame = {name: column[order] for name, column in frame.items()}
    head: Frame = {"id": np.arange(first, first + size, dtype=np.int64).astype(object)}
    tail: Frame = {"created_at": times[0], "updated_at": times[1], "deleted_at": np.full(size, NEVER)}
    visible = {name: column for name, column in frame.items() if not name.startswith("_")}
    hidden = {name: column for name, column in frame.items() if name.startswith("_")}
    return head | visible | tail | hidden


def _person_customers(rng: Random, world: World, rows: Ints) -> Frame:
    people, size = world.people, rows.size
    seen = view_people(rng, people, world.companies, rows, mess=0.6, birth_share=0.6, own_script=0.9)
    country = people.home.country[rows]
    email = seen.email
    email[chance(rng, size, 0.01)] = None
    ip = people.ip[rows].copy()
    ip[chance(rng, size, 0.15)] = None
    return {
        "customer_type": text(["person"] * size),
        "first_name": seen.given,
        "last_name": seen.surname,
        "company_name": blank(size),
        "email": email,
        "phone": format_phones(rng, seen.mobile, country, missing=0.15),
        "date_of_birth": seen.birth,
        "last_login_ip": noisy_ips(rng, ip),
        "_entity": people.entity[rows],
        "_type": text(["person"] * size),
        "_row": rows,
        "_country": country,
    }


def _company_customers(rng: Random, firms: Companies, rows: Ints) -> Frame:
    size = rows.size
    country = firms.home.country[rows]
    email = firms.role_email[rows].copy()
    email[chance(rng, size, 0.1)] = None
    ip = draw_ips(rng, country, firms.home.place[rows])
    return {
        "customer_type": text(["company"] * size),
        "first_name": blank(size),
        "last_name": blank(size),
        "company_name": latin_company(rng, firms, rows, mess=0.8),
        "email": email,
        "phone": format_phones(rng, firms.phone[rows], country, missing=0.15),
        "date_of_birth": blank(size),
        "last_login_ip": noisy_ips(rng, ip),
        "_entity": firms.entity[rows],
        "_type": text(["company"] * size),
        "_row": rows,
        "_country": country,
    }


def noisy_ips(rng: Random, ip: Text) -> Text:
    """Replace some addresses by one abroad (travel, VPN) or by a private one."""
    abroad = chance(rng, len(ip), RATES.foreign_ip) & present(ip)
    elsewhere = rng.integers(0, len(countries()), int(abroad.sum()))
    ip[abroad] = draw_ips(rng, elsewhere, np.zeros(elsewhere.size, dtype=np.int64))
    private = chance(rng, len(ip), RATES.private_ip) & present(ip)
    ip[private] = text(f"192.168.{a}.{b}" for a, b in rng.integers(1, 255, (int(private.sum()), 2)))
    return ip


def homes_of(world: World, customers: Frame) -> Addresses:
    """Return the address of the person or company behind each row (`_type`, `_row`)."""
    size = height(customers)
    homes = Addresses.empty(size)
    for kind, source in (("person", world.people.home), ("company", world.companies.home)):
        at = np.flatnonzero(customers["_type"] == kind)
        homes.put(at, source, customers["_row"][at].astype(np.int64))
    return homes


def make_addresses(rng: Random, world: World, customers: Frame, owner: Ints, first: int, day: Day) -> Frame:
    """Return one address per row of `owner` (rows of `customers`); the first of an owner is primary."""
    size = owner.size
    homes = homes_of(world, customers).take(owner)
    local = chance(rng, size, RATES.own_script * 0.9)
    place = write_place(rng, homes, local=local, mess=0.7, code_share=0.8, line2_share=0.8)
    first_of_owner = set(np.unique(owner, return_index=True)[1].tolist())
    primary = [row in first_of_owner for row in range(size)]
    times = (customers["created_at"][owner], customers["updated_at"][owner])
    created, changed = times if day.first_load else made_and_changed(rng, size, day)
    return {
        "id": np.arange(first, first + size, dtype=np.int64).astype(object),
        "customer_id": customers["id"][owner],
        "kind": choose(rng, size, {"billing": 0.6, "shipping": 0.4}),
        "is_primary": text(int(flag) for flag in primary),
        "line1": place.line1,
        "line2": place.line2,
        "city": place.city,
        "state": place.region,
        "postcode": place.postcode,
        "country": place.country,
        "created_at": created,
        "updated_at": changed,
        "deleted_at": np.full(size, NEVER),
        "_type": customers["_type"][owner],
        "_row": customers["_row"][owner],
    }


def make_orders(rng: Random, customers: Frame, owner: Ints, first: int, day: Day) -> Frame:
    """Return one order per row of `owner` (rows of `customers`), later than the customer's creation."""
    size = owner.size
    made = customers["created_at"][owner]
    start = made if day.first_load else np.maximum(made, day.start)
    room = np.maximum((day.end - start).astype(np.int64), 1)
    ordered = start + (rng.random(size) * room).astype(np.int64).astype("timedelta64[s]")
    later = rng.exponential(5 * 86_400, size).astype(np.int64).astype("timedelta64[s]")
    country = customers["_country"][owner].astype(np.int64)
    currency = text(each.currency for each in countries())[country]
    status = choose(rng, size, ORDER_STATUSES if day.first_load else {"placed": 0.6, "paid": 0.4})
    numbers = np.arange(first, first + size, dtype=np.int64)
    return {
        "id": numbers.astype(object),
        "order_number": text(f"SO-{number:09d}" for number in numbers.tolist()),
        "customer_id": customers["id"][owner],
        "status": status,
        "currency": currency,
        "total_amount": np.zeros(size, dtype=np.int64).astype(object),
        "ordered_at": ordered,
        "updated_at": np.minimum(ordered + later, day.end),
        "deleted_at": np.full(size, NEVER),
        "_scale": np.array([_SCALE.get(code, 1.0) for code in currency.tolist()]),
    }


def make_items(rng: Random, orders: Frame, owner: Ints, first: int) -> Frame:
    """Return one line per row of `owner` (rows of `orders`); also set the orders' totals, in cents."""
    size = owner.size
    product = draw(rng, size, skewed(2400, exponent=0.8))
    scale = orders["_scale"][owner]
    price = (np.exp(2.2 + product % 97 / 40.0) * scale * 100).astype(np.int64)
    # Currencies with small units are priced in whole units.
    price = np.where(scale > 20, price // 100 * 100, price)
    quantity = np.minimum(rng.geometric(0.6, size), 20)
    totals = np.bincount(owner, weights=(price * quantity).astype(float), minlength=len(orders["id"]))
    empty = totals == 0
    # An order without lines (a gift card or a draft) keeps its own amount.
    totals[empty] = 2500 * orders["_scale"][empty]
    orders["total_amount"] = totals.astype(np.int64).astype(object)
    looks = len(_LOOKS)
    return {
        "id": np.arange(first, first + size, dtype=np.int64).astype(object),
        "order_id": orders["id"][owner],
        "sku": text(f"SKU-{number:05d}" for number in product.tolist()),
        "product_name": text(
            f"{_LOOKS[number % looks]} {_GOODS[number // looks % len(_GOODS)]} {1 + number // 200}"
            for number in product.tolist()
        ),
        "category": text(_CATEGORIES)[product % len(_CATEGORIES)],
        "quantity": quantity.astype(object),
        "unit_price": price.astype(object),
        "updated_at": orders["updated_at"][owner],
        "deleted_at": np.full(size, NEVER),
    }


_TIME = pa.timestamp("us")
_MONEY = pa.decimal128(12, 2)
SCHEMAS: dict[str, pa.Schema] = {
    "customers": pa.schema([
        ("id", pa.int64()), ("customer_type", pa.string()), ("first_name", pa.string()), ("last_name", pa.string()),
        ("company_name", pa.string()), ("email", pa.string()), ("phone", pa.string()), ("date_of_birth", pa.date32()),
        ("last_login_ip", pa.string()), ("created_at", _TIME), ("updated_at", _TIME), ("deleted_at", _TIME),
    ]),
    "addresses": pa.schema([
        ("id", pa.int64()), ("customer_id", pa.int64()), ("kind", pa.string()), ("is_primary", pa.int8()),
        ("line1", pa.string()), ("line2", pa.string()), ("city", pa.string()), ("state", pa.string()),
        ("postcode", pa.string()), ("country", pa.string()), ("created_at", _TIME), ("updated_at", _TIME),
        ("deleted_at", _TIME),
    ]),
    "orders": pa.schema([
        ("id", pa.int64()), ("order_number", pa.string()), ("customer_id", pa.int64()), ("status", pa.string()),
        ("currency", pa.string()), ("total_amount", _MONEY), ("ordered_at", _TIME), ("updated_at", _TIME),
        ("deleted_at", _TIME),
    ]),
    "order_items": pa.schema([
        ("id", pa.int64()), ("order_id", pa.int64()), ("sku", pa.string()), ("product_name", pa.string()),
        ("category", pa.string()), ("quantity", pa.int32()), ("unit_price", _MONEY), ("updated_at", _TIME),
        ("deleted_at", _TIME),
    ]),
}  # fmt: skip
