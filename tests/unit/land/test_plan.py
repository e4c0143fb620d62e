"""Planning: what the sources hold and the lake does not."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dataflow.access.lake import lake_location, open_lake
from dataflow.errors import SourceMissing, UsageError
from dataflow.land import plan_windows
from dataflow.land.plan import read_states
from dataflow.settings import Settings
from lakehouse import LakeView, open_reader
from tests.lib.deliveries import company, deliver_csv, deliver_items, deliver_pages, land, opened, person

AT = datetime(2026, 3, 1, 9)  # noqa: DTZ001 (a database's time without zone, which is UTC)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for day in ("2026-03-01", "2026-03-02"):
        deliver_pages(tmp_path / "crm", [person(day)], day=day)
    deliver_items(tmp_path / "shop", [{"id": 1, "price": Decimal("1.00"), "updated_at": AT}])
    deliver_csv(tmp_path / "desk", "ticket_id,subject,updated_at\n1,a,2026-03-01\n")
    return company(tmp_path)


def subjects(settings: Settings, lake: LakeView | None = None, **chosen: str) -> list[str]:
    return [planned.subject for planned in plan_windows(lake, settings, **chosen)]  # type: ignore[arg-type]


def test_without_a_lake_everything_is_new(settings: Settings) -> None:
    everything = [
        "crm.person 2026-03-01",
        "crm.person 2026-03-02",
        "shop.item 2026-03-01",
        "desk.ticket 2026-03-01",
    ]
    assert subjects(settings) == everything
    with open_lake(settings, purpose="test") as bare:
        assert subjects(settings, bare) == everything


def test_a_source_or_an_object_is_chosen(settings: Settings) -> None:
    assert subjects(settings, source="shop") == ["shop.item 2026-03-01"]
    assert subjects(settings, object="ticket") == ["desk.ticket 2026-03-01"]


@pytest.mark.parametrize("chosen", [{"source": "erp"}, {"object": "invoice"}, {"source": "crm", "object": "item"}])
def test_names_that_are_not_declared(settings: Settings, chosen: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        subjects(settings, **chosen)


def test_nothing_delivered_is_an_error_and_not_an_empty_plan(settings: Settings) -> None:
    (settings.home / "shop/item/2026-03-01.parquet").unlink()
    with pytest.raises(SourceMissing, match=r"shop\.item"):
        subjects(settings)


def test_what_is_landed_is_known_to_writer_and_reader(settings: Settings) -> None:
    with opened(settings) as lake:
        land(lake, settings, source="crm")
        assert subjects(settings, lake) == ["shop.item 2026-03-01", "desk.ticket 2026-03-01"]
        state = read_states(lake)["crm", "person"]
    assert state.watermark == datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
    assert sorted(state.parts) == ["Person/2026-03-01/page-0001.json", "Person/2026-03-02/page-0001.json"]
    location = lake_location(settings)
    with open_reader(location) as con:
        assert subjects(settings, LakeView(con, location), source="crm") == []
