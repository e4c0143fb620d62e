"""No row of one object stops the publication of another: whatever it holds, the other's rows are published."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.lib.small_company import company_settings, opened_company, person, purchase

_ANYTHING = st.one_of(
    st.none(),
    st.sampled_from(
        [
            "",
            " ",
            "-1",
            "1e400",
            "0x1F",
            "9" * 60,
            "NaN",
            "2026-13-45",
            "0001-01-01",
            "9999-12-31",
            "$",
            "\x00",
            "🏠" * 9,
        ]
    ),
    st.text(max_size=12),
    st.integers(),
    st.lists(st.integers(), max_size=2),
    st.booleans(),
)
_KEYS = st.sampled_from(["100", "101", "0101", "101.0", "x", "1e400", "-5", "9" * 40, None, ""])
_FIELDS = {"person": ("given", "surname", "mail", "gone"), "purchase": ("person", "total")}


def _rows(kind: str) -> st.SearchStrategy[tuple[str, list[dict[str, Any] | str]]]:
    values = st.dictionaries(st.sampled_from(_FIELDS[kind]), _ANYTHING)
    times = st.sampled_from(["2026-03-02 10:00:00", "2999-01-01 00:00:00", ""])
    made = person(100) if kind == "person" else purchase(100, of=1)
    row = st.builds(lambda key, at, other: made | other | {"id": key, "changed": at}, _KEYS, times, values)
    broken = st.sampled_from(["{", "[]", '{"id": "102"', '"text"', "null", ""])
    return st.tuples(st.just(kind), st.lists(row | broken, min_size=1, max_size=4))


def test_no_row_of_an_object_stops_the_publication_of_another(
    tmp_path: Path, rounds: Callable[[int, int], int]
) -> None:
    with opened_company(company_settings(tmp_path / "template")) as company:
        company.land("person", person(1), person(2))
        company.land("purchase", purchase(1, of=1))
        company.publish()

    @hypothesis_settings(max_examples=rounds(2, 200), deadline=None, suppress_health_check=list(HealthCheck))
    @given(bad=st.sampled_from(["person", "purchase"]).flatmap(_rows))
    def holds(bad: tuple[str, list[dict[str, Any] | str]]) -> None:
        kind, rows = bad
        shutil.rmtree(tmp_path / "lake", ignore_errors=True)
        shutil.copytree(tmp_path / "template", tmp_path / "lake")
        with opened_company(company_settings(tmp_path / "lake")) as company:
            company.land(kind, *rows)
            if kind == "person":
                company.land("purchase", purchase(2, of=1))
            else:
                company.land("person", person(4))
            company.publish()
            people = company.rows("SELECT id FROM lake.valid.shop_person WHERE id <= 4 AND id > 0 ORDER BY id")
            known = company.rows("SELECT count(*) FROM lake.published.xref WHERE record_id = 'shop|person|4'")
            orders = company.rows("SELECT order_number FROM lake.published.orders WHERE order_number IN ('1', '2')")
        if kind == "person":
            assert sorted(orders) == [("1",), ("2",)]
        else:
            assert people == [(1,), (2,), (4,)] and known == [(1,)]
            assert orders == [("1",)]

    holds()
