"""A run that does not come to its end: on record once, with a page, and the lake as its commit left it."""

from collections.abc import Callable

from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.settings import Settings
from tests.lib.homes import NOW


def recorded(settings: Settings) -> list[tuple[str, str]]:
    con = open_published(settings)
    try:
        return con.execute("SELECT status, message FROM ops.run ORDER BY run_id").fetchall()
    finally:
        con.close()


def latest_page(settings: Settings) -> str:
    return (settings.home / "reports" / "latest.html").read_text(encoding="utf-8")


def test_a_sink_that_fails_after_the_commit_leaves_one_published_run_that_says_so(
    fresh_home: Callable[[], Settings],
) -> None:
    settings = fresh_home()
    warehouse = settings.home / "warehouse.duckdb"
    warehouse.unlink()
    warehouse.mkdir()
    (warehouse / "in-the-way").touch()
    assert run(["--home", str(settings.home), "run", "--now", NOW]) == 1
    (_, first), (status, message) = recorded(settings)
    assert status == "published"
    assert "then failed: " in message
    assert "warehouse" in message
    assert "then" not in first
    assert '<span class="status failed">Failed</span>' in latest_page(settings)


def test_a_refused_run_has_a_page(fresh_home: Callable[[], Settings], monkeypatch: object) -> None:
    settings = fresh_home()
    for file in (settings.home / "sample" / "salesforce" / "Contact").glob("2026-01-02/page-*.json"):
        file.write_text(file.read_text(encoding="utf-8").replace('"LastName":', '"Nobody":'), encoding="utf-8")
    code = run(["--home", str(settings.home), "run", "--now", NOW])
    statuses = [status for status, _ in recorded(settings)]
    assert code in (1, 3)
    assert statuses[0] == "published"
    assert len(statuses) == 2
    assert f'<span class="status {statuses[1]}">' in latest_page(settings)
