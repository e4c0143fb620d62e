"""Finds copies of the vocabulary's lists: collections of words in code that should read a list."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

# so many entries of one list in one collection are a copy of it
COPIED = 5
# of the words of a text, so many must be of the list: a sentence has articles too
SHARE = 0.6


def copies(sources: Mapping[str, str], lists: Mapping[str, Iterable[str]]) -> list[str]:
    """Name each collection in `sources` (path to text) that holds five entries of a list (name to entries).

    A collection is a literal tuple, list, set or dict, the alternatives of a regular expression, or a text of words.
    """
    known = {name: frozenset(entries) for name, entries in lists.items()}
    found = []
    for path, text in sources.items():
        for line, words, is_text in _collections(ast.parse(text, path)):
            for name, entries in known.items():
                shared = words & entries
                if len(shared) >= COPIED and not (is_text and len(shared) < SHARE * len(words)):
                    found.append(f"{path}:{line}: {len(shared)} entries of {name!r}")
    return sorted(set(found))


def _collections(tree: ast.Module) -> Iterator[tuple[int, frozenset[str], bool]]:
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            yield node.lineno, _texts(node.elts), False
        elif isinstance(node, ast.Dict):
            yield node.lineno, _texts(key for key in node.keys if key is not None), False
            yield node.lineno, _texts(node.values), False
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, _lowered(re.split(r"\\b|[|()?:^$\[\]]", node.value)), False
            yield node.lineno, _lowered(node.value.split()), True


def _texts(nodes: Iterable[ast.expr]) -> frozenset[str]:
    return _lowered(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def _lowered(words: Iterable[str]) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in words)
