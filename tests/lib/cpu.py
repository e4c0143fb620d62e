"""`--cpu`: what tests and fixtures cost in CPU seconds, of this process and of the processes it has waited for.

Wall time says little on a shared machine. A server's seconds count where it is stopped, in the last test that uses it.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

import pytest

_SHOWN = 120
_TEST, _FIXTURE = "cpu: test", "cpu: fixture "
_STARTED = pytest.StashKey[float]()


def cpu_seconds() -> float:
    """CPU seconds spent so far, user and system, by this process and by its children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class CpuReport:
    """Measures in the process that runs a test; adds up where the session is reported."""

    def __init__(self) -> None:
        self._tests: Counter[str] = Counter()
        self._files: Counter[str] = Counter()
        self._fixtures: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        item.stash[_STARTED] = cpu_seconds()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, object, object]:
        started = cpu_seconds()
        made = yield
        request._pyfuncitem.user_properties.append((_FIXTURE + fixturedef.argname, cpu_seconds() - started))
        return made

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        if call.when == "teardown":
            item.user_properties.append((_TEST, cpu_seconds() - item.stash[_STARTED]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "teardown":
            return
        for name, seconds in report.user_properties:
            if name == _TEST and isinstance(seconds, float):
                self._tests[report.nodeid] += seconds
                self._files[report.nodeid.partition("::")[0]] += seconds
            elif name.startswith(_FIXTURE) and isinstance(seconds, float):
                self._fixtures[name.removeprefix(_FIXTURE)] += seconds

    def add_fixture(self, name: str, seconds: float) -> None:
        """Count what no test process has waited for."""
        self._fixtures[name] += seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for title, spent in (("files", self._files), ("fixtures", self._fixtures), ("tests", self._tests)):
            terminalreporter.section(f"CPU seconds: {title}")
            for line in _lines(spent.most_common()):
                terminalreporter.line(line)


def _lines(spent: Iterable[tuple[str, float]]) -> list[str]:
    """The largest, one a line; the sum of all."""
    ranked = list(spent)
    total = sum(seconds for _, seconds in ranked)
    return [f"{total:9.1f}  all", *(f"{seconds:9.1f}  {name}" for name, seconds in ranked[:_SHOWN])]
