"""A process is killed while it writes role marts: each mart is the old one or the new one, and the next run goes on."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from dataflow.access.door import open_for
from dataflow.access.marts import mart_path
from dataflow.access.who import Purpose, Who
from dataflow.settings import Settings
from dataflow.sinks.marts import Marts, read_file
from tests.lib.role_lakes import RoleLake, open_role_lake

SEED = 18
ROLES = ("analyst", "executive", "success")
_WRITER = """
import sys
from pathlib import Path
from dataflow.sinks.marts import rewrite_mart
from tests.lib.publishing import settings_in
from tests.lib.role_lakes import with_marts

settings = with_marts(settings_in(Path(sys.argv[1])), sys.argv[2:])
for role in settings.access.marts:
    rewrite_mart(settings, role)
"""


def test_a_mart_is_the_old_one_or_the_new_one(tmp_path: Path, rounds: Callable[[int, int], int]) -> None:
    chance, killed = random.Random(SEED), 0
    place = open_role_lake(tmp_path / "home", roles=ROLES)
    with place.lake:
        for number in range(rounds(3, 40)):
            place.world.customer(f"late{number}", entity_type="person")
            place.publish(f"late-{number}")
            killed += kill_in_the_middle(place.settings, chance)
            assert shown(place) <= {day.number for day in place.days}
        assert killed > 0
        Marts(place.settings).follow(place.days[-1])
        assert shown(place) == {place.days[-1].number}
        folder = Path(place.settings.access.folder)
        assert sorted(path.name for path in folder.iterdir()) == sorted(f"{role}.duckdb" for role in ROLES)


def kill_in_the_middle(settings: Settings, chance: random.Random) -> bool:
    """Kill a writer a little after it has begun a draft; return whether it was still writing."""
    folder, before = Path(settings.access.folder), chance.randint(0, len(ROLES) - 1)
    writer = subprocess.Popen([sys.executable, "-c", _WRITER, str(settings.home), *ROLES])
    drafts: set[str] = set()
    while writer.poll() is None and len(drafts) <= before:
        drafts |= {path.name.split(".")[0] for path in folder.glob("*.draft")}
        time.sleep(0.001)
    time.sleep(chance.uniform(0, 0.05))
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    return writer.returncode == -signal.SIGKILL


def shown(place: RoleLake) -> set[int]:
    """The publications of the marts, each of which has the rows of its publication."""
    numbers = set()
    for role in ROLES:
        facts = read_file(mart_path(place.settings, role))
        assert facts is not None
        numbers.add(facts.publication)
        with open_for(Who("tests", role), Purpose.ANALYSIS, door="query", settings=place.settings) as door:
            if door.role.sql:
                [(customers,)] = door.query("SELECT count(*) FROM published.customer_360").rows()
                sql = f"SELECT count(*) FROM lake.published.customer_360 AT (VERSION => {facts.snapshot})"
                assert place.lake.con.execute(sql).fetchall() == [(customers,)]
    return numbers
