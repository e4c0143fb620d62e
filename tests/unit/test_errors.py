"""Every exception of the product stands in the tree, and says who acts and whether a retry helps."""

import ast
import builtins
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import dataflow.errors
from dataflow.errors import DataFlowError, Owner, SourceMissing
from dataflow.sources.protocol import Finding
from tests.lib.architecture import read_tree

ROOT = Path(__file__).parents[2]

# Raised and caught inside one part of the product; none reaches a run's record or the command line.
SIGNALS = {
    "_Unwell": "a probe of doctor becomes a Finding",
    "TryAgain": "a call to Salesforce is repeated",
    "NotReached": "a call to Salesforce is repeated less often",
    "SessionExpired": "a session of Salesforce is renewed",
    "TooSlow": "a call to Salesforce is repeated",
    "Incomplete": "a task's part is taken, and the rest tried again",
}


def exceptions() -> dict[str, str]:
    """Names of the exception classes of the product, with the module of each."""
    classes = {
        node.name: (path.removesuffix(".py").replace("/", "."), [ast.unparse(base) for base in node.bases])
        for path, text in read_tree(ROOT).items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ClassDef)
    }
    raised = {
        name for name, found in vars(builtins).items() if isinstance(found, type) and issubclass(found, Exception)
    }
    found: dict[str, str] = {}
    size = -1
    while len(found) != size:
        size = len(found)
        for name, (module, bases) in classes.items():
            last = {base.rpartition(".")[2] for base in bases}
            if last & (raised | found.keys()) or any(".exceptions." in base for base in bases):
                found[name] = module
    return found


FOUND = exceptions()


def test_they_are_found() -> None:
    assert {"DataFlowError", "LakeLocked", "ContractMalformed", *SIGNALS} <= FOUND.keys()


@pytest.mark.parametrize("name", sorted(FOUND.keys() - SIGNALS.keys()))
def test_each_is_in_the_tree_and_says_who_acts(name: str) -> None:
    kind: Any = getattr(import_module(FOUND[name]), name)
    assert name in (dataflow.errors.__doc__ or "")
    assert FOUND[name] in ("dataflow.errors", "lakehouse.errors", "checks.errors")
    assert kind.owner in set(Owner)
    assert isinstance(kind.retryable, bool)
    assert kind.usual_move


@pytest.mark.parametrize("name", sorted(name for name, module in FOUND.items() if module == "dataflow.errors"))
def test_the_tree_is_drawn_as_they_are(name: str) -> None:
    kind: Any = getattr(dataflow.errors, name)
    drawn = [line for line in (dataflow.errors.__doc__ or "").splitlines() if f"─ {name} " in line]
    if kind is DataFlowError:
        return
    [line] = drawn
    assert f"exit {int(kind.exit_code)}" in line
    assert f"the {kind.owner}" in line
    assert ("retry helps" in line) == kind.retryable


def test_the_message_and_the_next_move_stand_apart_too() -> None:
    error = SourceMissing("There is no file.", next_move="Have it delivered.")
    assert str(error) == "There is no file. Have it delivered."
    assert Finding.of_error("x", error) == Finding("x", False, "There is no file.", "Have it delivered.")
