"""An upgrade that moves a private part of a library is found by name, before something breaks in a strange way."""

from pathlib import Path

import pytest

from tests.lib.architecture import read_tree
from tests.lib.private_parts import PARTS, Part, moved, undeclared

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.place)
def test_each_part_is_where_it_was(part: Part) -> None:
    assert moved(part) == ""


def test_each_is_used_in_the_one_module_that_is_named_for_its_library() -> None:
    assert undeclared(read_tree(ROOT)) == []


def test_each_declared_module_is_there() -> None:
    assert [part.used_in for part in PARTS if not (ROOT / part.used_in).is_file()] == []


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        (
            Part("requests", "requests:Response._gone", "dataflow/a.py"),
            "has no requests:Response._gone any more: dataflow/a.py relies on it.",
        ),
        (Part("requests", "requests.gone:x", "dataflow/a.py"), "has no requests.gone:x any more"),
        (
            Part("PyMySQL", "pymysql.connections:MySQLResult", "dataflow/a.py", ("gone",)),
            "pymysql.connections:MySQLResult takes no gone any more: dataflow/a.py relies on it.",
        ),
    ],
)
def test_a_part_that_moved_is_named_in_a_sentence(part: Part, sentence: str) -> None:
    assert sentence in moved(part)
    assert moved(part).startswith(part.library)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(con):\n    return con._sock\n", "uses con._sock"),
        ("from splink.internals.misc import x\n", "imports splink.internals.misc"),
        ("from requests import _internal_utils\n", "imports requests._internal_utils"),
        ("from a._b import c\n", "imports a._b"),
        (
            "from mmdb_writer import MMDBWriter\nclass A(MMDBWriter):\n    def _build_meta(self):\n        return {}\n",
            "overrides A._build_meta",
        ),
        (
            "import requests\nclass A(requests.Session):\n    def _own(self):\n        return self._own()\n",
            "",
        ),
        ("class A:\n    def __init__(self):\n        self._x = 1\n\ndef f(a):\n    return a._x\n", ""),
        ("def f(row):\n    return row._asdict()\n", ""),
        ("from dataflow.workspace import _x\n", ""),
    ],
)
def test_a_planted_use_is_found(text: str, found: str) -> None:
    listed = undeclared({"dataflow/a.py": text})
    assert bool(listed) == bool(found)
    assert any(found in line for line in listed) or not found
