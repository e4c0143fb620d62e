"""The warehouse in an emulator of BigQuery and a Redis over TLS 1.3, to be measured: `python -m tests.lib.bench_serve`.

The processor time of the emulator is told apart, since it is a process of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from dataflow.cli.main import run
from tests.lib.servers.bigquery import PROJECT, bigquery_server
from tests.lib.servers.certificates import make_certificates
from tests.lib.servers.redis import WRITER, redis_server

_CONFIG = """
[warehouse]
kind = "bigquery"
[warehouse.bigquery]
project = "{project}"
dataset = "measured"
endpoint = "{endpoint}"

[cache]
url = "rediss://{user}@127.0.0.1:{port}"
password = "{password}"
ca_file = "{ca}"
"""


def main(arguments: list[str]) -> int:
    """Start both servers and run `dataflow bench serve` against them."""
    parser = argparse.ArgumentParser(prog="tests.lib.bench_serve")
    parser.add_argument("--records", default="2000")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-serve-") as name:
        folder = Path(name)
        with bigquery_server() as warehouse, redis_server(make_certificates(folder)) as cache:
            config = folder / "dataflow.toml"
            config.write_text(
                _CONFIG.format(
                    project=PROJECT,
                    endpoint=warehouse.endpoint,
                    user=WRITER[0],
                    password=WRITER[1],
                    port=cache.port,
                    ca=cache.ca_file,
                )
            )
            return run(["--config", str(config), "bench", "serve", "--records", chosen.records])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
