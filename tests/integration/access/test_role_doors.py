"""Every shipped role at the door: it sees each column as declared, and no attack shows or changes more."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dataflow.access.door import open_for
from dataflow.access.marts import mart_path
from dataflow.access.mask_keys import mask_key
from dataflow.access.roles import Role, find_role, role_names
from dataflow.access.who import Purpose, Who
from dataflow.errors import AccessRefused, DataFlowError, MartDiffers
from dataflow.settings import RoleSettings, Settings
from dataflow.settings.roles import SHIPPED_ROLES
from dataflow.sinks.marts import rewrite_mart
from lakehouse.table import Column, quote
from tests.lib.attacks import ATTACKS
from tests.lib.role_attacks import ROLE_ATTACKS
from tests.lib.role_lakes import RoleLake, files_below, open_role_lake

MART_ROLES = tuple(SHIPPED_ROLES)
SQL_ROLES = tuple(name for name in MART_ROLES if SHIPPED_ROLES[name].sql)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoleLake]:
    made = open_role_lake(tmp_path_factory.mktemp("roles"))
    with made.lake:
        yield made


def hidden_canaries(place: RoleLake, role: Role) -> set[str]:
    """Values of the lake that the role sees in no column."""
    hidden, seen = set(), set()
    for table in find_role("steward", None).tables.values():
        for column in table.table.columns:
            if column.type != "VARCHAR":
                continue
            name = quote(column.name)
            rows = place.lake.con.execute(
                f"SELECT DISTINCT {name} FROM {table.table.in_lake} WHERE {name} LIKE '%canary%'"
            ).fetchall()
            values = {str(value) for (value,) in rows}
            is_clear = role.sql and role.treatment(table.table.full_name, column.name) == "clear"
            (seen if is_clear else hidden).update(values)
    # An id of a record holds the id of its customer.
    return {value for value in hidden - seen if not any(value in other for other in seen)}


def test_the_lake_has_something_to_hide(place: RoleLake) -> None:
    counts = {name: len(hidden_canaries(place, find_role(name, place.settings))) for name in MART_ROLES}
    assert counts["steward"] == 0
    assert counts["executive"] > counts["analyst"] > counts["marketing"] > 0
    assert counts["executive"] > 100


@pytest.mark.parametrize("name", role_names(None))
def test_no_attack_shows_a_hidden_value_or_writes_a_byte(place: RoleLake, name: str) -> None:
    role = find_role(name, place.settings)
    hidden = set() if role.opens_lake else hidden_canaries(place, role)
    # The access log, which each statement is written to, is the one thing that grows.
    before = files_below(place.settings.home)
    with open_for(Who("tests", name), Purpose.ANALYSIS, door="query", settings=place.settings) as door:
        # The attacks on the lake itself are made on every kind of lake in test_door.py.
        for statement in map(attack(place, name), (*ROLE_ATTACKS, *(ATTACKS if name == "analyst" else ()))):
            said = answer(lambda text: door.query(text).rows(), statement)
            assert [value for value in hidden if value in said] == [], statement
        if name in ("analyst", "executive"):
            # The second lock alone, on the mart with SQL and the one without: no check of statements.
            for statement in map(attack(place, name), ROLE_ATTACKS):
                said = answer(lambda text: door.con.execute(text).fetchall(), statement)
                assert [value for value in hidden if value in said] == [], statement
    assert files_below(place.settings.home) == before


def attack(place: RoleLake, name: str) -> Any:
    home, marts = place.settings.home, place.settings.access.folder
    known = {"home": home, "mart": f"{marts}/{name}.duckdb", "other": f"{marts}/steward.duckdb"}
    known |= {"data": f"{home}/lake/data/", "catalogue": f"{home}/lake/catalogue.ducklake", "outside": home}
    return lambda statement: statement.format(**known, secret=f"{home}/access/key")


def answer(ask: Any, statement: str) -> str:
    """All that is said to the reader: rows, or the error."""
    try:
        return repr(list(ask(statement)))
    except (duckdb.Error, DataFlowError) as error:
        return str(error)


@pytest.mark.parametrize("name", MART_ROLES)
def test_the_file_of_a_mart_holds_no_hidden_value(place: RoleLake, name: str) -> None:
    stored = mart_path(place.settings, name).read_bytes()
    hidden = hidden_canaries(place, find_role(name, place.settings))
    assert [value for value in hidden if value.encode() in stored] == []
    # The file is not compressed so that nothing could be found in it.
    assert (b"canary" in stored) == SHIPPED_ROLES[name].sql


@pytest.mark.parametrize("name", SQL_ROLES)
def test_each_column_is_seen_as_declared(place: RoleLake, name: str) -> None:
    role, settings = find_role(name, place.settings), place.settings
    key = mask_key(settings, role=name, lake_id=place.lake.lake_id())
    with open_for(Who("tests", name), Purpose.ANALYSIS, door="query", settings=settings) as door:
        for full_name, seen in role.tables.items():
            shown = door.query(f"SELECT * FROM {full_name}")
            rows = list(shown.rows())
            assert shown.columns == list(seen.treatments)
            for place_in_row, (column_name, treatment) in enumerate(seen.treatments.items()):
                column = seen.table.column(column_name)
                lake = place.lake.con.execute(f"SELECT {quote(column_name)} FROM {seen.table.in_lake}").fetchall()
                expected = [masked(treatment, value, column, key) for (value,) in lake]
                assert sorted(map(repr, (row[place_in_row] for row in rows))) == sorted(map(repr, expected)), (
                    full_name,
                    column_name,
                )


def masked(treatment: str, value: Any, column: Column, key: bytes) -> Any:
    """What a mask makes of a value: the plain twin of the SQL."""

    def keyed(text: str) -> str:
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32]

    if treatment == "clear" or value is None:
        return value
    match treatment:
        case "keyed_hash" if isinstance(value, list):
            return [keyed(one) for one in value]
        case "keyed_hash" if isinstance(value, dict):
            return {name: keyed(one) for name, one in value.items()}
        case "keyed_hash":
            return keyed(value)
        case "year":
            return value.replace(month=1, day=1)
        case "domain":
            return value.rpartition("@")[2] if "@" in value else None
        case "region":
            return value[:2] if isinstance(value, str) else float(round(value))
        case "first_letter":
            return value[:1]
    assert treatment == "null", f"no twin of {treatment} for {column.type}"
    return None


def test_ids_join_within_a_role_and_not_across_roles(place: RoleLake) -> None:
    ids = {}
    for name in ("analyst", "marketing"):
        with open_for(Who("tests", name), Purpose.ANALYSIS, door="query", settings=place.settings) as door:
            joined = door.query("SELECT count(*) FROM published.orders JOIN published.customer_360 USING (customer_id)")
            assert list(joined.rows()) == [(36,)]
            ids[name] = set(door.query("SELECT customer_id FROM published.customer_360").rows())
    assert len(ids["analyst"]) == len(ids["marketing"]) == 12
    assert not ids["analyst"] & ids["marketing"]


def test_a_role_without_sql_reads_whole_views_without_small_groups(place: RoleLake) -> None:
    with open_for(Who("tests", "executive"), Purpose.ANALYSIS, door="query", settings=place.settings) as door:
        months = list(door.query("from published.v_monthly_revenue").rows())
        assert months
        assert all(customers >= 10 for _, _, customers, _ in months)
        for refused in (
            "select * from published.v_monthly_revenue where orders = 1",
            "from published.customer_360",
            "select 1",
            "from published.v_customer_overview",
        ):
            with pytest.raises(DataFlowError, match="reads whole views"):
                door.query(refused)


def test_a_tightened_role_does_not_keep_its_wide_mart(place: RoleLake) -> None:
    tight = RoleSettings(based_on="success", classes={"contact": "absent"})
    settings = place.settings.model_copy(update={"roles": {"success": tight}})
    with (
        pytest.raises(MartDiffers, match="declared otherwise"),
        open_for(Who("tests", "success"), Purpose.ANALYSIS, door="query", settings=settings),
    ):
        pass
    rewrite_mart(settings, "success")
    with open_for(Who("tests", "success"), Purpose.ANALYSIS, door="query", settings=settings) as door:
        assert "email" not in door.query("FROM published.customer_360").columns
        assert "full_name" in door.query("FROM published.customer_360").columns
    rewrite_mart(place.settings, "success")


def test_a_rotated_key_and_another_secret_make_a_mart_differ(place: RoleLake) -> None:
    other = place.settings.access.model_copy(update={"key": "k" * 40})
    settings = Settings.model_validate(place.settings.model_copy(update={"access": other}).model_dump())
    with (
        pytest.raises(MartDiffers, match="key of its masks"),
        open_for(Who("tests", "analyst"), Purpose.ANALYSIS, door="query", settings=settings),
    ):
        pass


def test_what_needs_the_lake_itself_is_refused_with_the_reason(place: RoleLake) -> None:
    for asked in ({"reads": None}, {"as_of": datetime.now(UTC)}):
        with (
            pytest.raises(AccessRefused, match="reads the lake itself"),
            open_for(Who("tests", "marketing"), Purpose.ANALYSIS, door="query", settings=place.settings, **asked),
        ):
            pass
    with (
        open_for(Who("tests", "marketing"), Purpose.ANALYSIS, door="query", settings=place.settings) as door,
        pytest.raises(AccessRefused),
    ):
        _ = door.view


def test_a_mart_that_is_not_there_or_not_a_mart_is_refused(place: RoleLake, tmp_path: Path) -> None:
    access = place.settings.access.model_copy(update={"folder": str(tmp_path)})
    settings = place.settings.model_copy(update={"access": access})
    with (
        pytest.raises(MartDiffers, match="not been written"),
        open_for(Who("t", "analyst"), Purpose.ANALYSIS, door="query", settings=settings),
    ):
        pass
    with closing(duckdb.connect(str(tmp_path / "analyst.duckdb"))) as con:
        con.execute("CREATE TABLE x AS SELECT 1")
    with (
        pytest.raises(MartDiffers, match="not a mart"),
        open_for(Who("t", "analyst"), Purpose.ANALYSIS, door="query", settings=settings),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["analyst.duckdb"]
