"""What the audit reports is what was read: random reads through every door, refusals, failures, interruptions."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import duckdb
import pytest

from dataflow.access.door import Door, open_for
from dataflow.access.doors import DOORS
from dataflow.access.lake import lake_location
from dataflow.access.log.anchors import anchors_in_lake, heads_to_anchor, with_heads, write_anchors
from dataflow.access.log.checkpoint import Head, Signer
from dataflow.access.log.entry import Entry, ReadEnding
from dataflow.access.log.history import Choice, entries_in, prove
from dataflow.access.log.place import log_root, newest_heads
from dataflow.access.log.segment import SEGMENT
from dataflow.access.log.verify import folders_of
from dataflow.access.who import Who
from dataflow.errors import AccessLogUnwritable, UsageError
from dataflow.govern.audit import known_anchors, references_of, verify_log
from dataflow.govern.dead_letters import DeadLetterFilter, list_dead_letters
from dataflow.govern.review.review import list_pairs
from dataflow.govern.rules import try_rules
from dataflow.observe.baselines import read_newest
from dataflow.observe.key_figures import read_key_figures
from dataflow.observe.status import read_runs, read_status
from dataflow.publish.diff import diff
from dataflow.resolve.judgements.messages import lay_over_judgements
from dataflow.serve.from_lake import customer_in_lake
from dataflow.settings import RuleSettings, Settings
from dataflow.settings.model import LakeSettings
from dataflow.tables import published
from dataflow.tables.declared import declared_tables
from dataflow.tables.ops import ACCESS_ANCHOR
from dataflow.validate.dead_letter_decisions import lay_over_dead_letters
from dataflow.workspace.incident_events import read_incident_events
from lakehouse import Lake
from tests.lib.lakes import opened

READER = Who("tests")
CANARY = "canary-8271-example"
RUNS, MARKS = 40, 15
READS, OTHERS = 1000, 6
STATUS_TABLES = {
    *("ops.run", "ops.watermark", "ops.completeness", "ops.landed_file", "ops.gap", "ops.dead_letters"),
    *("ops.review_queue", "published.customer_360", "published.xref", "published.orders", "published.tickets"),
}
REVIEW_TABLES = {
    *("ops.review_queue", "ops.judgement", "resolved.judged_record", "resolved.edge", "resolved.xref"),
    *("conformed.customer_record", "published.customer_360"),
}


@pytest.fixture(scope="module")
def lake_settings(tmp_path_factory: pytest.TempPathFactory) -> LakeSettings:
    home = tmp_path_factory.mktemp("audited")
    named = {name: str(home / name) for name in ("data", "published")}
    settings = LakeSettings(catalogue=str(home / "catalogue.ducklake"), threads=1, **named)
    with opened(lake_location(Settings(home=home, lake=settings))) as lake:
        fill(lake, Settings(home=home))
    return settings


@pytest.fixture
def settings(lake_settings: LakeSettings, tmp_path: Path) -> Settings:
    """The lake with a log of its own."""
    return Settings(home=tmp_path, lake=lake_settings)


def fill(lake: Lake, settings: Settings) -> None:
    """All tables, two of them with rows."""
    lake.ensure(declared_tables(settings).values())
    lake.transact(
        lambda con: con.execute(
            "INSERT INTO lake.ops.run SELECT 'run-' || range, 'daily', 'published', now(), now(), '[]', 'm'"
            f" FROM range({RUNS})"
        ),
        author="tests",
        run_id="tests",
        message="fill",
    )
    lake.transact(
        lambda con: con.execute(
            f"INSERT INTO lake.ops.watermark SELECT 's', 'o' || range, now(), now(), 'r' FROM range({MARKS})"
        ),
        author="tests",
        run_id="tests",
        message="fill",
    )


@dataclass(frozen=True)
class Read:
    """What a test read, as the audit shall report it."""

    door: str
    tables: frozenset[str]
    columns: frozenset[str]
    rows: int
    outcome: ReadEnding = ReadEnding.ANSWERED
    subjects: int = 0
    as_of: str = ""


def reported(settings: Settings) -> list[Read]:
    return [read_of(one.entry) for one in entries_in(log_root(settings))]


def read_of(entry: Entry) -> Read:
    assert (entry.who, entry.role, entry.authenticated) == ("tests", "engineer", READER.authenticated)
    assert entry.purpose == DOORS[entry.door].purpose
    return Read(
        door=entry.door,
        tables=frozenset(entry.tables),
        columns=frozenset(entry.columns),
        rows=entry.rows,
        outcome=entry.outcome,
        subjects=len(entry.subjects),
        as_of=entry.as_of,
    )


@dataclass
class Reader:
    """Read at random through a door, and remember it."""

    chance: random.Random
    reads: list[Read] = field(default_factory=list)

    def ask(self, door: Door) -> None:
        """One statement over one or two tables, read to its end or not, right or wrong."""
        as_of = "" if door.as_of is None else str(door.as_of)
        columns = frozenset(self.chance.sample(["run_id", "kind", "status", "message"], self.chance.randint(1, 4)))
        listed, limit = ", ".join(sorted(columns)), self.chance.randint(0, RUNS + 5)
        match self.chance.randint(0, 6):
            case 0:
                self._take(door, "from ops.watermark", {"ops.watermark"}, {"*"}, MARKS, as_of)
            case 1:
                sql = f"select {listed} from OPS.run where KIND <> '{CANARY}' limit {limit}"
                self._take(door, sql, {"ops.run"}, {*columns, "kind"}, min(limit, RUNS), as_of)
            case 2:
                sql = f"with w as (from ops.watermark limit 1) select {listed} from ops.run, w limit {limit}"
                self._take(door, sql, {"ops.run", "ops.watermark"}, {*columns, "*"}, min(limit, RUNS), as_of)
            case 3:
                persons = [f"id-{self.chance.randint(0, 9)}" for _ in range(2)]
                sql = f"select email from published.customer_360 where customer_id in ('{persons[0]}', '{persons[1]}')"
                tables, named = {"published.customer_360"}, {"email", "customer_id"}
                self._take(door, sql, tables, named, 0, as_of, subjects=len(set(persons)))
            case 4:
                with pytest.raises(duckdb.Error):
                    door.query(f'select run_id, "{CANARY}" from ops.run')
                self._note("query", {"ops.run"}, {"run_id"}, 0, ReadEnding.FAILED, as_of)
            case 5:
                with pytest.raises(UsageError):
                    door.query(f"copy ops.run to '{CANARY}'")
                self._note("query", set(), set(), 0, ReadEnding.REFUSED, as_of)
            case _:
                with pytest.raises(duckdb.Error):
                    door.query(f'from published."{CANARY}"')
                self._note("query", set(), {"*"}, 0, ReadEnding.FAILED, as_of)

    def _take(
        self, door: Door, sql: str, tables: set[str], columns: set[str], rows: int, as_of: str, *, subjects: int = 0
    ) -> None:
        wanted = self.chance.choice([None, 0, 1, 3])
        taken = list(islice(door.query(sql).rows(), wanted))
        assert len(taken) == (rows if wanted is None else min(wanted, rows))
        self._note("query", tables, columns, len(taken), ReadEnding.ANSWERED, as_of, subjects)

    def _note(
        self,
        door: str,
        tables: set[str],
        columns: set[str],
        rows: int,
        outcome: ReadEnding,
        as_of: str,
        subjects: int = 0,
    ) -> None:
        self.reads.append(Read(door, frozenset(tables), frozenset(columns), rows, outcome, subjects, as_of))


def test_a_thousand_random_reads_through_every_door_are_what_the_audit_reports(settings: Settings) -> None:
    reader = Reader(random.Random(18))
    others = [name for name in DOORS if name != "query"] * OTHERS
    with open_for(READER, DOORS["query"].purpose, door="query", settings=settings) as door:
        newest = door.view.snapshot().id
    while len(reader.reads) < READS - len(others):
        as_of = reader.chance.choice([None, None, newest])
        with open_for(READER, DOORS["query"].purpose, door="query", settings=settings, as_of=as_of) as door:
            for _ in range(min(100, READS - len(others) - len(reader.reads))):
                reader.ask(door)
    for name in others:
        with open_for(READER, DOORS[name].purpose, door=name, settings=settings) as door:
            tables, rows = read_through(door, name, settings)
        if rows is None:
            rows = next(read.rows for read in reported(settings) if read.door == name)
        reader.reads.append(Read(name, frozenset(tables), frozenset("*"), rows))
    found = reported(settings)
    assert Counter(found) == Counter(reader.reads)
    assert len(found) == READS
    reports, lost = verify_log(log_root(settings), anchors=())
    assert [(report.entries, report.findings) for report in reports] == [(READS, ())]
    assert lost == []
    assert no_byte_of(settings, CANARY)
    assert no_byte_of(settings, "id-7", without="subjects.sqlite3")


def read_through(door: Door, name: str, settings: Settings) -> tuple[set[str], int | None]:
    """Read as a command of this door does; return the tables, and the rows where they are known beforehand."""
    now = datetime.now(UTC)
    match name:
        case "status":
            read_status(door.con, settings=settings, now=now, inbox=door.waiting)
            return STATUS_TABLES, None
        case "diff":
            diff(door.con, door.view.snapshot().id - 1, door.view.snapshot().id)
            return {table.full_name for table in published.TABLES}, None
        case "dlq":
            dead_letters = lay_over_dead_letters(door.con, door.waiting)
            assert list_dead_letters(door.con, DeadLetterFilter(), dead_letters=dead_letters) == []
            return {"ops.dead_letters"}, 0
        case "customer":
            assert customer_in_lake(door.con, "nobody") is None
            return {"published.customer_360", "published.redirects"}, 0
        case "review":
            judgements = lay_over_judgements(door.con, door.waiting)
            assert list_pairs(door.con, now=now, limit=5, judgements=judgements) == []
            return REVIEW_TABLES, 0
        case "alerts":
            assert read_incident_events(door.con, all_of=True) == []
            return {"ops.incident_event"}, 0
        case "ui-home":
            read_key_figures(door.con)
            return {"published.kpi_daily"}, None
        case "ui-customers" | "ui-review" | "ui-figures" | "ui-segments" | "ui-explore" | "ui-quality":
            # Their own reads are those of tests/integration/ui; here each door is an entry.
            read_key_figures(door.con)
            return {"published.kpi_daily"}, None
        case "ui-incidents" | "ui-rules" | "ui-access" | "ui-setup":
            read_key_figures(door.con)
            return {"published.kpi_daily"}, None
        case "ui-runs":
            read_runs(door.con, limit=5, folders=(), now=now)
            return {"ops.run"}, None
        case "rules":
            rule = {
                "on": "published.orders",
                "holds": "amount >= 0",
                "severity": "warn",
                "reason": "amount is negative",
            }
            rule |= {"passes": [{"amount": 1}], "fails": [{"amount": -1}]}
            rules = {"positive": RuleSettings.model_validate(rule)}
            try_rules(door.con, rules, settings, declared_tables(settings), now=now)
            return {"published.orders"}, None
        case "baselines":
            assert read_newest(door.con) == []
            return {"ops.baseline"}, 0
    raise AssertionError(f"the door {name} has no reads in this test")


def no_byte_of(settings: Settings, text: str, *, without: str = "") -> bool:
    files = [path for path in log_root(settings).rglob("*") if path.is_file() and path.name != without]
    return bool(files) and not any(text.encode() in path.read_bytes() for path in files)


def test_reads_of_a_customer_are_found_until_it_is_erased(settings: Settings) -> None:
    with open_for(READER, DOORS["query"].purpose, door="query", settings=settings) as door:
        list(door.query("from published.orders where customer_id = 'ann'").rows())
        list(door.query("from published.orders where 'bob' = customer_id").rows())
    found = [one.entry for one in entries_in(log_root(settings), Choice(subjects=references_of(settings, "ann")))]
    assert [len(entry.subjects) for entry in found] == [1]
    assert references_of(settings, "cem") == frozenset()
    assert list(entries_in(log_root(settings), Choice(table="ops.run"))) == []
    assert len(list(entries_in(log_root(settings), Choice(who="tests", role="engineer")))) == 2


def test_how_a_read_ended_is_recorded(settings: Settings) -> None:
    def read(error: BaseException) -> None:
        with open_for(READER, DOORS["query"].purpose, door="query", settings=settings) as door:
            next(door.query("from ops.run").rows())
            raise error

    for error in (KeyboardInterrupt(), BrokenPipeError(), duckdb.ConversionException(CANARY)):
        with pytest.raises(type(error)):
            read(error)
    ended = [(one.entry.outcome, one.entry.detail, one.entry.rows) for one in entries_in(log_root(settings))]
    assert ended == [
        (ReadEnding.INTERRUPTED, "KeyboardInterrupt", 1),
        (ReadEnding.INTERRUPTED, "BrokenPipeError", 1),
        (ReadEnding.FAILED, "ConversionException", 1),
    ]
    assert no_byte_of(settings, CANARY)


def test_nothing_is_read_unlogged_but_status(settings: Settings) -> None:
    log_root(settings).parent.mkdir()
    log_root(settings).write_text("a file in the place of the folder")
    refusing = pytest.raises(AccessLogUnwritable, match="Nothing is read unlogged")
    with open_for(READER, DOORS["query"].purpose, door="query", settings=settings) as door, refusing:
        door.query("from ops.run")
    with open_for(READER, DOORS["dlq"].purpose, door="dlq", settings=settings) as door, refusing:
        list_dead_letters(door.con, DeadLetterFilter())
    with open_for(READER, DOORS["status"].purpose, door="status", settings=settings) as door:
        assert read_status(door.con, settings=settings, now=datetime.now(UTC))["runs"]
    assert "Nothing is read unlogged" in door.recorder.unlogged


def test_heads_anchored_in_the_lake_survive_a_restore_and_show_a_cut_tail(tmp_path: Path) -> None:
    named = {name: str(tmp_path / name) for name in ("data", "published")}
    settings = Settings(
        home=tmp_path, lake=LakeSettings(catalogue=str(tmp_path / "catalogue.ducklake"), threads=1, **named)
    )
    with opened(lake_location(settings)) as lake:
        fill(lake, settings)
    for _ in range(3):
        with open_for(READER, DOORS["query"].purpose, door="query", settings=settings) as door:
            list(door.query("from ops.run").rows())
    with opened(lake_location(settings)) as lake:
        heads = heads_to_anchor(lake.con, settings)
        assert heads == newest_heads(settings)
        _, snapshot = lake.transact(
            lambda con: write_anchors(con, heads, run_id="daily-1", at=datetime.now(UTC)),
            author="tests",
            run_id="daily-1",
            message=with_heads("daily: published", heads),
        )
        assert heads_to_anchor(lake.con, settings) == []
        assert " 3 " in snapshot.message
        lake.restore(2, author="tests", run_id="r", keep_tables=[ACCESS_ANCHOR.full_name])
        assert [anchor.note for anchor in anchors_in_lake(lake.con)] == heads
    anchors, notes = known_anchors(settings)
    assert (len(anchors), notes) == (1, [])
    other = Head("dataflow/other-ann/1", 5, bytes(32))
    note = Signer(other.origin, bytes(32)).verifier.note(other, bytes(64))
    with opened(lake_location(settings)) as lake:
        lake.transact(
            lambda con: write_anchors(con, [note], run_id="daily-2", at=datetime.now(UTC)),
            author="tests",
            run_id="daily-2",
            message="of another machine",
        )
    assert known_anchors(settings)[0] == anchors
    assert "dataflow/other-ann/1" in known_anchors(settings)[1][0]
    assert verify_log(log_root(settings), anchors=anchors)[0][0].findings == ()
    assert "index 2" in prove(log_root(settings), "2")
    (folder,) = folders_of(log_root(settings))
    kept = (folder / SEGMENT).read_bytes().splitlines(keepends=True)
    (folder / SEGMENT).write_bytes(b"".join(kept[:-1]))
    (report,), lost = verify_log(log_root(settings), anchors=anchors)
    assert report.findings == ("entry 2 is cut off: run daily-1 anchored 3 entries, the log has 2",)
    assert lost == []
    for path in folder.rglob("*"):
        if path.is_file():
            path.unlink()
    assert "its 3 entries were anchored by run daily-1" in verify_log(log_root(settings), anchors=anchors)[1][0]
