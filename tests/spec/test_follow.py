"""`dataflow follow` publishes what is new, says so, and ends by SIGTERM with its lake whole."""

import json
import signal
import subprocess
import sys

from dataflow.cli.main import run
from dataflow.settings import Settings
from tests.lib.homes import published_hash


def test_it_publishes_and_ends_when_it_is_asked_to(published: Settings) -> None:
    before = published_hash(published.home)
    command = [sys.executable, "-m", "dataflow.cli", "--home", str(published.home), "follow", "--every", "1h"]
    with subprocess.Popen([*command, "-o", "json"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        turn = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert (process.returncode, rest) == (0, "")
    assert turn["status"] == "published"
    assert turn["run_id"]
    assert published_hash(published.home) != before
    assert run(["--home", str(published.home), "follow", "--every", "soon"]) == 2
