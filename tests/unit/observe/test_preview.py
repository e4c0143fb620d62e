"""What `plan` says of new rows before they are landed, and that a run then reads them so."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from dataflow.land import commit_windows, fetch_window, plan_windows
from dataflow.observe.plan import plan_run
from dataflow.settings import Settings, load_settings
from dataflow.validate.step import validate
from tests.lib.deliveries import run
from tests.lib.raw_rows import opened_lake, workspace

CONFIG = """
[sources.shop]
root = "in"
[sources.shop.objects.line]
format = "csv"
path = "lines.csv"
key = ["nr", "pos"]
mode = "full"
{csv}
[sources.shop.objects.line.fields]
nr = "BIGINT"
pos = "INTEGER"
mail = "VARCHAR"
amount = "DECIMAL(12,2)"
state = "VARCHAR"
at = "TIMESTAMP"
[mappings.order]
table = "customer_order"
object = "shop.line"
[mappings.order.fields]
status = "state"
currency_code = {{ value = "USD" }}
amount = "amount"
[mappings.buyer]
table = "customer_record"
object = "shop.line"
group_by = ["mail"]
[mappings.buyer.fields]
entity_type = {{ value = "person" }}
email = "mail"
"""
DECLARED = 'csv = { decimal = ",", date_order = "dmy", null_words = ["NULL"], footer_rows = 1 }'
EXPORT = """Lines of the shop;;;;;
of March;;;;;

nr;pos;mail;amount;state;at
1;1;a@example.org;1.234,50;neu;13.02.2026 10:00
1;2;a@example.org;1.000;neu;01.02.2026 10:00
2;1;b@example.org;NULL;weg;01.02.2026 9:00
Total;;;2.234,50;;
"""


def settings_of(folder: Path, csv: str) -> Settings:
    (folder / "in").mkdir(exist_ok=True)
    (folder / "in" / "lines.csv").write_text(EXPORT, encoding="utf-8")
    (folder / "dataflow.toml").write_text(CONFIG.format(csv=csv), encoding="utf-8")
    return load_settings(folder / "dataflow.toml")


def said(settings: Settings) -> str:
    return "\n".join(f"{one.is_well} {one.name}: {one.found} {one.fix}" for one in plan_run(settings).preview)


def test_what_is_detected_and_not_declared(tmp_path: Path) -> None:
    found = said(settings_of(tmp_path, "csv = { footer_rows = 1 }"))
    assert "semicolon, double quotes, header in line 4" in found
    assert "decimal comma (1 value of amount); dates in the order dmy (1 value of at); NULL for no value" in found
    assert 'Add csv = { decimal = ",", date_order = "dmy", null_words = [\'NULL\'] }.' in found
    assert "of 3 rows would be dead letters by rule: type 3" in found


def test_what_would_be_mapped_and_is_alike(tmp_path: Path) -> None:
    found = said(settings_of(tmp_path, DECLARED))
    assert "False" not in found
    assert '"neu" (2), "weg" (1). To map them, in [mappings.order.fields]' in found
    assert "2 customer records, of which 0 share" in found
    assert not (tmp_path / ".dataflow" / "lake").exists()


@pytest.mark.parametrize(
    ("csv", "amounts"),
    [(DECLARED, [Decimal("1234.50"), Decimal("1000.00"), None]), ("csv = { footer_rows = 1 }", [])],
)
def test_a_run_reads_what_is_declared_and_sets_the_rest_aside(
    tmp_path: Path, csv: str, amounts: list[Decimal | None]
) -> None:
    settings = settings_of(tmp_path, csv)
    schemas = ("raw", "valid", "ops")
    with opened_lake(settings, schemas=schemas) as lake:
        windows = plan_windows(lake, settings)
        commit_windows(lake, [fetch_window(window, settings, run()) for window in windows], run())
        with workspace(lake, settings, tmp_path, schemas=schemas) as ws:
            [report] = validate(ws, settings)
            typed = ws.con.execute('SELECT amount, "at" FROM valid.shop_line ORDER BY _record_key').fetchall()
            reasons = ws.con.execute("SELECT reason FROM ops.dead_letters ORDER BY ALL").fetchall()
    assert (report.rows_in, report.set_aside) == (3, 3 - len(amounts))
    assert [amount for amount, _ in typed] == amounts
    assert [str(at) for _, at in typed][:1] == ["2026-02-13 10:00:00"][: len(amounts)]
    # A thousand that could be read as one is set aside for that reason too.
    assert ("one of two numbers" in json.dumps(reasons)) == (not amounts)
