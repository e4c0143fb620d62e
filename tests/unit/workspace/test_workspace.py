"""What a run stages, against a dull twin that keeps dictionaries."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.errors import GrainError
from dataflow.workspace.staging import Run, Staged
from dataflow.workspace.workspace import Workspace
from lakehouse import Column, Lake, LakeLocation, Table

PIECES = Table(
    schema="store",
    name="piece",
    grain="piece",
    key=("id",),
    owner="tests",
    columns=(
        Column("id", "BIGINT", "Piece"),
        Column("box", "VARCHAR", "Box it lies in"),
        Column("size", "BIGINT", "Size"),
        Column("seen", "BIGINT", "When it was last seen", volatile=True),
        Column("_run_id", "VARCHAR", "Run", volatile=True),
    ),
)
NOTES = Table(
    schema="store",
    name="note",
    grain="note",
    key=("id",),
    owner="tests",
    append_only=True,
    columns=(Column("id", "BIGINT", "Note"), Column("text", "VARCHAR", "Text")),
)
TABLES = {table.full_name: table for table in (PIECES, NOTES)}
Row = tuple[int, str, int]
Content = dict[int, tuple[str, int]]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    folder = tmp_path_factory.mktemp("lake")
    place = LakeLocation(catalogue=folder / "c.ducklake", data=folder / "data", published=folder / "published")
    with Lake.open(place, purpose="test", threads=2) as lake:
        lake.ensure(TABLES.values())
        yield lake


@pytest.fixture
def ws(lake: Lake, tmp_path: Path) -> Iterator[Workspace]:
    """A workspace over three pieces: 1 and 2 in box a, 3 in box b."""
    fill(lake, {1: ("a", 10), 2: ("a", 20), 3: ("b", 30)})
    with opened(lake, tmp_path) as ws:
        yield ws


def opened(lake: Lake, folder: Path) -> Workspace:
    return Workspace(lake, Run("run-2", "test", datetime(2026, 1, 1, tzinfo=UTC)), tables=TABLES)


def fill(lake: Lake, content: Content) -> None:
    def refill(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("DELETE FROM lake.store.piece")
        con.execute("DELETE FROM lake.store.note")
        rows = ", ".join(f"({key}, '{box}', {size}, 0, 'run-1')" for key, (box, size) in content.items())
        if rows:
            con.execute(f"INSERT INTO lake.store.piece VALUES {rows}")

    lake.transact(refill, author="test", run_id="run-1", message="fill")


def rows_sql(content: Content, *, seen: int = 1) -> str:
    rows = ", ".join(f"({key}, '{box}', {size}, {seen})" for key, (box, size) in content.items())
    shape = "SELECT NULL::BIGINT AS id, NULL::VARCHAR AS box, NULL::BIGINT AS size, NULL::BIGINT AS seen WHERE false"
    return f"{shape} UNION ALL VALUES {rows}" if rows else shape


def seen_now(ws: Workspace) -> Content:
    return {key: (box, size) for key, box, size in ws.con.execute("SELECT id, box, size FROM store.piece").fetchall()}


def in_lake(lake: Lake) -> Content:
    rows = lake.con.execute("SELECT id, box, size FROM lake.store.piece").fetchall()
    assert len({key for key, *_ in rows}) == len(rows)
    return {key: (box, size) for key, box, size in rows}


def keys(*ids: int) -> str:
    return f"SELECT unnest({list(ids)}::BIGINT[]) AS id"


def boxes(*names: str) -> str:
    return f"SELECT unnest({list(names)}::VARCHAR[]) AS box"


def changes(ws: Workspace) -> dict[int, str]:
    return dict(ws.con.execute(ws.changed(PIECES)).fetchall())


def written(ws: Workspace) -> Content:
    """What the lake holds after the workspace is written into it."""
    ws.lake.transact(ws.write, author="test", run_id="run-2", message="publish")
    return in_lake(ws.lake)


def test_before_anything_is_staged_a_table_is_as_it_was(ws: Workspace) -> None:
    assert seen_now(ws) == {1: ("a", 10), 2: ("a", 20), 3: ("b", 30)}
    assert changes(ws) == {}
    assert ws.changes(PIECES) == Staged()


def test_new_changed_gone_and_unchanged_rows_are_told_apart(ws: Workspace) -> None:
    staged = ws.stage(PIECES, rows_sql({1: ("a", 10), 2: ("a", 21), 4: ("c", 40)}))
    assert staged == Staged(inserted=1, updated=1, deleted=1, unchanged=1)
    assert staged.changed == 3
    assert changes(ws) == {2: "update", 3: "delete", 4: "insert"}
    assert seen_now(ws) == {1: ("a", 10), 2: ("a", 21), 4: ("c", 40)}


def test_a_difference_in_a_volatile_column_is_no_change(ws: Workspace) -> None:
    assert ws.stage(PIECES, rows_sql({1: ("a", 10)}, seen=99), scope=keys(1)) == Staged(unchanged=1)
    assert ws.con.execute("SELECT seen FROM store.piece WHERE id = 1").fetchone() == (0,)


def test_what_is_out_of_scope_is_left_alone(ws: Workspace) -> None:
    assert ws.stage(PIECES, rows_sql({2: ("a", 21)}), scope=keys(1, 2)) == Staged(updated=1, deleted=1)
    assert seen_now(ws) == {2: ("a", 21), 3: ("b", 30)}


def test_a_scope_may_be_part_of_the_columns(ws: Workspace) -> None:
    assert ws.stage(PIECES, rows_sql({1: ("a", 11)}), scope=boxes("a")) == Staged(updated=1, deleted=1)
    assert seen_now(ws) == {1: ("a", 11), 3: ("b", 30)}


def test_a_row_that_moves_into_the_scope_is_updated_not_doubled(ws: Workspace) -> None:
    moved = {1: ("a", 10), 2: ("a", 20), 3: ("a", 30)}
    assert ws.stage(PIECES, rows_sql(moved), scope=boxes("a")) == Staged(updated=1, unchanged=2)
    assert seen_now(ws) == moved
    assert written(ws) == moved


def test_staging_a_scope_again_replaces_it(ws: Workspace) -> None:
    ws.stage(PIECES, rows_sql({1: ("a", 11), 4: ("c", 40)}), scope=keys(1, 2, 4))
    assert ws.stage(PIECES, rows_sql({1: ("a", 10), 2: ("a", 20)}), scope=keys(1, 2, 4)) == Staged(unchanged=2)
    assert changes(ws) == {}


def test_an_empty_scope_changes_nothing(ws: Workspace) -> None:
    assert ws.stage(PIECES, rows_sql({}), scope=keys()) == Staged()
    assert seen_now(ws) == {1: ("a", 10), 2: ("a", 20), 3: ("b", 30)}


def test_later_stages_read_what_earlier_ones_staged(ws: Workspace) -> None:
    ws.stage(PIECES, rows_sql({1: ("z", 1)}), scope=keys(1))
    ws.stage(PIECES, "SELECT id, box || '!' AS box, size, seen FROM store.piece WHERE id = 1", scope=keys(1))
    assert seen_now(ws)[1] == ("z!", 1)


def test_rows_carry_the_run_that_wrote_them(ws: Workspace) -> None:
    ws.stage(PIECES, rows_sql({1: ("a", 11), 2: ("a", 20)}), scope=keys(1, 2))
    found = ws.con.execute("SELECT id, _run_id FROM store.piece ORDER BY id").fetchall()
    assert found == [(1, "run-2"), (2, "run-1"), (3, "run-1")]


def test_appended_rows_are_added_and_counted(ws: Workspace) -> None:
    assert ws.append(NOTES, "SELECT 1 AS id, 'one' AS text") == 1
    assert ws.append(NOTES, "SELECT 2 AS id, 'two' AS text") == 1
    assert ws.changes(NOTES) == Staged(inserted=2)
    assert ws.con.execute("SELECT text FROM store.note ORDER BY id").fetchall() == [("one",), ("two",)]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            "SELECT 1 AS id, 'a' AS box, 1 AS size, 1 AS seen UNION ALL SELECT 1, 'b', 2, 1",
            "1 staged rows have a duplicate key",
        ),
        ("SELECT NULL::BIGINT AS id, 'a' AS box, 1 AS size, 1 AS seen", "1 have none"),
        ("SELECT 1 AS id, 'a' AS box, 1 AS weight", "missing ['seen', 'size'], unknown ['weight']"),
    ],
)
def test_rows_that_do_not_fit_the_table_are_refused(ws: Workspace, rows: str, told: str) -> None:
    with pytest.raises(GrainError) as caught:
        ws.stage(PIECES, rows)
    assert told in str(caught.value)


def test_writing_brings_the_lake_to_what_was_staged(ws: Workspace) -> None:
    ws.stage(PIECES, rows_sql({1: ("a", 10), 2: ("a", 21), 4: ("c", 40)}))
    ws.append(NOTES, "SELECT 1 AS id, 'one' AS text")
    expected = seen_now(ws)
    assert written(ws) == expected
    assert ws.lake.con.execute("SELECT count(*) FROM lake.store.note").fetchone() == (1,)


def test_a_workspace_reads_the_snapshot_it_began_with(lake: Lake, tmp_path: Path) -> None:
    fill(lake, {1: ("a", 1)})
    with opened(lake, tmp_path) as ws:
        fill(lake, {1: ("a", 2)})
        assert seen_now(ws) == {1: ("a", 1)}


def test_a_column_declared_later_stands_where_it_is_declared(tmp_path: Path) -> None:
    later = replace(PIECES, columns=(*PIECES.columns[:2], Column("labels", "VARCHAR[]", "Labels"), *PIECES.columns[2:]))
    place = LakeLocation(catalogue=tmp_path / "c.ducklake", data=tmp_path / "data", published=tmp_path / "published")
    with Lake.open(place, purpose="test", threads=2) as lake:
        lake.ensure(TABLES.values())
        fill(lake, {1: ("a", 10), 2: ("a", 20)})
        lake.ensure([later])
        run = Run("run-2", "test", datetime(2026, 1, 1, tzinfo=UTC))
        with Workspace(lake, run, tables={later.full_name: later, NOTES.full_name: NOTES}) as ws:
            rows = "SELECT 1 AS id, 'a' AS box, ['new'] AS labels, 10 AS size, 1 AS seen"
            assert ws.stage(later, rows, scope=boxes("a")) == Staged(updated=1, deleted=1)
            lake.transact(ws.write, author="test", run_id="run-2", message="write")
        assert lake.con.execute("SELECT id, box, labels, size FROM lake.store.piece").fetchall() == [
            (1, "a", ["new"], 10)
        ]


@dataclass
class Twin:
    """The same, with dictionaries and no cleverness."""

    base: Content
    now: Content = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.now = dict(self.base)

    def stage(self, rows: Content, ids: set[int] | None) -> None:
        kept = {} if ids is None else {key: value for key, value in self.now.items() if key not in ids}
        self.now = kept | rows

    def changes(self) -> dict[int, str]:
        told = {key: "delete" for key in self.base if key not in self.now}
        for key, value in self.now.items():
            if key not in self.base:
                told[key] = "insert"
            elif self.base[key] != value:
                told[key] = "update"
        return told


IDS = st.integers(1, 6)
CONTENT = st.dictionaries(IDS, st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=6)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=CONTENT, steps=st.lists(st.tuples(CONTENT, st.none() | st.sets(IDS, max_size=4)), min_size=1, max_size=4))
def test_any_sequence_of_stages_is_what_the_twin_says(
    lake: Lake, tmp_path: Path, base: Content, steps: list[tuple[Content, set[int] | None]]
) -> None:
    fill(lake, base)
    twin = Twin(base)
    with opened(lake, tmp_path) as ws:
        for rows, ids in steps:
            ws.stage(PIECES, rows_sql(rows), scope=None if ids is None else keys(*sorted(ids | rows.keys())))
            twin.stage(rows, ids)
            assert seen_now(ws) == twin.now
            assert changes(ws) == twin.changes()
        assert written(ws) == twin.now


def test_jobs_side_by_side_have_temporary_tables_of_their_own_and_keep_their_order(ws: Workspace) -> None:
    def stage_pieces(lane: Workspace) -> Staged:
        lane.con.execute("CREATE TEMP TABLE mine AS SELECT 7 AS id")
        return lane.stage(PIECES, "SELECT id, 'c' AS box, 1 AS size, 1 AS seen FROM mine", scope="SELECT 7 AS id")

    def append_notes(lane: Workspace) -> int:
        lane.con.execute("CREATE TEMP TABLE mine AS SELECT unnest([1, 2]) AS id")
        return lane.append(NOTES, "SELECT id, 'x' AS text FROM mine")

    assert ws.side_by_side([stage_pieces, append_notes, lambda lane: lane.base.id]) == [
        Staged(inserted=1),
        2,
        ws.base.id,
    ]
    assert set(seen_now(ws)) == {1, 2, 3, 7}
    assert changes(ws) == {7: "insert"}


def test_the_first_job_that_failed_is_told_when_all_have_ended(ws: Workspace) -> None:
    ended: list[str] = []

    def fail(lane: Workspace) -> None:
        raise GrainError("first")

    def work(lane: Workspace) -> None:
        lane.con.execute("SELECT count(*) FROM range(1000000)").fetchall()
        ended.append("work")

    with pytest.raises(GrainError, match="first"):
        ws.side_by_side([fail, work])
    assert ended in ([], ["work"])
