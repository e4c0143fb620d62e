"""The product holds to the rules, and each rule finds a planted breach."""

import subprocess
from pathlib import Path

import pytest

from dataflow.access.doors import DOORS
from tests.lib.architecture import HIDDEN_CONNECTION, TOP, read_tree, stray_top_level, violations

ROOT = Path(__file__).parent.parent


def test_the_product_holds_to_the_rules() -> None:
    sources = read_tree(ROOT)
    assert {path.split("/")[0] for path in sources} >= {"lakehouse", "checks", "dataflow", "flows"}
    assert violations(sources) == []


def test_the_root_holds_what_the_design_names() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = sorted({path.split("/")[0] for path in tracked.splitlines()})
    assert "dataflow" in names
    assert stray_top_level(names) == []


def plant(root: Path, files: dict[str, str]) -> list[str]:
    """Write a small tree in which the one allowed connection exists, add `files`, and look for violations."""
    allowed = {"lakehouse/connect.py": "import duckdb\n\ndef connect():\n    return duckdb.connect()\n"}
    for path, text in (allowed | files).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return violations(read_tree(root))


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        # upward, by a name that import-linter does not read
        ("dataflow/a.py", "from tests.lib import architecture", "not part of the product"),
        ("dataflow/run/a.py", "from importlib import import_module\nimport_module('flows.daily')", "which is above it"),
        ("lakehouse/a.py", "import importlib\nimportlib.import_module('checks.rules')", "which is above it"),
        (
            "dataflow/conform/a.py",
            "import importlib\nNAMES = {'x': 'dataflow.publish'}\nimportlib.import_module(NAMES['x'])",
            "above",
        ),
        # the orchestrator
        ("dataflow/a.py", "import prefect", "Prefect stays in"),
        ("dataflow/cli/a.py", "from prefect import flow", "Prefect stays in"),
        (
            "dataflow/resolve/a.py",
            "def f():\n    from prefect.artifacts import create_link_artifact",
            "Prefect stays in",
        ),
        ("checks/a.py", "import prefect_aws", "Prefect stays in"),
        ("lakehouse/a.py", "from prefect_gcp.bigquery import BigQueryWarehouse", "Prefect stays in"),
        ("dataflow/a.py", "import importlib\nimportlib.import_module('prefect')", "Prefect stays in"),
        # Spark
        ("dataflow/resolve/a.py", "def f():\n    from pyspark.sql import SparkSession", "Spark stays in"),
        ("flows/a.py", "from splink.backends.spark import SparkAPI", "Spark stays in"),
        ("dataflow/resolve/pairs/spark.py", "from rapidfuzz.distance import JaroWinkler", "for everybody"),
        # connections
        ("lakehouse/a.py", "import duckdb\nduckdb.connect()", "connections are opened in"),
        ("dataflow/a.py", "import duckdb as d\nopen_it = d.connect", "connections are opened in"),
        ("dataflow/a.py", "from duckdb import connect", "connections are opened in"),
        ("dataflow/a.py", "from duckdb import connect as c", "connections are opened in"),
        ("dataflow/a.py", "import duckdb\ngetattr(duckdb, 'connect')()", "connections are opened in"),
        ("dataflow/a.py", "import ibis\nibis.duckdb.connect()", "connections are opened in"),
        ("dataflow/a.py", "import duckdb\nduckdb.sql('SELECT 1')", "hidden global connection"),
        ("dataflow/a.py", "import duckdb\nduckdb.default_connection()", "hidden global connection"),
        ("dataflow/a.py", "from duckdb import read_parquet", "hidden global connection"),
        ("lakehouse/connect.py", "import duckdb\nduckdb.connect()\nduckdb.connect()", "a second time"),
        ("lakehouse/connect.py", "import duckdb\nfrom duckdb import connect\nduckdb.connect()", "a second time"),
        ("dataflow/observe/a.py", "from lakehouse import Lake, open_reader", "read through dataflow.access"),
        ("flows/a.py", "from lakehouse.reader import open_reader", "read through dataflow.access"),
        # doors
        ("dataflow/cli/a.py", "from dataflow.access.door import open_for", "not in the registry of doors"),
        ("dataflow/ui/a.py", "def f():\n    from dataflow.access import door", "not in the registry of doors"),
        ("dataflow/govern/a.py", "from dataflow.access.door import open_to_decide", "not in the registry of doors"),
        ("dataflow/cli/a.py", "from dataflow.cli.options import open_door", "not in the registry of doors"),
        ("dataflow/cli/a.py", "from dataflow.access.pipeline import open_published", "persons read through a door"),
        # the environment
        ("dataflow/a.py", "import os\nos.environ['A']", "the environment is read in"),
        ("lakehouse/a.py", "import os as system\nsystem.getenv('A')", "the environment is read in"),
        ("flows/a.py", "from os import environ", "the environment is read in"),
        # the terminal
        ("dataflow/a.py", "print('x')", "only the command line"),
        ("flows/a.py", "list(map(print, 'x'))", "only the command line"),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, path: str, text: str, expected: str) -> None:
    found = plant(tmp_path, {path: text})
    assert len(found) == 1
    assert found[0].startswith(f"{path}:")
    assert expected in found[0]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("dataflow/cli/main.py", "import flows.daily\nfrom dataflow.publish import build\nprint('done')"),
        ("dataflow/__main__.py", "from dataflow.cli.main import main"),
        ("flows/daily.py", "import prefect\nimport prefect_aws\nfrom dataflow.run.stages import load"),
        ("deployments/register.py", "import prefect\nimport os\nos.environ['A']"),
        ("dataflow/publish/a.py", "from dataflow.sources import protocol\nfrom dataflow.publish.b import c"),
        ("dataflow/run/stages.py", "from importlib import import_module\nimport_module('dataflow.publish')"),
        ("dataflow/access/door.py", "from lakehouse import open_reader"),
        ("dataflow/cli/reading.py", "from dataflow.cli.options import open_door"),
        ("dataflow/govern/a.py", "from dataflow.access.pipeline import open_published"),
        (
            "dataflow/cli/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from dataflow.access.door import Door",
        ),
        ("dataflow/settings/load.py", "import os\nos.environ.get('A')"),
        ("checks/runner.py", "from lakehouse.table import Table\nimport os\nos.replace('a', 'b')"),
        ("dataflow/a.py", "import duckdb\nCon = duckdb.DuckDBPyConnection\nPREFECT = 'prefect.yaml'"),
        ("dataflow/a.py", "from lakehouse.connect import connect\nimport psycopg\npsycopg.connect('')"),
        (
            "dataflow/resolve/pairs/spark.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pyspark\ndef f():\n    import pyspark",
        ),
        ("dataflow/validate/a.py", "from dataflow import errors\nimport dataflow.sources.protocol"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path: Path, path: str, text: str) -> None:
    assert plant(tmp_path, {path: text}) == []


def test_each_breach_of_a_tree_is_listed(tmp_path: Path) -> None:
    files = {
        "lakehouse/a.py": "import tests.lib\nimport prefect\n",
        "checks/b.py": "from deployments import x\nprint(1)\n",
    }
    assert [line.split(": ")[0] for line in plant(tmp_path, files)] == [
        "checks/b.py:1",
        "checks/b.py:2",
        "lakehouse/a.py:1",
        "lakehouse/a.py:2",
    ]


def test_a_stray_folder_is_found() -> None:
    assert stray_top_level([*TOP, ".ci", ".gitignore", "scripts", "notes.md"]) == ["notes.md", "scripts"]


def test_the_hidden_connection_is_known() -> None:
    assert {"sql", "query", "execute", "read_csv", "default_connection"} <= HIDDEN_CONNECTION
    assert "connect" not in HIDDEN_CONNECTION
    assert "DuckDBPyConnection" not in HIDDEN_CONNECTION


def test_each_door_is_declared_where_it_is() -> None:
    sources = read_tree(ROOT)
    for kind in DOORS.values():
        text = sources[kind.module.replace(".", "/") + ".py"]
        assert f'"{kind.name}"' in text, kind
