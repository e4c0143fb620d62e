"""Two foreign shops on a MariaDB: what `discover` writes is right at once, and stays so after changes.

Counts and sums are those of the shop's own SQL.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.lib.discovered import discovered, edited, lived, patched, previewed, statements
from tests.lib.servers.mariadb import MariaServer


def url(server: MariaServer, database: str) -> str:
    reach = f"{server.reader}:{quote(server.password)}@{server.host}:{server.port}"
    return f"mysql://{reach}/{database}?ca_file={server.ca}&time_zone=UTC"


@pytest.fixture
def shop(mariadb: MariaServer, request: pytest.FixtureRequest) -> str:
    name = mariadb.create_database()
    mariadb.execute(*statements(request.param), database=name)
    return name


@pytest.mark.parametrize("shop", ["film_rental.sql"], indirect=True)
def test_a_film_rental(mariadb: MariaServer, shop: str, tmp_path: Path) -> None:
    settings = discovered(url(mariadb, shop), tmp_path, company="film_rental")
    counted = "SELECT COUNT(*), SUM(amount) FROM payment"
    with lived(settings) as lake:
        assert lake.run() == {}
        orders = "SELECT count(*), sum(amount) FROM conformed.customer_order"
        assert lake.ask(orders) == mariadb.execute(counted, database=shop) == [(40, lake.ask(orders)[0][1])]
        assert lake.ask("SELECT count(*), count(email), count(phone) FROM conformed.customer_record") == [(24, 24, 24)]
        assert lake.ask(
            "SELECT given_name, surname, street, house_number, city, region, country_code"
            " FROM conformed.customer_record WHERE _record_key = '3'"
        ) == [("Cleo", "Marsh", "Mill Lane", "23", "Calgary", "Alberta", "CA")]
        linked = "SELECT count(*) FROM conformed.customer_order JOIN conformed.customer_record USING (record_id)"
        assert lake.ask(linked) == [(40,)]
        mariadb.execute(
            "UPDATE payment SET amount = amount + 1 WHERE payment_id < 4",
            "DELETE FROM payment WHERE payment_id > 38",
            "DELETE FROM payment WHERE customer_id = 24",
            "DELETE FROM rental WHERE customer_id = 24",
            "DELETE FROM customer WHERE customer_id = 24",
            "UPDATE city SET city = 'Luebeck' WHERE city_id = 2",
            "ALTER TABLE customer CHANGE email e_mail VARCHAR(50)",
            database=shop,
        )
        assert lake.run() == {}
        assert lake.ask(orders) == mariadb.execute(counted, database=shop)
        assert lake.ask("SELECT count(*), count(email) FROM conformed.customer_record") == [(23, 23)]
        towns = "SELECT count(*) FROM conformed.customer_record WHERE city = 'Luebeck'"
        assert lake.ask(towns) == [(6,)]


@pytest.mark.parametrize("shop", ["food_trader.sql"], indirect=True)
def test_a_food_trader(mariadb: MariaServer, shop: str, tmp_path: Path) -> None:
    reach = url(mariadb, shop)
    assert '"Backordered" (2)' in previewed(discovered(reach, tmp_path))
    settings = patched(tmp_path, "food_trader")
    with lived(settings) as lake:
        assert lake.run() == {}
        assert lake.ask(ORDERS) == totals(mariadb, shop)
        assert dict(lake.ask("SELECT status, count(*) FROM conformed.customer_order GROUP BY 1")) == states(
            mariadb, shop
        )
        assert lake.ask("SELECT count(*), sum(quantity) FROM conformed.order_item") == mariadb.execute(
            "SELECT COUNT(*), SUM(Quantity) FROM `Order Details`", database=shop
        )
        assert lake.ask("SELECT count(*) FROM conformed.order_item WHERE product_name = 'Green tea'") != [(0,)]
        found = "SELECT entity_type, count(*), count(phone), count(city), count(country_code)"
        assert lake.ask(f"{found} FROM conformed.customer_record GROUP BY 1")[0][:2] == ("company", 12)
        linked = "SELECT count(*) FROM conformed.customer_order JOIN conformed.customer_record USING (record_id)"
        assert lake.ask(linked) == [(20,)]
        mariadb.execute(
            "UPDATE `Order Details` SET Quantity = Quantity + 2 WHERE ProductID = 1",
            "DELETE FROM `Order Details` WHERE OrderID = 10250 AND ProductID = 2",
            "UPDATE Products SET ProductName = 'White tea' WHERE ProductID = 1",
            "UPDATE Orders SET StatusID = 5 WHERE OrderID = 10249",
            "UPDATE Orders_Status SET StatusName = 'Shipped' WHERE StatusID = 1",
            "ALTER TABLE Customers CHANGE Phone Telephone VARCHAR(24)",
            database=shop,
        )
        assert lake.run() == {}
        assert lake.ask(ORDERS) == totals(mariadb, shop)
        assert dict(lake.ask("SELECT status, count(*) FROM conformed.customer_order GROUP BY 1")) == states(
            mariadb, shop
        )
        assert lake.ask("SELECT count(*) FROM conformed.order_item WHERE product_name = 'Green tea'") == [(0,)]
        assert lake.ask("SELECT count(*) FROM conformed.customer_record") == [(12,)]
        mariadb.execute(
            "ALTER TABLE `Order Details` CHANGE Quantity Qty SMALLINT NOT NULL",
            "UPDATE `Order Details` SET Qty = Qty + 5 WHERE ProductID = 2",
            database=shop,
        )
    renamed = {'"Quantity" = "SMALLINT"': '"Qty" = "SMALLINT"', '"UnitPrice", "Quantity",': '"UnitPrice", "Qty",'}
    renamed |= {'"Quantity" = "none"': '"Qty" = "none"', 'quantity = "Quantity"': 'quantity = "Qty"'}
    with lived(edited(tmp_path, renamed), runs=lake.runs) as lake:
        assert lake.run() == {}
        assert lake.ask(ORDERS) == totals(mariadb, shop, quantity="Qty")
        assert lake.ask("SELECT count(*), sum(quantity) FROM conformed.order_item") == mariadb.execute(
            "SELECT COUNT(*), SUM(Qty) FROM `Order Details`", database=shop
        )


ORDERS = "SELECT count(*) FILTER (amount IS NOT NULL), sum(amount)::DOUBLE FROM conformed.customer_order"
MEANT = {"New": "placed", "Invoiced": "placed", "Backordered": "placed", "Closed": "delivered"}


def totals(server: MariaServer, shop: str, *, quantity: str = "Quantity") -> list[tuple[float, ...]]:
    """Number and sum of the orders by the shop's own SQL."""
    amount = f"SUM(ROUND(UnitPrice * {quantity} * (1 - Discount), 4))"
    rows = server.execute(f"SELECT COUNT(DISTINCT OrderID), {amount} FROM `Order Details`", database=shop)
    return [tuple(map(float, row)) for row in rows]


def states(server: MariaServer, shop: str) -> dict[str, int]:
    """Number of orders by state, in the words of the model."""
    found: Counter[str] = Counter()
    for word, count in server.execute(
        "SELECT StatusName, COUNT(*) FROM Orders JOIN Orders_Status USING (StatusID) GROUP BY 1", database=shop
    ):
        found[MEANT.get(word, word.lower())] += count
    return dict(found)
