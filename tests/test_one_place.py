"""Facts that had several places have one: each is found by what its text looks like."""

import re
from pathlib import Path

import pytest

from tests.lib.architecture import read_tree

ROOT = Path(__file__).parent.parent
LAYERS = "raw|valid|conformed|resolved|enriched|published|ops"

PLACES: dict[str, tuple[str, tuple[str, ...]]] = {
    "the name of the attached lake, before a table's": (rf"\blake\.(?:{LAYERS})\.\w|\blake\.\{{|\"USE lake", ()),
    "a table's name in the lake": (r"\{DATABASE\}\.\{quote\(schema\)\}\.\{quote\(name\)\}", ("lakehouse/table.py",)),
    "a literal of a timestamp": (
        r"isoformat\(\)\)?\}'?::TIMESTAMPTZ|TIMESTAMPTZ '\{|TIMESTAMPTZ \{literal\(\w+\.isoformat",
        ("lakehouse/table.py",),
    ),
    "one number from a query": (r"int\(\w+\[0\]\) if \w+ else 0|fetchone\(\)\[0\]", ()),
    "rows by the names of their columns": (r"in cursor\.description", ("lakehouse/query.py",)),
    "how a run can end": (r'"published",?\s*"unchanged",\s*"landed"', ("dataflow/tables/ops/runs.py",)),
    "the row of a run": (r"INSERT INTO (?:\{RUN|lake\.ops\.run)", ("dataflow/workspace/run_row.py",)),
    "which dead letters wait": (r"""["']open["'], ["']replaying["']\)""", ("dataflow/tables/ops/decisions.py",)),
    "what a run hands back": (r"class \w*Outcome\b", ("dataflow/run/record.py",)),
    "what a probe found": (r"class (?:Finding|Probe)\b", ("dataflow/sources/protocol.py",)),
    "the totals of a stage": (r"def (?:\w*totals_by_stage|_journey)\b", ("dataflow/run/record.py",)),
    "the oldest TLS that is taken": (r"minimum_version = ", ("dataflow/connect/tls.py", "lakehouse/tls.py")),
    "what an error of TLS means": (r"isinstance\(error, ssl\.SSL", ("dataflow/connect/tls.py",)),
    "the longest row of a CSV": (r"field_size_limit\(|max_line_size", ("dataflow/sources/files/dialect.py",)),
    "the delimiters of a CSV": (r'": "tab"|\[,;\\t\|\]', ("dataflow/sources/files/dialect.py",)),
}


def places_of(pattern: str) -> set[str]:
    return {path for path, text in read_tree(ROOT).items() if re.search(pattern, text)}


@pytest.mark.parametrize("fact", PLACES)
def test_each_fact_has_one_place(fact: str) -> None:
    pattern, allowed = PLACES[fact]
    assert places_of(pattern) == set(allowed)


def test_the_patterns_find_what_they_are_for() -> None:
    former = {
        "the name of the attached lake, before a table's": 'f"FROM lake.{table.sql_name}"',
        "a literal of a timestamp": "{literal(now.isoformat())}::TIMESTAMPTZ",
        "one number from a query": "return int(row[0]) if row else 0",
    }
    assert [fact for fact, text in former.items() if not re.search(PLACES[fact][0], text)] == []
