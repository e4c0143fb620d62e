"""Time travel, change feed, restore, compaction and expiry, on every kind of lake."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from lakehouse import LakeLocation, LakeView, SnapshotNotFound, clean_up, compact, expire, open_reader
from tests.lib.lakes import EVENT, LINES, TALLY, commit, committed, content, opened, read


def test_every_snapshot_can_be_read_by_number_and_by_time(location: LakeLocation) -> None:
    with opened(location) as lake:
        made = [commit(lake, "a", number) for number in range(3)]
        assert [lake.snapshot_at(snapshot.at) for snapshot in made] == made
        assert lake.snapshot_at(made[1].at + timedelta(microseconds=1)) == made[1]
        assert lake.snapshots()[-3:] == made
    for number, snapshot in enumerate(made, start=1):
        assert read(location, at=snapshot.id) == {"a": number, "all": number}
        with open_reader(location, at=snapshot.at) as con:
            assert committed(con) == {"a": number, "all": number}
            assert LakeView(con, location).snapshot().run_id == f"a/{number - 1}"
    with pytest.raises(SnapshotNotFound, match="the lake holds"):
        open_reader(location, at=datetime(2001, 1, 1, tzinfo=UTC))


def test_a_table_and_the_whole_lake_can_be_restored(location: LakeLocation) -> None:
    with opened(location) as lake:
        first = commit(lake, "a", 0)
        commit(lake, "a", 1)
        events, tally = content(lake.con, EVENT), content(lake.con, TALLY, at=first.id)
        restored = lake.restore(first.id, author="engineer", run_id="restore-1")
        assert content(lake.con, TALLY) == tally
        assert content(lake.con, EVENT) == events, "raw is kept"
        assert (restored.author, restored.run_id) == ("engineer", "restore-1")
        lake.restore_table(EVENT.full_name, first.at, author="engineer", run_id="restore-2")
        assert committed(lake.con) == {"a": 1, "all": 1}
        with pytest.raises(Exception, match="NOT NULL"):
            lake.con.execute("INSERT INTO lake.published.tally VALUES (NULL, 1)")


def test_compaction_keeps_filters_and_sorting_of_older_snapshots_right(location: LakeLocation) -> None:
    """DuckLake itself narrows its statistics to the newest rows, and believes them for older snapshots too."""
    numbers = "SELECT number FROM lake.raw.event AT (VERSION => {at}) WHERE {condition} ORDER BY ALL"
    with opened(location, alone=True) as lake:
        work = (
            "INSERT INTO lake.raw.event SELECT 'w', range, 0, CASE WHEN range > 0 THEN 'b' END FROM range(10)",
            "DELETE FROM lake.raw.event WHERE number < 5",
        )
        at, _ = (
            lake.transact(lambda con: con.execute(sql), author="", run_id="", message="")[1].id  # noqa: B023
            for sql in work
        )
        for condition, expected in (("number < 3", [0, 1, 2]), ("body IS NULL", [0]), ("true", list(range(10)))):
            query = numbers.format(at=at, condition=condition)
            assert [n for (n,) in lake.con.execute(query).fetchall()] == expected
            compact(lake)
            assert [n for (n,) in lake.con.execute(query).fetchall()] == expected
        commit(lake, "w", 100)
        with open_reader(location) as con:
            assert [n for (n,) in con.execute(query).fetchall()] == expected
        assert lake.con.execute("SELECT count(*) FROM lake.raw.event WHERE number > 50").fetchone() == (LINES,)


def test_restoring_looks_into_files_merged_since(location: LakeLocation) -> None:
    with opened(location, alone=True) as lake:
        first = commit(lake, "a", 0)
        commit(lake, "a", 1)
        compact(lake)
        lake.restore(first.id, author="engineer", run_id="restore", keep_schemas=())
        assert committed(lake.con) == {"a": 1, "all": 1}


def test_the_change_feed_stays_exact_after_compaction(location: LakeLocation) -> None:
    with opened(location, alone=True) as lake:
        made = [commit(lake, "a", number).id for number in range(3)]
        assert compact(lake) > 0
        made += [commit(lake, "a", number).id for number in range(3, 5)]
        compact(lake)
        upto = lake.snapshot().id
        for done, after in enumerate(made, start=1):
            new = lake.con.execute(lake.insertions(EVENT, after=after, upto=upto)).fetchall()
            assert Counter(number for _, number, *_ in new) == dict.fromkeys(range(done, 5), LINES)
        # The tally's rows were moved by compaction too: none of them counts as written again.
        written = lake.con.execute(lake.insertions(TALLY, after=made[0], upto=upto)).fetchall()
        assert len(written) == 2 * len(made[1:])
        feed = lake.con.execute(lake.changes(TALLY, after=made[0], upto=upto)).fetchall()
        assert Counter((version, kind) for version, _, kind, *_ in feed) == {
            (version, kind): 2 for version in made[1:] for kind in ("update_preimage", "update_postimage")
        }


def test_compaction_and_expiry_change_no_content_and_keep_pinned_snapshots(location: LakeLocation) -> None:
    with opened(location, alone=True) as lake:
        made = [commit(lake, "a", number) for number in range(5)]
        pinned, newest = made[1].id, made[-1].id
        before = {at: [content(lake.con, table, at=at) for table in (EVENT, TALLY)] for at in (pinned, newest)}
        assert compact(lake) > 0
        assert expire(lake, older_than=datetime.max.replace(tzinfo=UTC), keep={pinned, newest}) > 0
        clean_up(lake, grace=timedelta(0))
        after = {at: [content(lake.con, table, at=at) for table in (EVENT, TALLY)] for at in (pinned, newest)}
        assert after == before
        with pytest.raises(SnapshotNotFound):
            lake.snapshot_at(made[2].id)
        with pytest.raises(SnapshotNotFound, match="read the table whole"):
            lake.insertions(EVENT, after=pinned, upto=lake.snapshot().id)
    assert read(location) == {"a": 5, "all": 5}
    assert read(location, at=pinned) == {"a": 2, "all": 2}


def test_what_consumers_still_have_to_read_is_not_expired(location: LakeLocation) -> None:
    with opened(location, alone=True) as lake:
        made = [commit(lake, "a", number) for number in range(4)]
        expire(lake, older_than=datetime.max.replace(tzinfo=UTC), needed_after=made[1].id)
        assert [snapshot.id for snapshot in lake.snapshots()] == [made[2].id, made[3].id]
        new = lake.con.execute(lake.insertions(EVENT, after=made[1].id, upto=made[3].id)).fetchall()
        assert len(new) == 2 * LINES


def test_the_lake_keeps_its_id_and_knows_the_last_change_of_a_schema(location: LakeLocation) -> None:
    with opened(location, alone=True) as lake:
        lake_id = lake.lake_id()
        assert lake.last_change_in("published") is None
        first = commit(lake, "a", 0)
        changed = commit(lake, "a", 1)
        lake.transact(
            lambda con: con.execute("INSERT INTO lake.raw.event VALUES ('w', 1, 1, 'x')"),
            author="",
            run_id="",
            message="",
        )
        assert compact(lake) > 0
        assert lake.last_change_in("published") == changed.id < lake.snapshot().id
        restored = lake.restore(first.id, author="engineer", run_id="restore")
        assert lake.last_change_in("published") == restored.id
        assert lake.lake_id() == lake_id
    with open_reader(location) as con:
        view = LakeView(con, location)
        assert (view.lake_id(), view.last_change_in("published")) == (lake_id, restored.id)
