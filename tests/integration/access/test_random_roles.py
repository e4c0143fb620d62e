"""Random roles over random tables and columns at every door: what is not allowed never appears in any form."""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pytest

from dataflow.access.door import open_for
from dataflow.access.doors import DOORS
from dataflow.access.identify import Reads
from dataflow.access.marts import mart_path
from dataflow.access.masks import CLEAR, MASKS, TREATMENTS
from dataflow.access.roles import Role, find_role
from dataflow.access.who import Who
from dataflow.errors import AccessRefused, DataFlowError
from dataflow.govern import dead_letters
from dataflow.govern.review import review
from dataflow.settings import RoleSettings, Settings
from dataflow.sinks.marts import rewrite_mart
from dataflow.sinks.views import VIEWS
from dataflow.tables.columns import CLASSIFICATIONS
from dataflow.tables.ops import BASELINE, INCIDENT_EVENT
from dataflow.tables.registry import STATIC
from lakehouse.table import quote
from tests.lib.role_lakes import RoleLake, open_role_lake

SEED = 1818
ALL_TABLES = [table for table in STATIC if table.schema in ("published", "conformed", "resolved", "ops")]
READS: dict[str, Reads] = dict.fromkeys(DOORS) | {
    "query": (),
    "dlq": dead_letters.READS,
    "review": review.READS,
    "alerts": (INCIDENT_EVENT,),
    "rules": None,
    "baselines": (BASELINE,),
}
"""What the command of each door reads by itself; None: the lake."""
ROW_CONDITION = "country_code = 'DE'"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoleLake]:
    made = open_role_lake(tmp_path_factory.mktemp("random-roles"), roles=())
    with made.lake:
        yield made


def test_every_door_is_in_this_test() -> None:
    assert list(READS) == list(DOORS)


def test_what_a_random_role_may_not_see_appears_at_no_door(place: RoleLake, rounds: Callable[[int, int], int]) -> None:
    chance, values, hid = random.Random(SEED), values_by_column(place), 0
    for number in range(rounds(6, 300)):
        settings = with_role(place.settings, random_role(chance))
        role = find_role("guest", settings)
        rewrite_mart(settings, "guest")
        hidden = hidden_values(role, values)
        hid += len(hidden)
        for door in DOORS:
            said = everything_at(door, role, settings)
            found = [value for value in hidden if any(form in said for form in forms(value))]
            assert found == [], f"role {number} at the door {door}"
        stored = mart_path(settings, "guest").read_bytes()
        assert [value for value in hidden if value.encode() in stored] == []
    assert hid > 1000


def with_role(settings: Settings, role: RoleSettings) -> Settings:
    return settings.model_copy(update={"roles": {"guest": role}})


def random_role(chance: random.Random) -> RoleSettings:
    """Some tables, each class and some columns treated at random; a mask that does not fit gives way to null."""
    tables = chance.sample(ALL_TABLES, chance.randint(1, 8))
    classes: dict[str, str | list[str]] = {
        name: chance.choice([CLEAR, "absent", [chance.choice(list(MASKS)), "keyed_hash", "null"]])
        for name in CLASSIFICATIONS
    }
    columns = {}
    for table in tables:
        for column in chance.sample(table.columns, min(2, len(table.columns))):
            fitting = [one for one in TREATMENTS if one not in MASKS or MASKS[one].fits(column)]
            columns[f"{table.full_name}.{column.name}"] = chance.choice(fitting)
    named = [table.full_name for table in tables]
    rows = {"published.customer_360": ROW_CONDITION} if "published.customer_360" in named else {}
    sql = chance.random() < 0.8
    return RoleSettings(tables=named, classes=classes, columns=columns, rows=rows, sql=sql, history="all")


def values_by_column(place: RoleLake) -> dict[tuple[str, str], set[tuple[str, bool]]]:
    """The canaries of each column, and whether a row that meets the condition has it."""
    found: dict[tuple[str, str], set[tuple[str, bool]]] = {}
    for table in ALL_TABLES:
        meets = ROW_CONDITION if table.full_name == "published.customer_360" else "true"
        for column in table.columns:
            if column.type == "VARCHAR":
                name = quote(column.name)
                rows = place.lake.con.execute(
                    f"SELECT DISTINCT {name}, {meets} FROM {table.in_lake} WHERE {name} LIKE '%canary%'"
                ).fetchall()
                found[table.full_name, column.name] = {(str(value), bool(is_met)) for value, is_met in rows}
    return found


def hidden_values(role: Role, values: dict[tuple[str, str], set[tuple[str, bool]]]) -> set[str]:
    """Every canary that no clear column of the role holds, in a row that the role sees."""
    seen, known = set(), set()
    for (table, column), canaries in values.items():
        is_clear = role.sql and role.treatment(table, column) == CLEAR
        has_all = table not in role.tables or not role.tables[table].where
        known |= {value for value, _ in canaries}
        seen |= {value for value, is_met in canaries if is_clear and (has_all or is_met)}
    # An id of a record holds the id of its customer, an address its domain.
    return {value for value in known - seen if not any(value in other for other in seen)}


def forms(value: str) -> list[str]:
    """The value itself, and what a look-up of known values would find."""
    text = value.encode()
    hashes = [hashlib.new(kind, text).hexdigest() for kind in ("md5", "sha1", "sha256")]
    return [value, value[::-1], text.hex(), base64.b64encode(text).decode(), *hashes, *(one[:32] for one in hashes)]


def everything_at(door: str, role: Role, settings: Settings) -> str:
    """All that a reader in the role is shown at a door: every row, or the refusal."""
    said: list[Any] = []
    reads = READS[door]
    try:
        with open_for(Who("tests", role.name), DOORS[door].purpose, door=door, settings=settings, reads=reads) as found:
            if reads is None or not all(table.full_name in role.tables for table in reads):
                pytest.fail(f"The door {door} opened for a role that does not see what it reads.")
            for name in (*(table.full_name for table in ALL_TABLES), *(f"published.{view}" for view in VIEWS)):
                for ask in (lambda sql: list(found.query(sql).rows()), lambda sql: found.con.execute(sql).fetchall()):
                    try:
                        said.append(ask(f"FROM {name}"))
                    except (DataFlowError, duckdb.Error) as error:
                        said.append(str(error))
    except AccessRefused as error:
        assert door != "query"
        said.append(str(error))
    return repr(said)
