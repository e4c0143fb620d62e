"""Each list of words exists once: no other module of the product holds a copy of one."""

import re
from pathlib import Path

import pytest

from dataflow.vocabulary import LISTS
from tests.lib.architecture import read_tree
from tests.lib.vocabulary import copies

ROOT = Path(__file__).parents[3]
HOME = "dataflow/vocabulary/"
# Their worlds are drawn from pools of their own: made of the vocabulary, they would test it with itself.
WORLDS = ("dataflow/sample/", "dataflow/bench/")
# What columns are called, not what stands in them: "st" is a street and, as a heading, a state.
HEADINGS = ("dataflow/resolve/own_file/kinds.py", "types of street")


def test_no_module_holds_a_copy_of_a_list() -> None:
    sources = {path: text for path, text in read_tree(ROOT).items() if not path.startswith((HOME, *WORLDS))}
    assert len(sources) > 200
    found = copies(sources, LISTS)
    assert [one for one in found if not (one.startswith(HEADINGS[0]) and HEADINGS[1] in one)] == []


@pytest.mark.parametrize(
    "word", ["tutanota.com", "ggmbh", "incorporated", "zum", "snr", "boulevard", "fräulein", "tbd"]
)
def test_a_telling_word_stands_in_one_file(word: str) -> None:
    files = [path for suffix in ("py", "txt", "toml") for path in (ROOT / "dataflow").rglob(f"*.{suffix}")]
    holders = {
        name
        for path in files
        if not (name := path.relative_to(ROOT).as_posix()).startswith(WORLDS)
        and re.search(rf"(?<![\w.]){re.escape(word)}(?![\w.])", path.read_text(encoding="utf-8"))
    }
    assert len(holders) == 1
    assert holders.pop().startswith(HOME)


@pytest.mark.parametrize(
    "text",
    [
        'A = ("mr", "mrs", "ms", "miss", "dr", "other")',
        'A = {"mr": 1, "mrs": 2, "ms": 3, "miss": 4, "Dr": 5}',
        'A = {1: "mr", 2: "mrs", 3: "ms", 4: "miss", 5: "dr"}',
        'A = "mr mrs ms miss dr".split()',
        'A = r"\\b(mr|mrs|ms)\\b|miss|dr"',
        'A = f"({x}|mr|mrs|ms|miss|dr)"',
        'def f():\n    return [w for w in ["mr", "mrs", "ms", "miss", "dr"]]',
    ],
)
def test_a_planted_copy_is_found(text: str) -> None:
    assert copies({"a.py": text}, {"titles": ("mr", "mrs", "ms", "miss", "dr", "prof")})[0].startswith("a.py:")


@pytest.mark.parametrize(
    "text",
    [
        'A = ("mr", "mrs", "ms", "miss")',
        'A = "It was the mr mrs ms miss dr of them all, said one of the others on that day"',
        '"""mr mrs ms miss dr"""',
    ],
)
def test_what_is_no_copy_is_not_reported(text: str) -> None:
    assert copies({"a.py": text}, {"titles": ("mr", "mrs", "ms", "miss", "dr", "prof")}) == []
