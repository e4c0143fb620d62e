"""Serve a simulated org: `python -m tests.lib.servers.salesforce --port 8443 --papers FOLDER`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from tests.lib.servers.salesforce.server import DOMAIN, simulator
from tests.lib.servers.salesforce.tls import write_papers


def main() -> None:
    """Serve until told to stop. The CA that clients are to trust is FOLDER/ca.pem."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8443)
    parser.add_argument("--papers", type=Path, default=Path("salesforce-papers"), help="where ca.pem is written")
    parser.add_argument("--contacts", type=int, default=0, help="contacts to begin with")
    given = parser.parse_args()
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    with simulator(write_papers(given.papers), host=given.host, port=given.port) as served:
        for number in range(given.contacts):
            served.org.insert("Contact", LastName=f"Example {number}", Email=f"contact{number}@example.com")
        sys.stdout.write(
            f"{DOMAIN} at {given.host}:{served.port}; client_id {served.door.client_id}, "
            f"client_secret {served.door.client_secret}; trust {given.papers / 'ca.pem'}\n"
        )
        sys.stdout.flush()
        stop.wait()


if __name__ == "__main__":
    main()
