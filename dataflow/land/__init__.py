"""Landing: find what is new at a source, stage it as Parquet, and add it to raw in one lake transaction.

Fetching touches no lake and can run in parallel; only the one writer commits.
"""

from __future__ import annotations

from dataflow.land.check import Checked, check_object, record_checks
from dataflow.land.commit import PlanFindings, commit_what_holds, commit_window, commit_windows
from dataflow.land.fetch import FetchedWindow, fetch_window
from dataflow.land.gaps import Failure, Gap, read_open_gaps
from dataflow.land.keys import delete_missing, due_objects, why_not_compared
from dataflow.land.plan import LandingPlan, plan_landing, plan_windows
from dataflow.land.staging import Staged, stage_windows

__all__ = [
    "Checked",
    "Failure",
    "FetchedWindow",
    "Gap",
    "LandingPlan",
    "PlanFindings",
    "Staged",
    "check_object",
    "commit_what_holds",
    "commit_window",
    "commit_windows",
    "delete_missing",
    "due_objects",
    "fetch_window",
    "plan_landing",
    "plan_windows",
    "read_open_gaps",
    "record_checks",
    "stage_windows",
    "why_not_compared",
]
