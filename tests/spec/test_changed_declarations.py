"""What changes in the declaration of a landed object: types apply by themselves, keys and cursors by a reset.

After each, the lake is as a fresh one with that declaration: no row of the former one stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dataflow.errors import UsageError
from dataflow.govern.reset import ResetPlan, plan_reset, reset
from dataflow.govern.restore import restore
from dataflow.observe.pending import pending_changes
from tests.lib.declarations import FIELDS, Place, declared, deliver, opened

NAME = ("shop", "line")
DAY_1 = (
    ("1", "1", "a", "7.000", "2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z", ""),
    ("1", "2", "b", "8.500", "2026-03-01T09:00:00Z", "2026-03-01T11:00:00Z", ""),
    ("2", "1", "c", "9.000", "2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", "2026-03-01T11:00:00Z"),
)
DAY_2 = (
    ("1", "2", "b2", "8.500", "2026-03-01T09:30:00Z", "2026-03-02T11:00:00Z", ""),
    ("3", "1", "d", "4.000", "2026-03-02T08:00:00Z", "2026-03-02T11:00:00Z", ""),
)


def reset_line(place: Place) -> ResetPlan:
    plan = plan_reset(place.lake, place.settings, NAME)
    reset(place.lake, place.settings, plan)
    return plan


def twin(folder: Path, **declaration: Any) -> dict[str, list[tuple[Any, ...]]]:
    """Return the state of a lake that never knew another declaration, over the same files."""
    settings = declared(folder, **declaration)
    lake = settings.lake.model_copy(
        update={name: str(folder / "twin" / name) for name in ("catalogue", "data", "published")}
    )
    with opened(settings.model_copy(update={"lake": lake, "landing": str(folder / "twin" / "landing")})) as place:
        place.run(1)
        return place.state()


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
@pytest.mark.parametrize("runs", ["one", "two"])
def test_of_one_version_the_row_of_the_latest_window_counts(tmp_path: Path, first: str, second: str, runs: str) -> None:
    row = ("1", "1", first, *DAY_1[0][3:])
    deliver(tmp_path, 1, row)
    with opened(declared(tmp_path)) as place:
        if runs == "two":
            place.run(1)
        deliver(tmp_path, 2, ("1", "1", second, *row[3:]))
        place.run(2)
        assert place.valid() == [("1|1", second)]


def test_a_changed_time_zone_gives_all_versions_anew(tmp_path: Path) -> None:
    deliver(tmp_path, 1, ("1", "1", "a", "7.000", "", "2026-03-01 10:00:00", ""))
    with opened(declared(tmp_path)) as place:
        assert place.run(1) == {}
    deliver(tmp_path, 2, ("1", "1", "b", "7.000", "", "2026-03-01 12:00:00", ""))
    changed = declared(tmp_path, time_zone="Asia/Tokyo")
    with opened(changed) as place:
        # Noon in Tokyo is before ten o'clock UTC: the former row would stay current.
        assert "cursor changed → changed (Asia/Tokyo)" in place.run(2)["shop.line"]
        reset_line(place)
        assert place.run(3) == {}
        assert place.state() == twin(tmp_path, time_zone="Asia/Tokyo")
        assert place.valid() == [("1|1", "b")]


def test_a_changed_key_is_held_back_and_a_reset_leaves_no_ghost(tmp_path: Path) -> None:
    deliver(tmp_path, 1, *DAY_1[:1], *DAY_1[2:])
    with opened(declared(tmp_path, key="order_id")) as place:
        assert place.run(1) == {}
        assert place.valid() == [("1", "a"), ("2", "c")]
    deliver(tmp_path, 2, *DAY_2)
    with opened(declared(tmp_path)) as place:
        gaps = place.run(2)
        assert set(gaps) == {"shop.line"}
        assert "(key order_id → order_id, line)" in gaps["shop.line"]
        assert "dataflow reset shop line" in gaps["shop.line"]
        # What was published stays, and nothing is landed by another key.
        assert place.valid() == [("1", "a"), ("2", "c")]
        assert place.rows("SELECT count(*) FROM lake.raw.shop_line") == [(2,)]
        [finding] = pending_changes(place.lake, place.settings)
        assert (finding.name, finding.is_well) == ("object shop.line", False)
        plan = reset_line(place)
        assert (plan.changes, plan.rows, plan.rows_reread) == (("key order_id → order_id, line",), 2, 2)
        assert list(pending_changes(place.lake, place.settings)) == []
        assert place.run(3) == {}
        assert place.valid() == [("1|1", "a"), ("1|2", "b2"), ("2|1", "c"), ("3|1", "d")]
        assert place.rows("SELECT kind, status FROM lake.ops.run") == [("reset", "complete")]
        after = place.state()
    assert after == twin(tmp_path)


def test_the_former_declaration_goes_on_when_the_change_is_taken_back(tmp_path: Path) -> None:
    deliver(tmp_path, 1, *DAY_1)
    with opened(declared(tmp_path)) as place:
        place.run(1)
    with opened(declared(tmp_path, cursor="placed")) as place:
        assert "cursor changed → placed" in place.run(2)["shop.line"]
    deliver(tmp_path, 2, *DAY_2)
    with opened(declared(tmp_path)) as place:
        assert place.run(3) == {}
        assert place.rows("SELECT status FROM lake.ops.gap") == [("closed",)]
        assert ("1|2", "b2") in place.valid()


def test_a_key_that_was_never_published_is_corrected_by_itself(tmp_path: Path) -> None:
    deliver(tmp_path, 1, *DAY_1)
    with opened(declared(tmp_path, key="order_id", fields=FIELDS | {"sku": "BIGINT"}, share=0.0)) as place:
        assert "held back" in place.run(1)["shop.line"]
        assert place.rows("SELECT count(*) FROM lake.raw.shop_line") == [(3,)]
    with opened(declared(tmp_path)) as place:
        assert place.run(2) == {}
        after = place.state()
    assert after == twin(tmp_path)


def test_a_field_renamed_at_the_source_is_no_change(tmp_path: Path) -> None:
    deliver(tmp_path, 1, *DAY_1)
    with opened(declared(tmp_path)) as place:
        place.run(1)
    header = ("order_no", *tuple(FIELDS)[1:])
    deliver(tmp_path, 2, *DAY_2, header=header)
    fields = FIELDS | {"order_no": "VARCHAR"}
    with opened(declared(tmp_path, key="order_no, line", optional=["order_id"], fields=fields)) as place:
        assert place.run(2) == {}
        assert [key for key, _ in place.valid()] == ["1|1", "1|2", "2|1", "3|1"]
        # A reset reads the former name where a row has it.
        reset_line(place)
        assert place.run(3) == {}
        assert [key for key, _ in place.valid()] == ["1|1", "1|2", "2|1", "3|1"]


def test_decisions_on_dead_letters_follow_their_rows(tmp_path: Path) -> None:
    bad = ("5", "1", "e", "much", "2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z", "")
    deliver(tmp_path, 1, *DAY_1[:1], bad)
    with opened(declared(tmp_path, key="order_id")) as place:
        place.run(1)
        place.lake.con.execute("UPDATE lake.ops.dead_letters SET status = 'discarded', decided_by = 'ann'")
    with opened(declared(tmp_path)) as place:
        reset_line(place)
        place.run(2)
        letters = "SELECT _record_key, status, decided_by FROM lake.ops.dead_letters"
        assert place.rows(letters) == [("5|1", "discarded", "ann")]


def test_a_deletion_by_the_former_key_deletes_nothing_of_the_new_one(tmp_path: Path) -> None:
    deliver(tmp_path, 1, *DAY_1[:1])
    with opened(declared(tmp_path, key="order_id")) as place:
        place.run(1)
        place.lake.con.execute("""
            INSERT INTO lake.raw.shop_line BY NAME SELECT * REPLACE ('{"order_id":"1"}' AS payload, true AS _is_deleted,
                _changed_at + INTERVAL 1 DAY AS _changed_at, 'x' AS _row_hash) FROM lake.raw.shop_line
        """)
        place.run(2)
        assert place.valid() == []
    with opened(declared(tmp_path)) as place:
        assert reset_line(place).deletions_kept == 1
        place.run(3)
        assert place.valid() == [("1|1", "a")]


def test_an_object_that_is_not_declared_is_refused(tmp_path: Path) -> None:
    with opened(declared(tmp_path)) as place, pytest.raises(UsageError, match="there are: shop line"):
        plan_reset(place.lake, place.settings, ("shop", "lines"))


@pytest.mark.parametrize(
    ("before", "after", "set_aside"),
    [
        pytest.param({"sku": "VARCHAR"}, {"sku": "BIGINT"}, 2, id="text to number"),
        pytest.param(
            {"gone": "VARCHAR", "placed": "TIMESTAMPTZ", "line": "INTEGER"},
            {"gone": "DATE", "placed": "TIMESTAMP", "line": "BIGINT"},
            0,
            id="text to date, time with zone to without, a key that is widened",
        ),
        pytest.param(
            {"amount": "DECIMAL(12,3)", "placed": "TIMESTAMP", "line": "DECIMAL(12,3)"},
            {"amount": "BIGINT", "placed": "TIMESTAMPTZ", "line": "BIGINT"},
            1,
            id="decimal to number, time without zone to with, a key of another kind of number",
        ),
    ],
)
def test_a_declared_type_is_corrected_by_the_next_run(
    tmp_path: Path, before: Mapping[str, str], after: Mapping[str, str], set_aside: int
) -> None:
    rows = (DAY_1[0], (*DAY_1[1][:2], "5", *DAY_1[1][3:]), DAY_2[1])
    deliver(tmp_path, 1, *rows)
    with opened(declared(tmp_path, fields=FIELDS | before)) as place:
        assert place.run(1) == {}
        first = place.lake.snapshot().id
    with opened(declared(tmp_path, fields=FIELDS | after)) as place:
        [finding] = pending_changes(place.lake, place.settings)
        assert finding.is_well and "makes the valid rows of shop.line anew" in finding.found
        assert place.run(2) == {}
        assert list(pending_changes(place.lake, place.settings)) == []
        assert len(place.state()["dead letters"]) == set_aside
        changed = place.state()
    assert changed == twin(tmp_path, fields=FIELDS | after)
    # And back: raw has the text. A restore to rows of the former types is brought forward in the same way.
    with opened(declared(tmp_path, fields=FIELDS | before)) as place:
        assert place.run(3) == {}
    with opened(declared(tmp_path, fields=FIELDS | after)) as place:
        restore(place.lake, place.settings, first)
        assert place.run(4) == {}
        assert place.state() == changed


def test_an_object_held_back_keeps_its_values_of_the_former_type(tmp_path: Path) -> None:
    deliver(tmp_path, 1, *DAY_1)
    with opened(declared(tmp_path)) as place:
        place.run(1)
        before = place.state()
    with opened(declared(tmp_path, fields=FIELDS | {"sku": "BIGINT"}, share=0.0)) as place:
        assert "sku is not a BIGINT, 3 rows" in place.run(2)["shop.line"]
        assert place.state() == before
        assert len(list(pending_changes(place.lake, place.settings))) == 1
    with opened(declared(tmp_path)) as place:
        assert place.run(3) == {}
        assert place.state() == before


_DECLARATIONS = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["order_id, line", "line, order_id", "sku", "order_id, line, sku"]),
        "cursor": st.sampled_from(["changed", "placed"]),
        "deleted_when_set": st.sampled_from(["", "gone"]),
        "fields": st.fixed_dictionaries(
            {
                "order_id": st.sampled_from(["VARCHAR", "BIGINT"]),
                "sku": st.sampled_from(["VARCHAR", "BIGINT"]),
                "amount": st.sampled_from(["DECIMAL(12,3)", "BIGINT", "VARCHAR"]),
                "placed": st.sampled_from(["TIMESTAMPTZ", "TIMESTAMP"]),
            }
        ),
        "mapping": st.tuples(
            st.sampled_from(["", 'line = "1"', 'order_id = "2"']),
            st.sampled_from(["sku", "amount", "order_id"]),
            st.sampled_from(["placed", "changed"]),
        ),
    }
)


def test_no_change_of_a_declaration_leaves_ghosts(
    tmp_path_factory: pytest.TempPathFactory, rounds: Callable[[int, int], int]
) -> None:
    """Key, cursor, deletion, types and mapping change at random between runs; rows come with the first two."""

    @hypothesis_settings(max_examples=rounds(2, 200), deadline=None, suppress_health_check=list(HealthCheck))
    @given(history=st.lists(_DECLARATIONS, min_size=2, max_size=3))
    def holds(history: list[dict[str, Any]]) -> None:
        folder = tmp_path_factory.mktemp("company")
        made = [one | {"fields": FIELDS | one["fields"]} for one in history]
        for number, declaration in enumerate(made, start=1):
            if number <= 2:
                deliver(folder, number, *(DAY_1, DAY_2)[number - 1])
            with opened(declared(folder, **declaration)) as place:
                place.run(2 * number)
                reset_line(place)
                assert place.run(2 * number + 1) == {}
                state = place.state()
        assert state == twin(folder, **made[-1])

    holds()
