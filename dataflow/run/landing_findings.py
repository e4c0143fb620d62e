"""What landing found of each object, for the incidents that the run opens and resolves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from dataflow.land import Failure
from dataflow.workspace.position import ObjectName


@dataclass
class LandingFindings:
    """The objects that a run tried to land, and the first error of each that failed."""

    attempted: set[ObjectName] = field(default_factory=set)
    failed: dict[ObjectName, Exception] = field(default_factory=dict)

    def note(self, attempted: Iterable[ObjectName], failures: Iterable[Failure]) -> None:
        """Note what was tried, and what failed of it."""
        self.attempted |= set(attempted)
        for failure in failures:
            name = (failure.source, failure.object)
            self.attempted.add(name)
            self.failed.setdefault(name, failure.error)

    def explains(self, error: Exception) -> bool:
        """Return whether an error is that of an object."""
        return any(type(one) is type(error) and str(one) == str(error) for one in self.failed.values())
