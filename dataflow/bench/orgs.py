"""An org is read through both of its APIs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from dataflow.bench.reading import OURS, Reading, Way, read
from dataflow.settings import SalesforceSettings

_NEVER = 10**12
"""No window has so many rows: Bulk API 2.0 is never chosen for one."""


def ways(reading: Reading) -> Mapping[str, Way]:
    """By REST alone, and by Bulk API 2.0 alone."""
    section = reading.declared.section(SalesforceSettings)
    found: dict[str, Way] = {}
    for api, limit in {"REST": _NEVER, "Bulk API 2.0": 0}.items():
        limited = section.model_copy(update={"bulk_from_rows": limit})
        declared = reading.declared.model_copy(update={"salesforce": limited})
        found[f"{OURS}, {api}"] = partial(read, replace(reading, declared=declared))
    return found
