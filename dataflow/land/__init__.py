"""Landing: find what is new at a source, stage it as Parquet, and add it to raw in one lake transaction.

Fetching touches no lake and may run in parallel; committing is the work of the one writer.
"""

from __future__ import annotations

from dataflow.land.commit import Tidings, commit_what_holds, commit_window, commit_windows
from dataflow.land.fetch import FetchedWindow, fetch_window
from dataflow.land.gaps import Failure, Gap, read_open_gaps
from dataflow.land.plan import LandingPlan, plan_landing, plan_windows

__all__ = [
    "Failure",
    "FetchedWindow",
    "Gap",
    "LandingPlan",
    "Tidings",
    "commit_what_holds",
    "commit_window",
    "commit_windows",
    "fetch_window",
    "plan_landing",
    "plan_windows",
    "read_open_gaps",
]
