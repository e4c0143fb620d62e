"""Many identical records are one customer, in any order of arrival, and one of them can be judged another."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path

from tests.lib.identities import Record, population
from tests.lib.resolving import judge, resolve_day, rows
from tests.lib.tables import NOW, small_lake

GUEST: Record = {
    "entity_type": "person", "given_name": "Ottoline", "surname": "Vandersloot", "full_name": "Ottoline Vandersloot",
    "email": "ottoline.v@posteo.example", "email_canonical": "ottoline.v@posteo.example",
    "email_domain": "posteo.example", "phone": "+15557318842", "city": "Riverton", "postcode": "10555",
    "country_code": "US",
}  # fmt: skip
CHECKOUTS = [{**GUEST, "record_id": f"mysql|checkout|{number:03}"} for number in range(60)]
OTHERS = [record for _, record in population(3, people=12).values()]


def owners(lake: object) -> dict[str, str]:
    query = "SELECT record_id, customer_id FROM lake.resolved.xref WHERE record_id LIKE 'mysql|checkout|%'"
    return dict(rows(lake, query))  # type: ignore[arg-type]


def test_copies_are_one_customer_but_for_one_that_changes_and_one_judged_different(tmp_path: Path) -> None:
    changed = {
        "record_id": CHECKOUTS[20]["record_id"], "entity_type": "person", "given_name": "Bartholomew",
        "surname": "Quill", "full_name": "Bartholomew Quill", "email": "quill@posteo.example",
        "email_canonical": "quill@posteo.example", "email_domain": "posteo.example",
    }  # fmt: skip
    with small_lake(tmp_path) as lake:
        report = resolve_day(lake, tmp_path, [*OTHERS, *CHECKOUTS])
        assert len(set(owners(lake).values())) == 1
        assert rows(lake, "SELECT count(*) FROM lake.resolved.match_record WHERE is_copy") == [(58,)]
        assert "e-mail" not in [rule for _, rule, _, _ in report.facts["crowded_keys"]]  # type: ignore[attr-defined]
        resolve_day(lake, tmp_path, [changed], day=2)
        found = owners(lake)
        assert [one for one in found if found[one] != found[CHECKOUTS[0]["record_id"]]] == [changed["record_id"]]
        apart = CHECKOUTS[40]["record_id"]
        for kept in CHECKOUTS[:2]:
            judge(lake, (kept["record_id"], apart), "different", now=NOW + timedelta(days=3))
        resolve_day(lake, tmp_path, [], day=4)
        found = owners(lake)
        assert found[apart] != found[CHECKOUTS[0]["record_id"]]
        assert len(set(found.values())) == 3


def test_in_any_order_of_arrival(tmp_path: Path) -> None:
    waiting = random.Random(1).sample(CHECKOUTS, len(CHECKOUTS))
    with small_lake(tmp_path) as lake:
        resolve_day(lake, tmp_path, [*OTHERS, *waiting[:4]])
        first = set(owners(lake).values())
        resolve_day(lake, tmp_path, waiting[4:], day=2)
        assert set(owners(lake).values()) == first
        # the two that are compared go
        gone = [record["record_id"] for record in CHECKOUTS[:2]]
        resolve_day(lake, tmp_path, [], gone=gone, day=3)
        assert set(owners(lake).values()) == first
        gone = [record["record_id"] for record in CHECKOUTS[2:52]]
        resolve_day(lake, tmp_path, [], gone=gone, day=4)
        assert len(owners(lake)) == 8
        assert set(owners(lake).values()) == first
        assert rows(lake, "SELECT count(*) FROM lake.resolved.match_record WHERE is_copy") == [(0,)]


def test_records_alike_in_keys_alone_are_told(tmp_path: Path) -> None:
    crowd = [
        {**GUEST, "record_id": f"mysql|checkout|{number:03}", "house_number": str(number), "street": "Mill Lane"}
        for number in range(60)
    ]
    with small_lake(tmp_path) as lake:
        facts = resolve_day(lake, tmp_path, [*OTHERS, *crowd]).facts["crowded_keys"]
        assert ["person", "e-mail", 1, 60] in facts
