"""The vocabulary: words of the world, each list once, as data with its source and date.

A new word goes into its list, a new list into the module of its kind; `LISTS` finds it. What is computed with a list
carries its version (`version_of`), so that a changed word computes it anew.
"""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from dataflow.vocabulary import answers, companies, countries, mailboxes, names, placeholders, streets
from dataflow.vocabulary.lists import WordList, version_of


def _find_lists(*modules: ModuleType) -> Mapping[str, WordList]:
    """Index the lists of the modules by name. Raises: ValueError for a name that two lists have."""
    found: dict[str, WordList] = {}
    for module in modules:
        for one in vars(module).values():
            if isinstance(one, WordList) and found.setdefault(one.name, one) is not one:
                raise ValueError(f"The vocabulary has two lists of the name {one.name!r}.")
    return MappingProxyType(found)


LISTS = _find_lists(answers, companies, countries, mailboxes, names, placeholders, streets)

VOCABULARY_VERSION = version_of(*LISTS.values())
"""Of all lists: for what reads most of them and is cheap to compute anew."""

__all__ = ["LISTS", "VOCABULARY_VERSION", "WordList", "version_of"]
