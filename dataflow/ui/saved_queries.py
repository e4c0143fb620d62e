"""Saved queries: one .sql file each, in `queries` beside dataflow.toml, so that they are versioned with the project.

Everyone whose role asks SQL can open them: a query must not hold a customer's value.
"""

from __future__ import annotations

import re
from pathlib import Path

from dataflow.errors import UsageError
from dataflow.settings import Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_SUFFIX = ".sql"


def queries_folder(settings: Settings) -> Path:
    """Return the folder of the saved queries: in the project, or in the home of one without a file."""
    return (settings.config_file.parent if settings.config_file else settings.home) / "queries"


def list_queries(settings: Settings) -> dict[str, str]:
    """Return the saved queries, by name."""
    found = sorted(queries_folder(settings).glob(f"*{_SUFFIX}"))
    return {file.stem: file.read_text(encoding="utf-8") for file in found if _NAME.fullmatch(file.stem)}


def save_query(settings: Settings, name: str, sql: str) -> Path:
    """Save a query under a new name. Raises: UsageError for a name that is taken or cannot be one."""
    if not _NAME.fullmatch(name):
        raise UsageError("A name has small letters, digits, - and _, at most 60.")
    if not sql.strip():
        raise UsageError("The query is empty.")
    file = queries_folder(settings) / f"{name}{_SUFFIX}"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(sql.strip() + "\n")
    except FileExistsError:
        raise UsageError(f"There is a query {name}.", next_move="Choose another name, or change its file.") from None
    return file
