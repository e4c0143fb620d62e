"""Discover a system: read its tables and a sample, and propose a dataflow.toml that runs, with its evidence."""

from __future__ import annotations

from dataflow.observe.discover.place import Place, read_place
from dataflow.observe.discover.write import Project, project_of

__all__ = ["Place", "Project", "project_of", "read_place"]
