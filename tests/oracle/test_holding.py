"""Objects held back at random over several runs and released: as if none had been held back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.validate.plan import ObjectPlan
from dataflow.workspace.report import list_gaps
from dataflow.workspace.workspace import Workspace
from tests.lib.small_company import Company, company_settings, opened_company, person, purchase

Row = tuple[str, dict[str, Any]]
History = list[tuple[list[Row], set[str]]]


def _row(kind: str, number: int, day: int, flaw: bool) -> Row:
    if kind == "purchase":
        return kind, purchase(number, of=number + 2 * flaw, day=day)
    flaws = {"surname": ""} if number % 2 else {"gone": f"2026-03-{day:02} 12:00:00"}
    return kind, person(number, day=day, given=f"Ann {day}", **(flaws if flaw else {}))


_ROWS = st.builds(_row, st.sampled_from(["person", "purchase"]), st.integers(1, 5), st.integers(1, 9), st.booleans())
_RUN = st.tuples(st.lists(_ROWS, max_size=5), st.sets(st.sampled_from(["shop.person", "shop.purchase"])))
_RUNS = st.lists(_RUN, min_size=4, max_size=4)


def _lead(company: Company, history: History) -> dict[str, Any]:
    """Land and validate run by run, then once with nothing held back; returns what is valid and set aside."""
    for rows, held in [*history, ([], set())]:
        for kind, row in rows:
            company.land(kind, row)
        before = company.state("valid")
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("dataflow.validate.step.reason_to_hold", _holding(held))
            gaps = list_gaps(company.validate().values())
        after = company.state("valid")
        for name in gaps:
            table = "valid." + name.replace(".", "_")
            assert before[table] == after[table]
    letters = "SELECT _object, _record_key, _row_hash, rule, status FROM lake.ops.dead_letters ORDER BY ALL"
    return company.state("valid") | {"dead letters": company.rows(letters)}


def _holding(held: set[str]) -> Callable[..., str | None]:
    def reason(_: Workspace, plan: ObjectPlan, **__: Any) -> str | None:
        return "held back" if plan.full_name in held else None

    return reason


def test_what_was_held_back_and_released_is_as_if_it_never_was(
    tmp_path: Path, rounds: Callable[[int, int], int]
) -> None:
    with opened_company(company_settings(tmp_path / "template")):
        pass

    @hypothesis_settings(max_examples=rounds(3, 200), deadline=None, suppress_health_check=list(HealthCheck))
    @given(runs=_RUNS)
    def holds(runs: History) -> None:
        states = []
        for name, history in (("held", runs), ("twin", [(rows, set()) for rows, _ in runs])):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
            shutil.copytree(tmp_path / "template", tmp_path / name)
            with opened_company(company_settings(tmp_path / name)) as company:
                states.append(_lead(company, history))
        assert states[0] == states[1]

    holds()
