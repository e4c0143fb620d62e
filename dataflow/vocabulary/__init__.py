"""The vocabulary: each list of words once, as data with source and date.

Add a word to its list, and a list to the module of its kind; `LISTS` finds it. Results computed with a list carry its
version (`version_of`), so that they are computed again when the list changes.
"""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from dataflow.vocabulary import (
    answers,
    companies,
    countries,
    currencies,
    given_names,
    mailboxes,
    names,
    placeholders,
    postcodes,
    streets,
    websites,
)
from dataflow.vocabulary.lists import WordList, version_of


def _find_lists(*modules: ModuleType) -> Mapping[str, WordList]:
    """Index the lists of the modules by name. Raises: ValueError for a duplicate name."""
    found: dict[str, WordList] = {}
    for module in modules:
        for one in vars(module).values():
            if isinstance(one, WordList) and found.setdefault(one.name, one) is not one:
                raise ValueError(f"The vocabulary has two lists named {one.name!r}.")
    return MappingProxyType(found)


LISTS = _find_lists(
    answers, companies, countries, currencies, given_names, mailboxes, names, placeholders, postcodes, streets, websites
)

VOCABULARY_VERSION = version_of(*LISTS.values())
"""The version of all lists: for results that depend on most of them and are cheap to compute again."""

__all__ = ["LISTS", "VOCABULARY_VERSION", "WordList", "version_of"]
