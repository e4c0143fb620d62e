"""Which files of tests one process of `pytest -n` takes together, and in which order the processes take them.

`make test` ends when the last process does: a file of two minutes that begins last is waited for by all others.
"""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_TOGETHER = ("tests/integration/flows/",)
"""Folders whose files share a server that is too dear for each of them."""

_FIRST = ("tests/integration/flows/", "tests/integration/resolve/", "tests/spec/test_retrain.py", "tests/spec/test_cli")
"""The longest, by the seconds of `pytest --durations`; then folders, by what their files usually take."""
_THEN = ("tests/integration/", "tests/golden/", "tests/spec/", "tests/oracle/", "tests/unit/")


def longest_first(items: list[pytest.Item]) -> None:
    """Sort collected tests; those of a file stay together, in their order."""
    ranks = [*_FIRST, *_THEN]
    items.sort(key=lambda item: next((n for n, path in enumerate(ranks) if item.nodeid.startswith(path)), len(ranks)))


class FilesOrFolders(LoadFileScheduling):
    """Give out tests by file, and all files of some folders at once."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        # Its own order is by the number of tests, which says little about their length.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return next((path for path in _TOGETHER if nodeid.startswith(path)), super()._split_scope(nodeid))
