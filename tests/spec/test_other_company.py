"""Another company's schema is configuration only: other systems, tables, columns, custom fields, headers and joins."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dataflow.conform.mapping import compile_mappings
from dataflow.conform.step import conform
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings, load_settings
from dataflow.tables.declared import declared_tables
from dataflow.validate.step import validate
from dataflow.workspace.workspace import Workspace
from tests.lib.raw_rows import NOW, commit, land_rows, opened_lake, workspace

CONFIG = """
[currency]
base = "EUR"
[currency.rates]
USD = 0.9

# A CRM of people and organisations in one object, with custom fields.
[sources.crm]
adapter = "files"
root = "crm"
[sources.crm.objects.party]
format = "rest-json"
path = "Party/{date}/*.json"
key = "PartyNo"
cursor = "Touched"
json_schema = "party.json"
checks = [{ rule = "one_of", field = "Kind__c", values = ["P", "O"] }]
[sources.crm.objects.party.fields]
PartyNo = "VARCHAR"
Kind__c = "VARCHAR"
Called = "VARCHAR"
Org = "VARCHAR"
Mail__c = "VARCHAR"
Tel__c = "VARCHAR"
Tel2__c = "VARCHAR"
Land__c = "VARCHAR"
Loyalty_Tier__c = "VARCHAR"
Partner_Tier__c = "VARCHAR"
Belongs = "VARCHAR"
Staff = "INTEGER"
Touched = "TIMESTAMPTZ"

# A shop that keeps the customer's address and last session in tables of their own, and amounts in cents.
[sources.shop]
adapter = "files"
root = "shop"
[sources.shop.objects.kunde]
format = "parquet"
path = "kunde/{date}.parquet"
key = "knr"
cursor = "geaendert"
[sources.shop.objects.kunde.fields]
knr = "INTEGER"
vor = "VARCHAR"
nach = "VARCHAR"
post = "VARCHAR"
geboren = "DATE"
geaendert = "TIMESTAMP"
[sources.shop.objects.anschrift]
format = "parquet"
path = "anschrift/{date}.parquet"
key = "anr"
cursor = "geaendert"
checks = [{ rule = "refers_to", field = "kunde", object = "shop.kunde" }]
[sources.shop.objects.anschrift.fields]
anr = "INTEGER"
kunde = "VARCHAR"
zeile = "VARCHAR"
ort = "VARCHAR"
plz = "VARCHAR"
staat = "VARCHAR"
rang = "INTEGER"
geaendert = "TIMESTAMP"
[sources.shop.objects.sitzung]
format = "parquet"
path = "sitzung/{date}.parquet"
key = "id"
cursor = "zeit"
[sources.shop.objects.sitzung.fields]
id = "BIGINT"
knr = "BIGINT"
adresse = "VARCHAR"
zeit = "TIMESTAMP"
[sources.shop.objects.kauf]
format = "parquet"
path = "kauf/{date}.parquet"
key = "beleg"
cursor = "zeit"
[sources.shop.objects.kauf.fields]
beleg = "VARCHAR"
knr = "INTEGER"
summe = "DECIMAL(18,2)"
waehrung = "VARCHAR"
stand = "VARCHAR"
zeit = "TIMESTAMP"

# A help desk whose export has headings with blanks.
[sources.desk]
adapter = "files"
root = "desk"
[sources.desk.objects.case]
format = "csv"
path = "{date}.csv"
key = "Case No."
cursor = "Last Change"
[sources.desk.objects.case.fields]
"Case No." = "VARCHAR"
"From" = "VARCHAR"
"Title" = "VARCHAR"
"Urgency" = "VARCHAR"
"Created" = "TIMESTAMPTZ"
"Last Change" = "TIMESTAMPTZ"

[mappings.people]
table = "customer_record"
object = "crm.party"
where = { Kind__c = "P" }
[mappings.people.fields]
entity_type = { value = "person" }
full_name = "Called"
email = "Mail__c"
phone = { first_of = ["Tel__c", "Tel2__c"] }
country_code = "Land__c"
crm_status = { join = [{ map = { G = "Gold", S = "Silver" }, of = "Loyalty_Tier__c" }, "Partner_Tier__c"], with = "/" }
parent_record_id = { record = "crm.party", key = "Belongs" }
updated_at = "Touched"

[mappings.organisations]
table = "customer_record"
object = "crm.party"
where = { Kind__c = "O" }
[mappings.organisations.fields]
entity_type = { value = "company" }
company_name = "Org"
country_code = "Land__c"
employee_count = "Staff"
updated_at = "Touched"

[mappings.shopper]
table = "customer_record"
object = "shop.kunde"
[mappings.shopper.joins.home]
object = "shop.anschrift"
on = { kunde = "knr" }
prefer = ["rang", "-geaendert"]
[mappings.shopper.joins.session]
object = "shop.sitzung"
on = { knr = "knr" }
prefer = ["-zeit"]
[mappings.shopper.fields]
entity_type = { value = "person" }
given_name = "vor"
surname = "nach"
email = "post"
date_of_birth = "geboren"
street = "home.zeile"
city = "home.ort"
postcode = "home.plz"
country_code = { first_of = ["home.staat", { value = "DE" }] }
ip_address = "session.adresse"
updated_at = "geaendert"

[mappings.writer]
table = "customer_record"
object = "desk.case"
record_object = "writer"
group_by = ["From"]
[mappings.writer.fields]
entity_type = { value = "person" }
email = "From"
created_at = { earliest = "Created" }
crm_status = { latest = "Urgency" }

[mappings.purchase]
table = "customer_order"
object = "shop.kauf"
[mappings.purchase.fields]
record_id = { record = "shop.kunde", key = "knr" }
order_number = "beleg"
ordered_at = "zeit"
status = { map = { neu = "placed", weg = "shipped" }, of = "stand", default = "cancelled" }
currency_code = "waehrung"
amount = "summe"

[mappings.case]
table = "ticket"
object = "desk.case"
[mappings.case.fields]
record_id = { group = "writer" }
subject = "Title"
priority = "Urgency"
opened_at = "Created"
"""

SCHEMA = (
    """{"type": "object", "required": ["PartyNo", "Kind__c"], "properties": {"PartyNo": {"pattern": "^K[0-9]+$"}}}"""
)

MORNING, NOON = "2026-03-01 09:00:00", "2026-03-01 12:00:00"
LATER = NOW + timedelta(hours=1)
PARTIES: list[dict[str, Any]] = [
    {
        "PartyNo": "K1", "Kind__c": "P", "Called": "Lind, Ada", "Mail__c": "Ada.Lind@Example.org",
        "Tel2__c": "08-123 456 78", "Land__c": "Sverige", "Loyalty_Tier__c": "G", "Belongs": "K2",
        "Touched": "2026-03-01T08:00:00Z",
    },
    {
        "PartyNo": "K2", "Kind__c": "O", "Org": "Nordhus Bygg AB", "Land__c": "SE", "Staff": 12,
        "Touched": "2026-03-01T08:00:00+0100",
    },
    {"PartyNo": "9", "Kind__c": "P", "Called": "N", "Touched": "2026-03-01T08:00:00Z"},
]  # fmt: skip
CUSTOMERS = [
    {"knr": 7, "vor": "ADA", "nach": "LIND", "post": "ada@example.org", "geboren": "1980-05-06", "geaendert": MORNING},
    {"knr": 8, "vor": "Ben", "nach": "Ruiz", "geaendert": MORNING},
]
ADDRESSES = [
    {"anr": 1, "kunde": "7", "zeile": "Alte Gasse 3b", "ort": "KIEL", "plz": "24 103", "rang": 2, "geaendert": MORNING},
    {"anr": 2, "kunde": "7", "zeile": "Weg 10, Whg. 4", "ort": "Kiel", "plz": "24105", "rang": 1, "geaendert": MORNING},
]
SESSIONS = [
    {"id": 1, "knr": 7, "adresse": "192.0.2.1", "zeit": MORNING},
    {"id": 2, "knr": 7, "adresse": "192.0.2.2", "zeit": NOON},
]
PURCHASES = [
    {"beleg": "B1", "knr": 7, "summe": "10.00", "waehrung": "usd", "stand": "weg", "zeit": MORNING},
    {"beleg": "B2", "knr": 7, "summe": "10.00", "waehrung": "EUR", "stand": "?", "zeit": MORNING},
]


def case(number: str, sender: str, title: str, urgency: str, *, at: str = NOON) -> dict[str, str]:
    return {"Case No.": number, "From": sender, "Title": title, "Urgency": urgency, "Created": at, "Last Change": at}


CASES = [
    case("1", "ada@example.org", "Where", "Low", at=MORNING),
    case("2", "ada@example.org", "Now", "High"),
    case("3", "", "Nameless", "Low"),
]


@pytest.fixture(scope="module")
def ws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    folder = tmp_path_factory.mktemp("company")
    settings = load_settings(written(folder), home=folder / "home")
    with opened_lake(settings) as lake:
        land_rows(lake, settings, "crm.party", PARTIES)
        land_rows(lake, settings, "shop.kunde", CUSTOMERS)
        land_rows(lake, settings, "shop.anschrift", ADDRESSES)
        land_rows(lake, settings, "shop.sitzung", SESSIONS)
        land_rows(lake, settings, "shop.kauf", PURCHASES)
        land_rows(lake, settings, "desk.case", CASES)
        with workspace(lake, settings, folder) as ws:
            run(ws, settings)
            yield ws


def written(folder: Path) -> Path:
    (folder / "party.json").write_text(SCHEMA, encoding="utf-8")
    path = folder / "dataflow.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def run(ws: Workspace, settings: Settings) -> None:
    validate(ws, settings)
    conform(ws, settings)


def rows(ws: Workspace, table: str, *columns: str, key: str) -> dict[str, tuple[Any, ...]]:
    found = ws.con.execute(f"SELECT {key}, {', '.join(columns)} FROM conformed.{table}").fetchall()
    return {row[0]: row[1:] for row in found}


def test_people_and_organisations_of_one_object(ws: Workspace) -> None:
    found = rows(
        ws, "customer_record", "entity_type", "full_name", "given_name", "surname", "company_name", "legal_form",
        "email", "phone", "country_code", "crm_status", "employee_count", "parent_record_id", key="record_id",
    )  # fmt: skip
    assert found["crm|party|K1"] == (
        "person", "Ada Lind", "Ada", "Lind", None, None,
        "ada.lind@example.org", "+46812345678", "SE", "Gold", None, "crm|party|K2",
    )  # fmt: skip
    assert found["crm|party|K2"] == (
        "company", "Nordhus Bygg AB", None, None, "Nordhus Bygg", "ab", None, None, "SE", None, 12, None
    )  # fmt: skip


def test_their_own_schema_sets_rows_aside(ws: Workspace) -> None:
    assert ws.con.execute("SELECT _object, rule FROM ops.dead_letters").fetchall() == [("party", "schema.pattern")]


def test_the_best_address_and_the_last_session_join_the_customer(ws: Workspace) -> None:
    found = rows(
        ws, "customer_record", "full_name", "street", "house_number", "unit", "city", "postcode", "country_code",
        "ip_address", "CAST(date_of_birth AS VARCHAR)", key="record_id",
    )  # fmt: skip
    assert found["shop|kunde|7"] == (
        "Ada Lind", "Weg", "10", "Whg. 4", "Kiel", "24105", "DE", "192.0.2.2", "1980-05-06"
    )  # fmt: skip
    assert found["shop|kunde|8"] == ("Ben Ruiz", None, None, None, None, None, "DE", None, None)


def test_the_writers_of_cases_are_customers(ws: Workspace) -> None:
    records = rows(ws, "customer_record", "email", "crm_status", "CAST(created_at AS VARCHAR)", key="record_id")
    writers = {key: row for key, row in records.items() if key.startswith("desk|writer|")}
    assert list(writers.values()) == [("ada@example.org", "High", "2026-03-01 09:00:00+00")]
    tickets = rows(ws, "ticket", "record_id", "subject", "priority", key="ticket_id")
    assert tickets == {
        "desk|case|1": (*writers, "Where", "low"),
        "desk|case|2": (*writers, "Now", "high"),
        "desk|case|3": (None, "Nameless", "low"),
    }


def test_amounts_are_in_the_companys_base_currency(ws: Workspace) -> None:
    found = rows(
        ws, "customer_order", "record_id", "status", "currency_code", "CAST(base_amount AS VARCHAR)", key="order_id"
    )
    assert found == {
        "shop|kauf|B1": ("shop|kunde|7", "shipped", "USD", "9.0000"),
        "shop|kauf|B2": ("shop|kunde|7", "cancelled", "EUR", "10.0000"),
    }


LINES = """
[sources.shop.objects.zeile]
format = "parquet"
path = "zeile/{date}.parquet"
key = ["beleg", "pos"]
mode = "full"
[sources.shop.objects.zeile.fields]
beleg = "VARCHAR"
pos = "INTEGER"
preis = "DECIMAL(12,2)"
menge = "INTEGER"
rabatt = "DOUBLE"
[sources.shop.objects.land]
format = "csv"
path = "land.csv"
key = "code"
mode = "full"
[sources.shop.objects.land.fields]
code = "VARCHAR"
name = "VARCHAR"
"""


def test_totals_of_lines_and_a_look_up_behind_a_join(tmp_path: Path) -> None:
    text = CONFIG.replace('amount = "summe"', 'amount = "lines.total"').replace(
        "[mappings.purchase.fields]",
        '[mappings.purchase.joins.lines]\nobject = "shop.zeile"\non = { beleg = "beleg" }\n'
        'sums = { total = ["preis", "menge", "1 - rabatt"] }\n[mappings.purchase.fields]',
    )
    text = text.replace(
        "[mappings.shopper.joins.session]",
        '[mappings.shopper.joins.land]\nobject = "shop.land"\non = { code = "home.staat" }\n'
        "[mappings.shopper.joins.session]",
    ).replace('{ first_of = ["home.staat", { value = "DE" }] }', '"land.name"')
    written(tmp_path)
    (tmp_path / "dataflow.toml").write_text(text + LINES, encoding="utf-8")
    settings = load_settings(tmp_path / "dataflow.toml", home=tmp_path / "home")
    at = {"_changed_at": NOW}
    with opened_lake(settings) as lake:
        land_rows(lake, settings, "shop.kunde", CUSTOMERS)
        land_rows(lake, settings, "shop.anschrift", [row | {"staat": "D"} for row in ADDRESSES])
        land_rows(lake, settings, "shop.kauf", PURCHASES)
        land_rows(lake, settings, "shop.land", [{"code": "D", "name": "Germany"}], _record_key="D", **at)
        line = {"beleg": "B1", "preis": "10.10", "menge": 3, "rabatt": 0.05}
        for pos in (1, 2):
            land_rows(lake, settings, "shop.zeile", [line | {"pos": pos}], _record_key=f"B1|{pos}", **at)
        with workspace(lake, settings, tmp_path) as ws:
            run(ws, settings)
            found = rows(ws, "customer_order", "CAST(amount AS VARCHAR)", key="order_id")
            assert found == {"shop|kauf|B1": ("57.5700",), "shop|kauf|B2": (None,)}
            assert rows(ws, "customer_record", "country_code", key="record_id")["shop|kunde|7"] == ("DE",)
            commit(ws)
        land_rows(lake, settings, "shop.land", [{"code": "D", "name": "Austria"}], _record_key="D", _changed_at=LATER)
        land_rows(lake, settings, "shop.zeile", [line | {"pos": 2, "menge": 1}], _record_key="B1|2", _changed_at=LATER)
        with workspace(lake, settings, tmp_path, run_id="run-2") as ws:
            run(ws, settings)
            # 10.10 x 3 x 0.95 + 10.10 x 1 x 0.95
            assert rows(ws, "customer_order", "CAST(amount AS VARCHAR)", key="order_id")["shop|kauf|B1"] == ("38.3800",)
            assert rows(ws, "customer_record", "country_code", key="record_id")["shop|kunde|7"] == ("AT",)


CHOICES = """
[lookups.kinds]
1 = "person"
2 = "company"
[sources.erp]
adapter = "files"
root = "erp"
[sources.erp.objects.partner]
format = "csv"
path = "partner.csv"
key = "nr"
mode = "full"
[sources.erp.objects.partner.fields]
nr = "INTEGER"
art = "INTEGER"
name = "VARCHAR"
strasse = "VARCHAR"
haus = "VARCHAR"
ort = "VARCHAR"
liefer_strasse = "VARCHAR"
liefer_ort = "VARCHAR"
liefer_plz = "INTEGER"
gesperrt = "BOOLEAN"
[mappings.partner]
table = "customer_record"
object = "erp.partner"
addresses = [
  { street = "liefer_strasse", city = "liefer_ort", postcode = "liefer_plz" },
  { street = "strasse", house_number = "haus", city = "ort" },
]
[mappings.partner.fields]
entity_type = { map = "kinds", of = "art" }
full_name = { if = "art", is = 1, then = "name" }
company_name = { if = "art", is = [2, 3], then = "name" }
crm_status = { if = "gesperrt", then = { value = "blocked" }, else = { if = "ort", then = "nr" } }
"""
PARTNER = {"nr": 1, "art": 1, "name": "Ada Lind", "strasse": "Weg", "haus": "3 b", "ort": "Kiel"}


def test_conditions_tables_of_values_and_several_addresses(tmp_path: Path) -> None:
    (tmp_path / "dataflow.toml").write_text(CHOICES, encoding="utf-8")
    settings = load_settings(tmp_path / "dataflow.toml", home=tmp_path / "home")
    partners = [
        PARTNER,
        PARTNER | {"nr": 2, "art": 2, "name": "Nord AG", "liefer_ort": "Ulm", "liefer_plz": 89073, "gesperrt": True},
        {"nr": 3, "art": 2, "name": "Sued AG", "gesperrt": False},
    ]
    with opened_lake(settings) as lake:
        for one in partners:
            land_rows(lake, settings, "erp.partner", [one], _record_key=str(one["nr"]), _changed_at=NOW)
        with workspace(lake, settings, tmp_path) as ws:
            run(ws, settings)
            found = rows(ws, "customer_record", "entity_type", "full_name", "street", "house_number", "city",
                         "postcode", "crm_status", key="_record_key")  # fmt: skip
    assert found == {
        "1": ("person", "Ada Lind", "Weg", "3B", "Kiel", None, "1"),
        "2": ("company", "Nord AG", None, None, "Ulm", "89073", "blocked"),
        "3": ("company", "Sued AG", None, None, None, None, None),
    }


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('map = "kinds"', 'map = "kind"', "no lookup kind. Did you mean kinds"),
        ('crm_status = { if = "gesperrt"', 'city = "ort"\ncrm_status = { if = "gesperrt"', "city is mapped by"),
        ('{ value = "blocked" }', "{ value = true }", "then and else are of two types"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(before: str, after: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "dataflow.toml"
    path.write_text(CHOICES.replace(before, after), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        settings = load_settings(path, home=tmp_path / "home")
        compile_mappings(settings, declared_tables(settings))
