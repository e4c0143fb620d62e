"""A source whose columns change: each policy, for each format, on a day whose columns are not the declared ones."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataflow.errors import SchemaDrift
from dataflow.land import plan_windows
from tests.lib.deliveries import (
    ITEM,
    PERSON,
    TICKET,
    company,
    deliver_csv,
    deliver_pages,
    land,
    opened,
    person,
    raw_rows,
)

AT = datetime(2026, 3, 1, 9)  # noqa: DTZ001 (a database's time without zone, which is UTC)


def pages(home: Path) -> None:
    record = person("1", Colour="red")
    del record["Name"]
    deliver_pages(home / "crm", [record])


def table(home: Path) -> None:
    file = home / "shop/item/2026-03-01.parquet"
    file.parent.mkdir(parents=True)
    kinds = {
        "id": pa.int64(),
        "Colour": pa.string(),
        "updated_at": pa.timestamp("us"),
        "deleted_at": pa.timestamp("us"),
    }
    row = {"id": 1, "Colour": "red", "updated_at": AT}
    pq.write_table(pa.Table.from_pylist([row], schema=pa.schema(kinds)), file)


def export(home: Path) -> None:
    deliver_csv(home / "desk", "ticket_id,Colour,updated_at\n1,red,2026-03-01\n")


FORMATS = [
    (pages, "crm", "crm_person", "Name"),
    (table, "shop", "shop_item", "price"),
    (export, "desk", "desk_ticket", "subject"),
]
Policy = Literal["evolve", "freeze", "set_aside"]


@pytest.mark.parametrize("policy", ["evolve", "freeze", "set_aside"])
@pytest.mark.parametrize(("deliver", "source", "raw", "gone"), FORMATS)
def test_policies(
    tmp_path: Path, deliver: Callable[[Path], None], source: str, raw: str, gone: str, policy: Policy
) -> None:
    changed = {
        name: declared.model_copy(update={"on_drift": policy})
        for name, declared in (("person", PERSON), ("item", ITEM), ("ticket", TICKET))
    }
    settings = company(tmp_path, **changed)
    deliver(tmp_path)
    with opened(settings) as lake:
        if policy == "freeze":
            with pytest.raises(SchemaDrift, match=f"new Colour; gone {gone}"):
                land(lake, settings, source=source)
            assert raw_rows(lake, raw) == []
            assert len(plan_windows(lake, settings, source=source)) == 1
            return
        [report] = land(lake, settings, source=source)
        [(payload, defect)] = raw_rows(lake, raw, "payload, _defect")
    assert report.facts["drift"] == f"new Colour; gone {gone}"
    # Whatever the policy, what came is kept.
    assert json.loads(payload)["Colour"] == "red"
    aside = f"columns differ from the declaration: new Colour; gone {gone}"
    assert defect == (aside if policy == "set_aside" else None)
