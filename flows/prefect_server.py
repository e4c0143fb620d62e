"""Prefect's server inside a process of ours, and the one module that uses parts of Prefect that it does not document.

The command `prefect server start` outlives a killed parent, and makes a database by running every migration (Prefect
3.8.8, November 2026); tests/unit/test_private_parts.py says when these parts move. Imports Prefect where it is used:
what is imported first here must cost next to nothing.
"""

from __future__ import annotations

from typing import Any


def make_app() -> Any:
    """The server's API, an ASGI application."""
    from prefect.server.api.server import create_app

    return create_app()


async def make_database() -> None:
    """Make the database that the environment names, with all of its tables."""
    from prefect.server.database import provide_database_interface

    database = provide_database_interface()
    await database.create_db()
    await (await database.engine()).dispose()
