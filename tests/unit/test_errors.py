"""The trees drawn in the modules of errors are the classes there are, and there are no others."""

import re
from pathlib import Path
from types import ModuleType

import pytest

from dataflow import errors
from lakehouse import errors as lake_errors

ROOT = Path(__file__).parents[2]
LINE = re.compile(r"[├└│─ ]+(\w+) +\S.*?  +exit (\d)   the ([\w' ]+?)(, retry helps)?$")
CASES = [(errors, errors.DataFlowError), (lake_errors, lake_errors.LakeError)]


@pytest.mark.parametrize(("module", "root"), CASES, ids=["pipeline", "lake"])
def test_the_tree_says_what_each_class_says(module: ModuleType, root: type[Exception]) -> None:
    drawn = {
        found[1]: found.groups()[1:] for line in (module.__doc__ or "").splitlines() if (found := LINE.match(line))
    }
    declared = {
        name: (str(int(kind.exit_code)), str(kind.owner), ", retry helps" if kind.retryable else None)
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, root) and kind is not root
    }
    assert drawn == declared


@pytest.mark.parametrize(("module", "root"), CASES, ids=["pipeline", "lake"])
def test_each_class_has_a_meaning_and_a_move_of_its_own(module: ModuleType, root: type[Exception]) -> None:
    kinds = [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, root)]
    moves = [kind.usual_move for kind in kinds]
    assert all(kind.__doc__ for kind in kinds)
    assert len(set(moves)) == len(moves)


def test_no_class_of_the_tree_stands_elsewhere() -> None:
    names = "|".join(
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)
    )
    derived = re.compile(rf"^class \w+\(({names}|LakeError)\b", re.MULTILINE)
    elsewhere = [
        str(path.relative_to(ROOT))
        for package in ("dataflow", "flows", "checks", "lakehouse")
        for path in (ROOT / package).rglob("*.py")
        if derived.search(path.read_text(encoding="utf-8"))
    ]
    assert sorted(elsewhere) == ["dataflow/errors.py", "lakehouse/errors.py"]
