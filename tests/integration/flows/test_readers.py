"""Readers never fail and never wait while runs publish."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dataflow.access.pipeline import open_published
from dataflow.cli.main import run
from dataflow.settings import Settings
from tests.lib.homes import NOW, newest_snapshot

READERS = 4
# One process asks again and again, as a dashboard would; it says what it saw and which answers were none.
READER = """
import contextlib, io, json, sys, time
from pathlib import Path
from dataflow.cli.main import run

home, stop = sys.argv[1], Path(sys.argv[2])
seen, failed, said = [], 0, io.StringIO()
sql = (
    "select (select count(*) from published.customer_360) as customers, "
    "(select count(*) from published.xref) as records"
)
print("ready", flush=True)
while not stop.exists():
    answer = io.StringIO()
    with contextlib.redirect_stdout(answer), contextlib.redirect_stderr(said):
        failed += run(["--home", home, "query", "-o", "json", sql]) != 0
    seen.append(json.loads(answer.getvalue() or "[null]")[0])
    time.sleep(1.5)
Path(sys.argv[3]).write_text(json.dumps({"seen": seen, "failed": failed, "said": said.getvalue()}))
"""


def count_customers(settings: Settings) -> int:
    with open_published(settings) as con:
        [(count,)] = con.execute("SELECT count(*) FROM published.customer_360").fetchall()
    return int(count)


@pytest.mark.soak
def test_four_readers_beside_a_run(published: Settings, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    before, customers = newest_snapshot(published), count_customers(published)
    answers = [tmp_path / f"reader-{number}.json" for number in range(READERS)]
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, str(published.home), str(stop), str(answer)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for answer in answers
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "ready\n"
        assert run(["--home", str(published.home), "run", "--source", "tickets", "--now", NOW]) == 0
    finally:
        stop.touch()
        for reader in readers:
            reader.communicate()
    assert newest_snapshot(published) > before
    states = set()
    for told in answers:
        answer = json.loads(told.read_text())
        assert answer["failed"] == 0, answer["said"]
        # The first answer was there before the publication was.
        assert answer["seen"][0]["customers"] == customers
        states |= {(row["customers"], row["records"]) for row in answer["seen"]}
    # One publication: before it or after it, and nothing in between.
    assert len(states) <= 2
