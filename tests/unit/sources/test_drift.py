"""What differs from the declaration, and what each policy makes of it."""

import json

import pytest

from dataflow.errors import SchemaDrift
from dataflow.settings import ObjectSettings
from dataflow.sources import Drift
from dataflow.sources.drift import answer_drift, describe, find_drift

DECLARED = ObjectSettings(
    format="csv",
    path="{date}/*.csv",
    key="id",
    cursor="at",
    fields={"id": "BIGINT", "at": "TIMESTAMP", "price": "DECIMAL(12,2)", "ok": "BOOLEAN", "note": "VARCHAR"},
    optional=["note"],
)


def test_names() -> None:
    assert find_drift(DECLARED, ["id", "at", "price", "colour"]) == Drift(
        new=("colour",), gone=("ok",), lacking=("note",)
    )
    assert not find_drift(DECLARED, ["id", "at", "price", "ok"])


def test_a_new_name_for_a_field_is_told_as_one() -> None:
    drift = find_drift(DECLARED, ["id", "at", "unit_price", "ok", "colour"], types={"unit_price": "DECIMAL(10,2)"})
    assert drift == Drift(("colour", "unit_price"), ("price",), (), (("price", "unit_price"),), ("note",))
    assert describe(drift) == "renamed price → unit_price; new colour"
    # Another kind of value is another field.
    assert find_drift(DECLARED, ["id", "at", "unit_price", "ok"], types={"unit_price": "VARCHAR"}).renamed == ()


@pytest.mark.parametrize(
    ("field", "kind", "is_retyped"),
    [
        ("id", "INTEGER", False),
        ("id", "VARCHAR", True),
        ("id", "DOUBLE", True),
        ("price", "BIGINT", False),
        ("price", "VARCHAR", True),
        ("ok", "TINYINT", False),
        ("at", "TIMESTAMP WITH TIME ZONE", False),
        ("at", "DATE", False),
        ("at", "BIGINT", True),
        ("note", "BIGINT", False),
        ("other", "BIGINT", False),
    ],
)
def test_types(field: str, kind: str, is_retyped: bool) -> None:
    drift = find_drift(DECLARED, DECLARED.fields, types={field: kind})
    assert drift.retyped == ((field,) if is_retyped else ())


DRIFT = Drift(new=("colour",), gone=("price",), retyped=("ok",))


def test_evolve_carries_on() -> None:
    assert answer_drift(DRIFT, DECLARED, where="a.csv") is None


def test_freeze_refuses() -> None:
    declared = DECLARED.model_copy(update={"on_drift": "freeze"})
    with pytest.raises(SchemaDrift, match=r"a\.csv.*new colour; gone price; retyped ok.* granted to the user"):
        answer_drift(DRIFT, declared, where="a.csv")
    assert answer_drift(Drift(), declared, where="a.csv") is None


def test_set_aside_gives_each_row_a_defect() -> None:
    declared = DECLARED.model_copy(update={"on_drift": "set_aside"})
    assert answer_drift(Drift(gone=("id",)), declared, where="a.csv") == "columns differ from the declaration: gone id"


@pytest.mark.parametrize("lost", ["id", "at"])
def test_no_policy_but_setting_aside_can_do_without_key_and_cursor(lost: str) -> None:
    with pytest.raises(SchemaDrift, match=f"key or cursor {lost}"):
        answer_drift(Drift(gone=(lost,)), DECLARED, where="a.csv")


def test_drifts_of_several_files_are_one() -> None:
    both = Drift(new=("b",), gone=("x",)).merged(Drift(new=("a",), retyped=("y",), renamed=(("x", "a"),)))
    assert describe(both) == "renamed x → a; new b; retyped y"
    assert Drift.from_dict(json.loads(json.dumps(both.as_dict()))) == both
