"""Three days of the sample: every planted defect is set aside, and nothing else; day by day equals one run."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dataflow.conform.step import conform
from dataflow.land import commit_windows, fetch_window, plan_windows
from dataflow.sample import SampleSpec, generate
from dataflow.settings import Settings, load_settings
from dataflow.validate.step import validate
from dataflow.workspace.staging import Run
from dataflow.workspace.workspace import Workspace
from tests.lib.raw_rows import commit, opened_lake, tables_of

SCHEMAS = ("raw", "valid", "conformed", "ops")
SECOND, THIRD = (datetime(2026, 1, day, tzinfo=UTC) for day in (2, 3))
Content = dict[str, list[str]]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample")
    generate(SampleSpec(days=3, records_per_day=1000), root)
    return root


def settings_for(sample: Path, home: Path) -> Settings:
    settings = load_settings(home=home)
    sources = {name: one.model_copy(update={"root": str(sample / name)}) for name, one in settings.sources.items()}
    return settings.model_copy(update={"sources": sources})


def publish(settings: Settings, days: list[datetime | None], *, sample: Path) -> Content:
    """Land and publish what lies before each of `days`; return what the lake holds in the end."""
    tables = tables_of(settings, SCHEMAS)
    with opened_lake(settings, schemas=SCHEMAS) as lake:
        for number, until in enumerate(days):
            run = Run(f"run-{number}", "daily", datetime(2026, 2, 1, tzinfo=UTC))
            windows = plan_windows(lake, settings, until=until)
            commit_windows(lake, [fetch_window(window, settings, run) for window in windows], run)
            with Workspace(lake, run, tables=tables) as ws:
                validate(ws, settings)
                conform(ws, settings)
                commit(ws)
        content = {
            name: _lines(lake.con.execute(f"SELECT {columns} FROM lake.{table.sql_name}").fetchall())
            for name, table in tables.items()
            if table.schema in ("valid", "conformed")
            for columns in [", ".join(f'"{c.name}"' for c in table.columns if not c.volatile)]
        }
        content["dead letters"] = _lines(
            lake.con.execute("SELECT dead_letter_id, rules, status FROM lake.ops.dead_letters").fetchall()
        )
        content["unexpected"] = _lines(lake.con.execute(_unexpected(sample)).fetchall())
        content["undetected"] = _lines(lake.con.execute(_undetected(sample)).fetchall())
    return content


def _lines(rows: list[tuple[object, ...]]) -> list[str]:
    return sorted(map(str, rows))


def _unexpected(sample: Path) -> str:
    """Dead letters of rows that are whole; a row that lost its key cannot be found by it."""
    return f"""
        SELECT _object, rules FROM lake.ops.dead_letters d WHERE NOT list_contains(rules, 'unreadable')
        AND NOT EXISTS (SELECT 1 FROM '{sample}/truth/defects.parquet' t
                        WHERE t.object = d._object AND t.record_key = d._record_key)
    """


def _undetected(sample: Path) -> str:
    return f"""
        SELECT object, defect FROM '{sample}/truth/defects.parquet' t WHERE defect NOT IN ('missing_key', 'ragged_row')
        AND NOT EXISTS (SELECT 1 FROM lake.ops.dead_letters d
                        WHERE t.object = d._object AND t.record_key = d._record_key)
    """


@pytest.fixture(scope="module")
def day_by_day(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Content:
    return publish(settings_for(sample, tmp_path_factory.mktemp("days")), [SECOND, THIRD, None], sample=sample)


def test_every_defect_is_set_aside_and_no_whole_row(day_by_day: Content) -> None:
    assert day_by_day["dead letters"]
    assert day_by_day["unexpected"] == []
    assert day_by_day["undetected"] == []


def test_day_by_day_ends_as_all_at_once(day_by_day: Content, sample: Path, tmp_path: Path) -> None:
    at_once = publish(settings_for(sample, tmp_path), [None], sample=sample)
    assert {name: len(rows) for name, rows in day_by_day.items()} == {name: len(rows) for name, rows in at_once.items()}
    assert day_by_day == at_once
    assert len(at_once["conformed.customer_record"]) > 500
