"""Erased rows leave no byte behind: not in files, not in the catalogue, not in older snapshots."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from lakehouse import Lake, LakeLocation, PostgresCatalogue, Selection, compact, erase, open_reader
from tests.lib.lakes import EVENT, content, opened
from tests.lib.servers.postgres import connect

SECRET = "secret-of-a-person"


def test_nothing_of_an_erased_row_is_left_anywhere(location: LakeLocation, folders: list[Path]) -> None:
    with opened(location, alone=True) as lake:
        insert(lake, "before", 0)
        insert(lake, SECRET, 1)
        # The extreme value of its column: the catalogue keeps it.
        insert(lake, f"zzz-{SECRET}", 2)
        compact(lake)
        insert(lake, "after", 3)
        lake.transact(
            lambda con: con.execute("DELETE FROM lake.raw.event WHERE number = 2"), author="", run_id="", message=""
        )
        assert places(location, folders), "the test looks where the rows are"
        erased = erase(
            lake, [Selection(EVENT, f"body LIKE '%{SECRET}%'")], author="officer", run_id="erase", grace=timedelta(0)
        )
        assert erased.rows == {"raw.event": 10}
        assert erased.files_waiting == 0
        # DuckLake remembers the statistics of what it attached: it must not write the old ones back.
        insert(lake, "later", 4)
        assert {body for *_, body in content(lake.con, EVENT)} == {"before", "after", "later"}
    assert places(location, folders) == []
    with open_reader(location) as con:
        assert len(content(con, EVENT)) == 30


def test_erasure_keeps_filters_right(location: LakeLocation) -> None:
    with opened(location, alone=True) as lake:
        insert(lake, "a", 1)
        insert(lake, "m", 5)
        insert(lake, "z", 9)
        erase(lake, [Selection(EVENT, "number = 9")], author="officer", run_id="erase", grace=timedelta(0))
        insert(lake, "m", 6)
        for condition, rows in (("number < 5", 10), ("number > 5", 10), ("body < 'b'", 10), ("body >= 'm'", 20)):
            found = lake.con.execute(f"SELECT count(*) FROM lake.raw.event WHERE {condition}").fetchone()
            assert found == (rows,), condition


def test_with_grace_the_files_of_readers_stay_for_a_while(location: LakeLocation, folders: list[Path]) -> None:
    with opened(location, alone=True) as lake:
        insert(lake, SECRET, 1)
        insert(lake, "other", 2)
        erased = erase(lake, [Selection(EVENT, "number = 1")], author="officer", run_id="erase")
        assert erased.files_waiting > 0
        again = erase(lake, [Selection(EVENT, "number = 1")], author="officer", run_id="erase", grace=timedelta(0))
        assert again.rows == {"raw.event": 0}
    assert places(location, folders) == []


def insert(lake: Lake, body: str, number: int) -> None:
    lake.transact(
        lambda con: con.execute(f"INSERT INTO lake.raw.event SELECT 'w', {number}, range, '{body}' FROM range(10)"),
        author="",
        run_id="",
        message="",
    )


def places(location: LakeLocation, folders: list[Path]) -> list[str]:
    """Where the secret stands: in files, or in the server's files of the catalogue."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    found = [str(path) for path in files if SECRET.encode() in path.read_bytes()]
    if isinstance(location.catalogue, PostgresCatalogue):
        found += relations(location.catalogue)
    return found


def relations(catalogue: PostgresCatalogue) -> list[str]:
    with connect(catalogue) as con:
        con.execute("CHECKPOINT")  # what is in memory, into the files
        rows = con.execute(
            "SELECT relname, pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class"
            " WHERE pg_relation_filepath(oid) IS NOT NULL AND NOT relisshared"
        ).fetchall()
    return [str(name) for name, data in rows if isinstance(data, bytes) and SECRET.encode() in data]
