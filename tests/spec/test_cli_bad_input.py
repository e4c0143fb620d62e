"""Whatever is wrong from outside ends in one clear message, the exit code of its kind, and the lake as it was."""

import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataflow.access.lake import open_lake
from dataflow.cli.main import run
from dataflow.settings import Settings, default_toml, load_settings
from dataflow.sinks.warehouse import warehouse_snapshot
from tests.lib.homes import LATER, NOW, lake_state, open_gaps, published_hash


def break_missing_folder(sample: Path) -> None:
    shutil.rmtree(sample / "mysql")


def break_json(sample: Path) -> None:
    next((sample / "salesforce/Contact/2026-01-02").glob("page-*.json")).write_text("<html>Service unavailable</html>")


def break_half_json(sample: Path) -> None:
    page = next((sample / "salesforce/Account/2026-01-02").glob("page-*.json"))
    page.write_bytes(page.read_bytes()[:-200])


def break_parquet(sample: Path) -> None:
    (sample / "mysql/orders/2026-01-02.parquet").write_bytes(b"PAR1 not really")


def drop_key(sample: Path) -> None:
    import pyarrow.parquet as pq

    path = sample / "mysql/customers/2026-01-02.parquet"
    table = pq.read_table(path)
    pq.write_table(table.drop_columns(["id"]), path)


SOURCES = [pytest.param([(break_missing_folder, "mysql", ["mysql"])], id="no folder")]
# Broken side by side: each is told in its own words, and none keeps another from landing.
OBJECTS = [
    (break_json, "salesforce_contact", ["Contact/2026-01-02", "JSON"]),
    (break_half_json, "salesforce_account", ["Account/2026-01-02", "JSON"]),
    (break_parquet, "mysql_orders", ["orders/2026-01-02"]),
    (drop_key, "mysql_customers", ["customers", "id"]),
]
BROKEN = [*SOURCES, pytest.param(OBJECTS, id="no JSON, half a page, no Parquet, no key")]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_object_lands_nothing_and_keeps_no_other_from_landing(
    broken: list[tuple[Callable[[Path], None], str, list[str]]],
    published: Settings,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = lake_state(published)
    for break_it, _, _ in broken:
        break_it(published.home / "sample")
    assert run(["--home", str(published.home), "run", "--ingest-only", "--now", NOW]) == 4
    told = capsys.readouterr()
    assert "Partial" in told.out
    for _, raw, words in broken:
        # `Incomplete: mysql.orders: what is wrong with it`
        said = [line for line in told.err.splitlines() if raw.replace("_", ".") in line]
        assert any(all(word in line for word in words) for line in said), told.err
    after = lake_state(published)
    tables = [name for name in before if name.startswith("raw.")]
    unchanged = {name for name in tables if before[name] == after[name]}
    assert unchanged == {name for name in tables if name.startswith(tuple(f"raw.{raw}" for _, raw, _ in broken))}


@pytest.fixture(scope="module")
def undisturbed(second_day: Path) -> Settings:
    """The next day where nothing went wrong: what the others have to come to. Never run in it again."""
    return load_settings(home=second_day)


def test_what_could_be_landed_is_published_and_the_rest_comes_with_the_next_run(
    published: Settings, undisturbed: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    orders = published.home / "sample/mysql/orders/2026-01-02.parquet"
    sound = orders.read_bytes()
    break_parquet(published.home / "sample")
    assert run(["--home", str(published.home), "run", "--now", LATER]) == 4
    assert "Partial" in capsys.readouterr().out
    [gap] = open_gaps(published)
    assert (gap["source"], gap["object"], gap["reason"]) == ("mysql", "orders", "failed")
    orders.write_bytes(sound)
    assert run(["--home", str(published.home), "run", "--now", LATER]) == 0
    assert open_gaps(published) == []
    assert "Published" in capsys.readouterr().out
    assert published_hash(published.home) == published_hash(undisturbed.home)


def test_all_objects_broken_is_a_failure_and_the_lake_stays_as_it_was(
    published: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    before = lake_state(published)
    shutil.rmtree(published.home / "sample")
    assert run(["--home", str(published.home), "run", "--now", NOW]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("Error:") == 1
    assert "failed too" in told.err
    changed = {name for name, state in lake_state(published).items() if state != before[name]}
    assert changed == {"ops.gap"}


def test_a_source_with_nothing_new_publishes_nothing(published: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    for day in (published.home / "sample").rglob("2026-01-02*"):
        shutil.rmtree(day) if day.is_dir() else day.unlink()
    before = lake_state(published)
    assert run(["--home", str(published.home), "run", "--now", NOW]) == 0
    assert "Unchanged" in capsys.readouterr().out
    assert lake_state(published) == before


Files = dict[Path, bytes]


def lake_files(home: Path) -> Files:
    """Every file of the lake but those of incidents: the same files mean that nothing at all was committed."""
    files = (file for file in (home / "lake").rglob("*") if file.is_file() and file.parent.name != "outbox")
    return {file: file.read_bytes() for file in files}


@pytest.fixture(scope="module")
def kept(first_day: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Files]:
    """A home that no test may change, and the files of its lake."""
    home = tmp_path_factory.mktemp("kept") / "home"
    shutil.copytree(first_day, home)
    return home, lake_files(home)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--source", "sap"], ["sap", "salesforce"]),
        (["run", "--source", "mysql", "--object", "invoices"], ["invoices", "mysql.orders"]),
        (["run", "--object", "orders"], ["--source"]),
        (["run", "--since", "yesterday"], ["--since"]),
        (["run", "--ingest-only", "--publish-only"], ["--ingest-only"]),
        (["backfill", "--from", "2026-02-01", "--to", "2026-01-01"], ["ends before it starts"]),
        (["backfill", "--from", "01/02/2026", "--to", "2026-01-01"], ["--from"]),
        (["backfill", "--from", "2026-01-01", "--to", "2026-01-02", "--window", "0"], ["--window"]),
        (["query", "select * from published.nothing"], ["nothing"]),
        (["query", "drop table published.customer_360"], ["one SELECT"]),
        (["query", "select 1; select 2"], ["one SELECT"]),
        (["query", "explain analyze copy (select 'x') to 'x.csv'"], ["EXPLAIN ANALYZE executes"]),
        (["query", "from read_csv('/etc/passwd')"], ["read_csv", "unnest", "conformed"]),
        (["query", "from 'x.csv'"], ["the file x.csv"]),
        (["query", "--as-of", "999999", "select 1"], ["snapshot 999999"]),
        (["query", "--as-of", "1999-01-01", "select 1"], ["1999-01-01"]),
        (["diff", "999999"], ["snapshot 999999"]),
        (["diff", "1", "-o", "parquet"], ["--out"]),
        (["diff", "1", "--out", "changes"], ["-o parquet"]),
        (["restore", "--to", "999999", "--yes"], ["snapshot 999999"]),
        (["restore", "--to", "last week"], ["--to"]),
        (["dlq", "show", "zzzzzz"], ["No dead letter"]),
        (["dlq", "discard", "--why", "tests"], ["No dead letter was chosen"]),
        (["dlq", "discard", "--yes"], ["--why"]),
        (["resolve", "absent.csv", "--spec", "absent.toml"], ["absent.toml"]),
        (["bench", "--sizes", "many"], ["--sizes"]),
        (["status", "-o", "csv"], ["-o json"]),
    ],
)
def test_bad_words_are_bad_usage(
    arguments: list[str],
    words: list[str],
    kept: tuple[Path, Files],
    capsys: pytest.CaptureFixture[str],
) -> None:
    home, before = kept
    assert run(["--home", str(home), *arguments]) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in words), told
    assert lake_files(home) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[lake\n", ["not valid TOML"]),
        (default_toml() + "\n[lakes]\nfast = true\n", ["lakes"]),
        (default_toml().replace('cursor = "updated_at"', 'curser = "updated_at"'), ["curser"]),
        (default_toml().replace('surname = "LastName"', 'surname = "FamilyName"'), ["FamilyName"]),
    ],
)
def test_a_wrong_configuration_names_its_words(
    text: str, words: list[str], kept: tuple[Path, Files], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "dataflow.toml"
    config.write_text(text)
    home, before = kept
    assert run(["--config", str(config), "--home", str(home), "run", "--now", NOW]) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in words), told
    assert lake_files(home) == before


def test_a_configuration_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--config", str(tmp_path / "none.toml"), "status"]) == 2
    assert "none.toml" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["run"], ["restore", "--to", "1", "--yes"], ["maintain"]])
def test_a_lake_held_by_another_run(
    command: list[str], published: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_lake(published, purpose="run 20260101T000000000000Z-daily"):
        assert run(["--home", str(published.home), *command]) == 1
    told = capsys.readouterr().err
    assert "run 20260101T000000000000Z-daily" in told
    assert f"pid {os.getpid()}" in told
    assert "since" in told


def test_reading_before_the_first_publication(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--home", str(tmp_path), "query", "select 1"]) == 1
    assert "finish a first run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["dlq", "replay", "-y"], ["dlq", "discard", "-y", "--why", "tests"], ["review", "undo", "ffffffff", "--why", "x"]],
)
def test_deciding_before_the_first_publication(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(tmp_path), *command]) == 2
    assert "Run `dataflow run` first" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.inbox"))


def test_deciding_where_the_data_are_a_whole_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("CATALOGUE", "postgresql://u@localhost/lake"), ("DATA", "s3://bucket"), ("S3", "{}")):
        monkeypatch.setenv(f"DATAFLOW_LAKE__{name}", value)
    assert run(["--home", str(tmp_path), "dlq", "replay", "-y"]) == 2
    assert "lake.inbox" in capsys.readouterr().err


def test_a_home_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Root may write anywhere but below a file.
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    assert run(["--home", str(blocked / "home"), "run"]) == 2
    assert f"cannot be a folder: {blocked} is not one" in capsys.readouterr().err


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """Let no file of this process outgrow the limit: it fails the same write calls as a full disk, and needs no root.

    Prefect's API is not of this process: its own files are not what is tried here.
    """
    usual, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, most))


def test_a_full_disk_leaves_the_lake_as_it_was_and_after_the_commit_the_warehouse(
    published: Settings, undisturbed: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_on_full_disk(*, as_full_as: str, code: int) -> str:
        """Run where no file may outgrow one of the home by more than a page; return what it said."""
        capsys.readouterr()
        with full_disk((published.home / as_full_as).stat().st_size + 4096):
            assert run(["--home", str(published.home), "run", "--now", LATER]) == code
        return capsys.readouterr().err

    before = lake_state(published)
    assert "Error:" in run_on_full_disk(as_full_as="lake/catalogue.ducklake", code=1)
    assert lake_state(published) == before

    # With more room the next run commits, and has none for the warehouse.
    warehouse = Path(published.warehouse.path)
    had = warehouse_snapshot(warehouse)
    told = run_on_full_disk(as_full_as="warehouse.duckdb", code=4)
    assert "Sink behind: warehouse:" in told
    assert "the warehouse is unchanged" in told
    assert had is not None
    assert warehouse_snapshot(warehouse) == had
    assert lake_state(published) == lake_state(undisturbed)
    assert run(["--home", str(published.home), "run", "--now", LATER]) == 0
    assert lake_state(published) == lake_state(undisturbed)
    assert (warehouse_snapshot(warehouse) or 0) > had
