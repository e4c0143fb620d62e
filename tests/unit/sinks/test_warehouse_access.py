"""Who may read what in BigQuery: made from the roles, checked before and after each load, compared in both directions.

The emulator enforces row policies; of grants, authorised views and policy tags it only keeps what it is sent, so that
these are asserted on requests.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dataflow.access.mask_keys import mask_key
from dataflow.access.masks import CLEAR
from dataflow.access.roles import find_role
from dataflow.errors import AccessDiffers, ConfigurationError, SinkError
from dataflow.settings import Settings
from dataflow.settings.roles import RoleSettings
from dataflow.sinks.bigquery.warehouse import BigQueryWarehouse
from dataflow.sinks.feeds import open_lake_reader
from dataflow.sinks.seen import key_in_variables, seen_sql
from dataflow.tables.subject import Subject
from tests.lib.customers import record_of
from tests.lib.servers.bigquery import PROJECT, BigQueryServer
from tests.lib.tables import read_rows
from tests.lib.three_publications import Shop
from tests.lib.warehouses import Target, plain_rows, target_of

TAG = "projects/tests/locations/eu/taxonomies/1/policyTags/2"
ANN, ANALYSTS, OPS = "user:ann@example.com", "group:analysts@example.com", "serviceAccount:ops@p.gserviceaccount.com"
PUBLISHER = "serviceAccount:publisher@tests.iam.gserviceaccount.com"


def shared(settings: Settings) -> Settings:
    """Return settings with three roles in BigQuery: one masked, one with a row filter, one that reads all."""
    # Few tables: each is several requests.
    few = ["published.customer_360", "published.segments", "published.kpi_daily"]
    roles = {
        # A customer who loses the last order leaves what the analyst sees.
        "analyst": RoleSettings(based_on="analyst", tables=few, rows={few[0]: "order_count + 0 >= 1"}),
        "near": RoleSettings(based_on="success", tables=few[:1], rows={few[0]: "customer_id <> 'b'"}),
    }
    access = settings.access.model_copy(update={"members": {"analyst": [ANALYSTS], "near": [ANN], "engineer": [OPS]}})
    place = settings.warehouse.bigquery.model_copy(update={"policy_tags": {"identity": TAG}})
    warehouse = settings.warehouse.model_copy(update={"bigquery": place})
    return settings.model_copy(update={"roles": roles, "access": access, "warehouse": warehouse})


@pytest.fixture
def big(shop: Shop, tmp_path: Path, bigquery: BigQueryServer) -> Iterator[Target]:
    bigquery.rights.clear()
    target = target_of(shop.settings, tmp_path, bigquery)
    yield Target(target.kind, shared(target.settings))


def sink(target: Target) -> BigQueryWarehouse:
    return BigQueryWarehouse(target.settings)


def applied(target: Target, *, prune: bool = False) -> list[str]:
    """Apply; return what was done and what is left."""
    found = sink(target).apply(prune=prune, confirm=lambda _: True)
    return [f"{one['state']} {one['kind']} {one['name']}{'' if one['done'] else ': left'}" for one in found]


def ask_as(server: BigQueryServer, who: str, sql: str) -> list[list[Any]]:
    """Return the rows of a query as another account; the emulator knows it by a header."""
    body = json.dumps({"query": sql, "useLegacySql": False}).encode()
    headers = {"content-type": "application/json", "x-bqemu-caller": who}
    address = f"{server.endpoint}/bigquery/v2/projects/{PROJECT}/queries"
    with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=60) as answer:
        return [[cell["v"] for cell in row["f"]] for row in json.load(answer).get("rows", [])]


def send(verb: str, address: str, body: dict[str, Any] | None = None) -> None:
    """Change something in BigQuery by hand."""
    content = json.dumps(body).encode() if body else None
    headers = {"content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(address, content, headers, method=verb), timeout=60):
        return


def rows_of_role(target: Target, role: str, table: str) -> list[dict[str, Any]]:
    dataset = f"{target.settings.warehouse.bigquery.dataset}_{role}"
    return plain_rows(target._read(f"SELECT * FROM `{PROJECT}.{dataset}.{table}`"))


def expect_masked(target: Target, shop: Shop, day: int) -> None:
    """Check that the analyst's tables hold what the role sees of the lake that day."""
    role = find_role("analyst", target.settings)
    key = mask_key(target.settings, role="analyst", lake_id=shop.lake.lake_id())
    with closing(open_lake_reader(target.settings, at=shop.days[day].snapshot.id)) as lake, key_in_variables(lake, key):
        for seen in role.tables.values():
            expected = plain_rows(read_rows(lake, seen_sql(seen)))
            assert rows_of_role(target, "analyst", seen.table.name) == expected, seen.table.name


def expect_declared(big: Target, shop: Shop, bigquery: BigQueryServer) -> None:
    """Check that what was made is what the roles declare."""
    dataset = big.settings.warehouse.bigquery.dataset
    made = {
        (one.body["tableReference"]["datasetId"], one.body["tableReference"]["tableId"]): one.body
        for one in bigquery.of("tables.insert")
    }
    # A role with masks has tables: not clustered by what is masked, and no key in any text.
    masked = made[f"{dataset}_analyst", "customer_360"]
    assert "clustering" not in masked
    assert "full_name" not in {field["name"] for field in masked["schema"]["fields"]}
    key = mask_key(big.settings, role="analyst", lake_id=shop.lake.lake_id())
    assert not any(key.hex() in json.dumps(one.body) for one in bigquery.requests)
    # A role without masks has views that only select, and are authorised one by one.
    view = made[f"{dataset}_near", "customer_360"]["view"]["query"]
    assert view.startswith("SELECT `customer_id`, ")
    assert view.endswith(f" FROM `{PROJECT}.{dataset}.customer_360` WHERE (customer_id <> 'b')")
    entries = [one for request in bigquery.of("datasets.patch") for one in request.body["access"]]
    authorised = {one["view"]["tableId"] for one in entries if "view" in one}
    granted = {one.get("userByEmail", one.get("groupByEmail")) for one in entries if one.get("role") == "READER"}
    assert granted == {"ann@example.com", "analysts@example.com", "ops@p.gserviceaccount.com"}
    assert {"customer_360", "kpi_daily", "_publication"} == authorised
    # Members of the role see its rows; others, and members of no role, none.
    assert ask_as(bigquery, ANN, f"SELECT customer_id FROM `{dataset}_near.customer_360` ORDER BY 1") == [["a"]]
    assert ask_as(bigquery, ANN, f"SELECT customer_id FROM `{dataset}.customer_360` ORDER BY 1") == [["a"]]
    assert ask_as(bigquery, "user:eve@example.com", f"SELECT customer_id FROM `{dataset}.customer_360`") == []
    assert ask_as(bigquery, OPS, f"SELECT count(*) FROM `{dataset}.customer_360`") == [["2"]]
    bodies = [one.body for one in bigquery.of("rowAccessPolicies.insert")]
    policies = {one["rowAccessPolicyReference"]["policyId"]: one for one in bodies}
    assert policies["df_publisher"]["filterPredicate"] == "TRUE"
    assert policies["df_publisher"]["grantees"] == [PUBLISHER]
    assert next(iter(policies)) == "df_publisher"
    assert policies["df_role_near"]["grantees"] == [ANN]
    # Tagged columns: the publisher may read them before they are tagged.
    assert bigquery.rights[TAG]["bindings"] == [
        {"role": "roles/datacatalog.categoryFineGrainedReader", "members": [PUBLISHER, OPS, ANN]}
    ]
    tagged = {name for name, tags in bigquery.tags[dataset, "customer_360"].items() if tags["names"] == [TAG]}
    assert "full_name" in tagged
    assert "email" not in tagged


def test_nothing_is_loaded_before_the_declared_access_is_there_and_then_roles_see_what_they_may(
    shop: Shop, big: Target, bigquery: BigQueryServer
) -> None:
    with pytest.raises(AccessDiffers, match=r"dataset of .*_analyst|Nothing was loaded") as refused:
        sink(big).follow(shop.days[0])
    assert "dataflow warehouse apply" in str(refused.value)
    assert not refused.value.retryable
    assert [one for one in bigquery.of("jobs.insert") if "load" in one.body["configuration"]] == []
    applied(big)
    for day in (0, 2):
        sink(big).follow(shop.days[day])
        expect_masked(big, shop, day)
    assert sink(big).follow(shop.days[2]).rows_out == 0
    plan = sink(big).plan(is_deep=True)
    assert {row["is_equal"] for row in plan["tables"]} == {True}
    assert plan["publication"][0]["publication"] == shop.days[2].number == plan["publication"][0]["newest"]
    expect_declared(big, shop, bigquery)
    removed = sink(big).forget(Subject(customer_ids=frozenset({"b"}), record_ids=frozenset({record_of("b")})))
    assert removed > 0
    assert rows_of_role(big, "analyst", "customer_360") == []


def test_a_policy_removed_by_hand_stops_the_load_and_one_added_is_an_error_after_it(
    shop: Shop, big: Target, bigquery: BigQueryServer
) -> None:
    applied(big)
    sink(big).follow(shop.days[0])
    dataset = big.settings.warehouse.bigquery.dataset
    table = f"{bigquery.endpoint}/bigquery/v2/projects/{PROJECT}/datasets/{dataset}/tables/customer_360"
    send("DELETE", f"{table}/rowAccessPolicies/df_role_near?force=true")
    bigquery.requests.clear()
    with pytest.raises(AccessDiffers, match="row policy df_role_near of customer_360 is missing"):
        sink(big).follow(shop.days[1])
    assert [one for one in bigquery.of("jobs.insert") if "load" in one.body["configuration"]] == []
    assert applied(big) == ["missing row policy df_role_near"]
    place = {"projectId": PROJECT, "datasetId": dataset, "tableId": "customer_360", "policyId": "eve"}
    body = {"rowAccessPolicyReference": place, "filterPredicate": "TRUE", "grantees": ["user:eve@example.com"]}
    send("POST", f"{table}/rowAccessPolicies", body)
    with pytest.raises(AccessDiffers, match=r"policy eve of customer_360 is not declared\. The publication is loaded"):
        sink(big).follow(shop.days[1])
    shown = sink(big).shows()
    assert shown is not None
    assert shown.publication == shop.days[1].number
    # The next run with nothing new still says so; it is removed only when asked for.
    with pytest.raises(AccessDiffers, match="eve"):
        sink(big).follow(shop.days[1])
    assert applied(big) == ["undeclared row policy eve: left"]
    assert applied(big, prune=True) == ["undeclared row policy eve"]
    assert sink(big).follow(shop.days[1]).rows_out == 0
    # A role that is no longer declared: its dataset is named, and removed when asked for.
    less = big.settings.access.model_copy(update={"members": {"analyst": [ANALYSTS]}})
    fewer = Target(big.kind, big.settings.model_copy(update={"access": less}))
    left = sink(fewer).plan(is_deep=False)["access"]
    assert {(one["state"], one["kind"]) for one in left} >= {("undeclared", "dataset"), ("undeclared", "row policy")}
    applied(fewer, prune=True)
    assert sink(fewer).plan(is_deep=False)["access"] == []


def test_rows_hidden_from_the_publisher_stop_the_load(shop: Shop, tmp_path: Path, bigquery: BigQueryServer) -> None:
    plain = target_of(shop.settings, tmp_path, bigquery)
    sink(plain).follow(shop.days[0])
    table = plain.name("orders")
    plain.change(f"CREATE ROW ACCESS POLICY eve ON {table} GRANT TO ('user:eve@example.com') FILTER USING (TRUE)")
    with pytest.raises(SinkError, match=r"orders: 3 rows were published, 0 are seen.* Nothing was loaded"):
        sink(plain).follow(shop.days[1])
    assert [row["kind"] for row in sink(plain).plan(is_deep=False)["access"]] == ["row policy"]


def test_a_dataset_of_others_under_a_roles_name_is_left_alone(
    shop: Shop, big: Target, bigquery: BigQueryServer
) -> None:
    from google.cloud import bigquery as google

    from tests.lib.warehouses import client_of

    name = f"{big.settings.warehouse.bigquery.dataset}_analyst"
    with closing(client_of(big.settings)) as client:
        client.create_dataset(google.Dataset(f"{PROJECT}.{name}"))
    with pytest.raises(SinkError, match="is not one of this warehouse"):
        applied(big)


@pytest.mark.parametrize(
    ("members", "found"),
    [({"executive": [ANN]}, "a role without SQL has no dataset"), ({"analist": [ANN]}, "analist")],
)
def test_members_of_roles_that_cannot_have_a_dataset_are_refused(
    shop: Shop, members: dict[str, list[str]], found: str
) -> None:
    from dataflow.access.roles import check_roles

    access = shop.settings.access.model_copy(update={"members": members})
    with pytest.raises(ConfigurationError, match=found):
        check_roles(shop.settings.model_copy(update={"access": access}))


def test_a_role_that_sees_a_table_unmasked_has_no_copy_of_it(shop: Shop, big: Target) -> None:
    from dataflow.sinks.bigquery.copies import declared_contents
    from dataflow.sinks.bigquery.shape import Place

    contents = declared_contents(big.settings, Place.of(big.settings), lake_id=shop.lake.lake_id())
    analyst, near = contents.roles
    assert [copy for copy in near.copies if not copy.masked] == []
    assert {seen.table.name for seen in analyst.views} == {"kpi_daily"}
    assert all(set(seen.treatments.values()) == {CLEAR} for role in contents.roles for seen in role.views)
