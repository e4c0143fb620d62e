"""Prefect's server as a library: the one module that uses undocumented parts of Prefect.

The command `prefect server start` outlives a killed parent, and creates a database by running every migration (Prefect
3.8.8, November 2026); tests/unit/test_private_parts.py fails when these parts move. Prefect is imported inside the
functions: this module must be quick to import.
"""

from __future__ import annotations

from typing import Any


def make_app() -> Any:
    """Return the server's API, an ASGI application."""
    from prefect.server.api.server import create_app

    return create_app()


async def make_database() -> None:
    """Create the database of the environment, with all of its tables."""
    from prefect.server.database import provide_database_interface

    database = provide_database_interface()
    await database.create_db()
    await (await database.engine()).dispose()
