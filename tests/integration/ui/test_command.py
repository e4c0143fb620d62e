"""`dataflow ui` as a process: it prints the address, serves, and ends at Ctrl-C."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx


def test_the_command_prints_its_address_and_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dataflow.cli", "--home", str(tmp_path), "ui", "--port", "0", "--no-browser"]
    # A background job of a shell ignores SIGINT, and so would the child of one.
    heeds = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeds
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with httpx.Client(follow_redirects=True, timeout=30) as client:
            assert client.get(address).status_code == 503  # signed in; nothing was published here
            assert client.get(address).status_code == 401
        process.send_signal(signal.SIGINT)
        try:
            rest, said = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode in (0, 130)
    assert rest == ""
    assert "Traceback" not in said


def test_a_taken_port_is_a_sentence(tmp_path: Path) -> None:
    from dataflow.cli.main import run
    from dataflow.ui.server import listen

    with listen(0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        assert run(["--home", str(tmp_path), "ui", "--port", port, "--no-browser"]) == 2
