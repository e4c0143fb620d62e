"""One suite for both warehouses: a DuckDB file, and BigQuery as an emulator that checks requests as Google would."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dataflow.access.pipeline import open_published
from dataflow.errors import SinkError, SinkTimeout, WarehouseDiffers
from dataflow.sinks import open_warehouse
from dataflow.sinks.views import VIEWS
from dataflow.tables import published
from dataflow.tables.subject import Subject
from tests.lib.customers import record_of
from tests.lib.servers.bigquery import Answer, BigQueryServer, Request, error_answer
from tests.lib.tables import read_rows
from tests.lib.three_publications import Shop, open_shop
from tests.lib.warehouses import Target, client_of, plain_rows, target_of

NAMES = [table.name for table in published.TABLES]
PERSON = Subject(customer_ids=frozenset({"a", "c"}), record_ids=frozenset({record_of("a"), record_of("c")}))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory) as made:
        yield made


@pytest.fixture(params=["duckdb", "bigquery"])
def target(request: pytest.FixtureRequest, shop: Shop, tmp_path: Path) -> Target:
    server = request.getfixturevalue("bigquery") if request.param == "bigquery" else None
    return target_of(shop.settings, tmp_path, server)


@pytest.fixture
def big(shop: Shop, tmp_path: Path, bigquery: BigQueryServer) -> Target:
    return target_of(shop.settings, tmp_path, bigquery)


def expect(target: Target, shop: Shop, day: int) -> None:
    """Check that the warehouse shows a day of the shop: number, lake and every row of every table."""
    shown = target.sink().shows()
    assert shown is not None
    assert (shown.publication, shown.lake_id) == (shop.days[day].number, shop.lake.lake_id())
    with closing(open_published(shop.settings, at=shop.days[day].snapshot.id)) as lake:
        for name in NAMES:
            assert target.rows(name) == plain_rows(read_rows(lake, f"FROM published.{name}")), name


def test_it_follows_merges_deletions_and_erasures_and_a_second_call_does_nothing(
    shop: Shop, target: Target, bigquery: BigQueryServer
) -> None:
    before = None
    for number, day in enumerate(shop.days):
        report = target.sink().follow(day)
        assert (report.facts["was_at"], report.rows_out > 0) == (before, True)
        expect(target, shop, number)
        assert target.sink().follow(day).rows_out == 0
        before = day.number
    assert target.sink().follow(shop.days[0]).rows_out == 0
    assert target.rows("v_customer_overview")[0]["segments"] == "new_customer"
    removed = target.sink().forget(PERSON)
    assert removed > 0
    assert target.sink().forget(PERSON) == 0
    assert [row["customer_id"] for row in target.rows("customer_360")] == ["b"]
    spare_published_tables(bigquery, target)


def test_customers_split_again_follow_with_their_orders(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, bigquery: BigQueryServer
) -> None:
    with open_shop(tmp_path_factory) as shop:
        targets = [target_of(shop.settings, tmp_path, server) for server in (None, bigquery)]
        for target in targets:
            target.sink().follow(shop.days[1])
        # The third day stays out: the split comes with all that happened since the merge.
        shop.world.customer("c", email="c@mail.example")
        del shop.world.redirects["c"]
        shop.publish()
        for target in targets:
            target.sink().follow(shop.days[-1])
            expect(target, shop, -1)
            orders = {row["customer_id"]: row["order_count"] for row in target.rows("customer_360")}
            assert orders == {"a": 2, "b": 0, "c": 1}
        spare_published_tables(bigquery, targets[1])


def test_views_answer_the_same_on_both(shop: Shop, tmp_path: Path, bigquery: BigQueryServer) -> None:
    both = [target_of(shop.settings, tmp_path, server) for server in (None, bigquery)]
    for one in both:
        one.sink().follow(shop.days[2])
    for name in VIEWS:
        assert both[0].rows(name) == both[1].rows(name), name
    texts = [str(one.body["view"]["query"]) for one in bigquery.of("tables.insert") if "view" in one.body]
    assert len(texts) == len(VIEWS)
    assert not any("NULLS LAST" in one for one in texts)


def spare_published_tables(server: BigQueryServer, target: Target) -> None:
    """Check that no request replaced, truncated, copied or deleted a published table."""
    dataset = target.settings.warehouse.bigquery.dataset
    for request in server.of("jobs.insert"):
        configuration = request.body["configuration"]
        assert "copy" not in configuration
        if load := configuration.get("load"):
            assert load["writeDisposition"] == "WRITE_EMPTY"
            assert load["destinationTable"]["datasetId"] == f"{dataset}_staging"
        sql = configuration.get("query", {}).get("query", "").upper()
        assert not any(word in sql for word in ("REPLACE", "TRUNCATE", "DROP", "CLONE", "EXCEPTION"))
        # Without the label are the questions of the test itself.
        assert configuration.get("labels", {}).get("dataflow") == "warehouse" or sql.startswith("SELECT * FROM")
    assert all(f"{dataset}_staging/" in one.path for one in server.of("tables.delete"))


def test_tables_are_as_declared(shop: Shop, big: Target, bigquery: BigQueryServer) -> None:
    big.sink().follow(shop.days[0])
    made = {
        one.body["tableReference"]["tableId"]: one.body
        for one in bigquery.of("tables.insert")
        if one.body["tableReference"]["datasetId"] == big.settings.warehouse.bigquery.dataset
    }
    assert set(made) == {*NAMES, *VIEWS, "_publication"}
    orders = made["orders"]
    assert orders["tableConstraints"] == {"primaryKey": {"columns": ["order_id"]}}
    assert orders["timePartitioning"] == {"type": "MONTH", "field": "ordered_at"}
    assert orders["clustering"] == {"fields": ["order_id"]}
    assert orders["labels"] == {"dataflow": "published", "owner": "analytics"}
    fields = {field["name"]: field for field in orders["schema"]["fields"]}
    assert (fields["amount"]["type"], fields["amount"]["precision"], fields["amount"]["scale"]) == (
        "NUMERIC",
        "20",
        "4",
    )
    assert (fields["order_id"]["mode"], fields["categories"]["mode"]) == ("REQUIRED", "REPEATED")
    queries = [one.body["configuration"] for one in bigquery.of("jobs.insert") if "query" in one.body["configuration"]]
    assert all(int(one["query"]["maximumBytesBilled"]) == 10**12 for one in queries)
    ids = [one.body["jobReference"]["jobId"] for one in bigquery.of("jobs.insert")]
    lead = f"df-{shop.lake.lake_id()[:8]}-{shop.days[0].number}"
    # The server of the tests keeps the jobs of other datasets: an id that is taken is followed by the next attempt.
    for name in ("customer-360", "transaction"):
        assert any(re.fullmatch(rf"{lead}-{name}-\d", one) for one in ids), name


@pytest.mark.parametrize(
    ("change", "found"),
    [("lake_id = 'another'", "of another lake, another; this one is"), ("{number} = 1000000", "has not reached")],
)
def test_another_lakes_warehouse_is_refused_until_it_is_adopted(
    shop: Shop, target: Target, change: str, found: str
) -> None:
    target.sink().follow(shop.days[0])
    number = "snapshot_id" if target.kind == "duckdb" else "publication"
    target.change(f"UPDATE {{_publication}} SET {change.format(number=number)} WHERE TRUE")
    with pytest.raises(SinkError, match=found) as refused:
        target.sink().follow(shop.days[2])
    assert "dataflow sinks adopt warehouse" in refused.value.next_move
    target.sink().clear()
    assert target.sink().shows() is None
    target.sink().follow(shop.days[2])
    expect(target, shop, 2)


def test_a_table_changed_and_a_view_deleted_by_hand(shop: Shop, big: Target, bigquery: BigQueryServer) -> None:
    big.sink().follow(shop.days[0])
    with closing(client_of(big.settings)) as client:
        client.delete_table(f"{big.settings.warehouse.bigquery.dataset}.v_segment_sizes")
    assert big.sink().follow(shop.days[0]).rows_out == 0
    assert len(big.rows("v_segment_sizes")) == 1
    big.change("DELETE FROM {customer_360} WHERE customer_id = 'b'")
    with pytest.raises(WarehouseDiffers, match=r"customer_360: 3 rows were published, 2 are seen"):
        big.sink().follow(shop.days[1])
    shown = big.sink().shows()
    assert shown is not None
    assert shown.publication == shop.days[0].number
    big.sink().clear()
    big.sink().follow(shop.days[1])
    expect(big, shop, 1)


def test_a_table_of_former_columns_is_evolved(shop: Shop, big: Target, bigquery: BigQueryServer) -> None:
    from google.cloud import bigquery as google

    from dataflow.sinks.bigquery.shape import RETIRED, Place, dataset_resource, table_resource

    place = Place.of(big.settings)
    former = table_resource(published.ORDERS, place)
    fields = [field for field in former["schema"]["fields"] if field["name"] != "item_count"]
    former["schema"]["fields"] = [*fields, {"name": "colour", "type": "STRING", "mode": "REQUIRED"}]
    dataset = google.Dataset.from_api_repr(dataset_resource(place, place.dataset, location="EU", description=""))
    with closing(client_of(big.settings)) as client:
        client.create_dataset(dataset)
        client.create_table(google.Table.from_api_repr(former))
        big.sink().follow(shop.days[0])
        now = {field.name: field for field in client.get_table(f"{place}.orders").schema}
    # The emulator keeps columns of ALTER TABLE out of the schema that it shows.
    altered = [statement.partition("ALTER TABLE ")[2] for statement in bigquery.statements() if "ALTER" in statement]
    assert [one.partition("` ")[2].partition(" OPTIONS")[0] for one in altered] == [
        "ADD COLUMN IF NOT EXISTS `item_count` INT64",
        "ALTER COLUMN `colour` DROP NOT NULL",
    ]
    assert (now["colour"].mode, now["colour"].description) == ("NULLABLE", RETIRED)
    assert {row["colour"] for row in big.rows("orders")} == {None}
    assert [row["item_count"] for row in big.rows("orders")] == [0, 0, 0]


REFUSALS = [
    ((403, "accessDenied"), "access is refused", True),
    ((403, "quotaExceeded"), "a quota is used up", True),
    ((429, "rateLimitExceeded"), "asked too often", True),
    ((503, "backendError"), "it answers 503", True),
]


@pytest.mark.parametrize(("answer", "found", "retryable"), REFUSALS)
def test_a_refusal_is_named_and_leaves_the_warehouse(
    shop: Shop,
    big: Target,
    bigquery: BigQueryServer,
    monkeypatch: pytest.MonkeyPatch,
    answer: tuple[int, str],
    found: str,
    retryable: bool,
) -> None:
    monkeypatch.setattr("dataflow.sinks.bigquery.client._FIRST_WAIT_SECONDS", 0.001)
    bigquery.interfere = lambda _: error_answer(*answer)
    with pytest.raises(SinkError, match=found) as refused:
        big.sink().follow(shop.days[0])
    assert refused.value.retryable is retryable
    # What can pass is asked again, what is refused is not.
    assert len(bigquery.requests) == (5 if answer[0] in (429, 503) else 1)
    [finding] = big.sink().probe()
    assert not finding.is_well


def test_one_that_is_slow_or_down_ends_at_its_deadline(shop: Shop, big: Target, bigquery: BigQueryServer) -> None:
    sinks = big.settings.sinks.model_copy(update={"timeout_seconds": 0.5})
    hurried = Target(big.kind, big.settings.model_copy(update={"sinks": sinks}))
    bigquery.interfere = lambda _: time.sleep(1.0)  # type: ignore[func-returns-value]
    with pytest.raises(SinkTimeout, match=r"sinks\.timeout_seconds"):
        hurried.sink().follow(shop.days[0])
    place = big.settings.warehouse.bigquery.model_copy(update={"endpoint": "http://127.0.0.1:9"})
    warehouse = big.settings.warehouse.model_copy(update={"bigquery": place})
    down = Target(big.kind, hurried.settings.model_copy(update={"warehouse": warehouse}))
    with pytest.raises(SinkError):
        down.sink().follow(shop.days[0])


CHILD = """
import pickle, sys
from pathlib import Path
from dataflow.settings.model import WarehouseSettings
from dataflow.sinks.registry import SINKS
from tests.lib.publishing import settings_in
home, warehouse, publication = pickle.loads(Path(sys.argv[1]).read_bytes())
settings = settings_in(home).model_copy(update={"warehouse": WarehouseSettings.model_validate(warehouse)})
SINKS["warehouse"].open(settings).follow(publication)
"""


def killed_at(
    server: BigQueryServer,
    target: Target,
    shop: Shop,
    day: int,
    *,
    at: Callable[[Request], bool],
    after: bool,
    folder: Path,
) -> None:
    """Follow in a process that is killed at a request, before or after the server has done it."""
    told = folder / "told"
    told.write_bytes(pickle.dumps((shop.settings.home, target.settings.warehouse.model_dump(), shop.days[day])))
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(told)], cwd=Path(__file__).parents[3])

    def kill(request: Request) -> Answer | None:
        if not at(request):
            return None
        child.kill()
        child.wait()
        return error_answer(503, "killed")

    if after:
        server.answered = kill
    else:
        server.interfere = kill
    assert child.wait(120) == -9
    server.reset()


def is_load(request: Request) -> bool:
    return "load" in request.body.get("configuration", {})


def is_transaction(request: Request) -> bool:
    return "-transaction-" in str(request.body.get("jobReference", {}).get("jobId"))


def test_a_killed_sink_shows_one_publication_and_the_next_call_completes_it(
    shop: Shop, big: Target, bigquery: BigQueryServer, tmp_path: Path
) -> None:
    killed_at(bigquery, big, shop, 0, at=is_load, after=True, folder=tmp_path)
    assert big.sink().shows() is None
    killed_at(bigquery, big, shop, 0, at=is_transaction, after=False, folder=tmp_path)
    assert big.sink().shows() is None
    big.sink().follow(shop.days[0])
    expect(big, shop, 0)
    killed_at(bigquery, big, shop, 2, at=is_transaction, after=True, folder=tmp_path)
    expect(big, shop, 2)
    assert big.sink().follow(shop.days[2]).rows_out == 0


@pytest.mark.soak
@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_each_request(shop: Shop, big: Target, bigquery: BigQueryServer, tmp_path: Path, after: bool) -> None:
    big.sink().follow(shop.days[0])
    bigquery.reset()
    whole = target_of(shop.settings, tmp_path / "once", bigquery)
    whole.sink().follow(shop.days[0])
    bigquery.reset()
    whole.sink().follow(shop.days[2])
    count = len(bigquery.requests)
    for number in range(1, count):
        seen = {"count": 0}

        def is_reached(request: Request, number: int = number, seen: dict[str, int] = seen) -> bool:
            seen["count"] += 1
            return seen["count"] == number

        one = target_of(shop.settings, tmp_path / str(number), bigquery)
        one.sink().follow(shop.days[0])
        bigquery.reset()
        killed_at(bigquery, one, shop, 2, at=is_reached, after=after, folder=tmp_path)
        shown = one.sink().shows()
        assert shown is not None
        expect(one, shop, 0 if shown.publication == shop.days[0].number else 2)
        one.sink().follow(shop.days[2])
        expect(one, shop, 2)


@pytest.mark.parametrize("ends_after", [2, pytest.param(10**6, marks=pytest.mark.soak)])
def test_a_transaction_that_a_killed_run_left_is_waited_for_and_one_that_lasts_is_cancelled(
    shop: Shop, big: Target, bigquery: BigQueryServer, monkeypatch: pytest.MonkeyPatch, ends_after: int
) -> None:
    monkeypatch.setattr("dataflow.sinks.bigquery.jobs._WAIT_FOR_OTHERS_SECONDS", 0.0 if ends_after > 2 else 60.0)
    monkeypatch.setattr("dataflow.sinks.bigquery.jobs._POLL_SECONDS", (0.001, 0.002))
    big.sink().follow(shop.days[0])
    bigquery.reset()
    job_id = f"df-{shop.lake.lake_id()[:8]}-{shop.days[1].number}-transaction-7"
    left = {"looks": ends_after}

    def answer(request: Request) -> Answer | None:
        if request.id == "jobs.list":
            is_asked = request.parameters["stateFilter"] == "running"
            return 200, {"kind": "bigquery#jobList", "jobs": [job("RUNNING")] if is_asked else []}
        if request.id == "jobs.cancel":
            left["looks"] = 0
            return 200, {"kind": "bigquery#jobCancelResponse", "job": job("RUNNING")}
        if request.id == "jobs.get" and request.path.endswith(job_id):
            left["looks"] -= 1
            return 200, job("RUNNING" if left["looks"] > 0 else "DONE")
        return None

    def job(state: str) -> dict[str, object]:
        return {
            "id": f"tests:EU.{job_id}",
            "jobReference": {"projectId": "tests", "jobId": job_id, "location": "EU"},
            "configuration": {"jobType": "QUERY", "query": {"query": "SELECT 1"}},
            "status": {"state": state},
        }

    bigquery.interfere = answer
    big.sink().follow(shop.days[2])
    assert len(bigquery.of("jobs.cancel")) == (ends_after > 2)
    ids = [one.id for one in bigquery.requests]
    assert ids.index("jobs.list") < ids.index("jobs.insert")
    bigquery.interfere = lambda _: None
    expect(big, shop, 2)


def test_all_rows_are_compared_by_a_deep_plan_and_once_a_week(
    shop: Shop, target: Target, bigquery: BigQueryServer
) -> None:
    sink = open_warehouse(target.settings)
    for day in (0, 2, 2):
        sink.follow(shop.days[day])
    # A publication is compared by its own rows.
    assert not any("BIT_XOR(_row_hash)" in sql for sql in bigquery.statements())
    plan = sink.plan(is_deep=True)
    assert [plan["publication"][0][name] for name in ("publication", "newest")] == [shop.days[2].number] * 2
    assert [row["table"] for row in plan["tables"]] == NAMES
    assert {(row["state"], row["is_equal"], row["rows"] == row["lake_rows"]) for row in plan["tables"]} == {
        ("present", True, True)
    }
    changed = "full_name = 'x'" if target.kind == "duckdb" else "_row_hash = 1"
    target.change(f"UPDATE {{customer_360}} SET {changed} WHERE customer_id = 'b'")
    plan = sink.plan(is_deep=True)
    assert [row["table"] for row in plan["tables"] if not row["is_equal"]] == ["customer_360"]
    target.back_to_another_week()
    newer = replace(shop.days[2], last_change=shop.days[2].number + (target.kind == "duckdb"))
    with pytest.raises(SinkError, match="customer_360: other values than in the lake"):
        sink.follow(newer)
