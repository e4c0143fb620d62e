"""Landing: find what is new at a source, stage it as Parquet, and add it to raw in one lake transaction.

Fetching touches no lake and may run in parallel; committing is the work of the one writer.
"""

from __future__ import annotations

from dataflow.land.commit import commit_window, commit_windows
from dataflow.land.fetch import FetchedWindow, fetch_window
from dataflow.land.plan import plan_windows

__all__ = ["FetchedWindow", "commit_window", "commit_windows", "fetch_window", "plan_windows"]
