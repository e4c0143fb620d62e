"""discover: read a system and write a project for it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.output import messages
from dataflow.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("discover")(discover)


def discover(
    place: Annotated[
        str,
        typer.Argument(
            metavar="URL|FOLDER",
            help="mysql://USER:PASSWORD@HOST:PORT/DATABASE, a folder, s3://BUCKET/PREFIX, salesforce://CLIENT_ID@DOMAIN",
        ),
    ],
    folder: Annotated[Path, typer.Option("--into", help="Folder to write into.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
) -> None:
    """Read a system's tables and a sample, and write a dataflow.toml that runs, with the evidence of each guess.

    Proposes objects, keys, how changes are found, types, classes of personal data, and the mapping to customers, orders
    and tickets. What is unsure is a TODO at its top, which `dataflow doctor` repeats. Passwords go to .env.

    Example:  dataflow discover exports --into my-company
    """
    write_discovered(place, folder, force=force)


def write_discovered(place: str, folder: Path, *, force: bool) -> None:
    """Discover a place and write its project. Raises: UsageError where files are there."""
    from dataflow.observe.discover import project_of, read_place
    from flows.deploying import project_file

    there = [name for name in ("dataflow.toml", ".env") if (folder / name).exists()]
    if there and not force:
        raise UsageError(
            f"{folder.resolve()} already has {' and '.join(there)}.",
            next_move="Choose another folder with --into, or give --force.",
        )
    found = read_place(place)
    project = project_of(found)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataflow.toml").write_text(project.toml, encoding="utf-8")
    messages.print(f"Wrote {folder / 'dataflow.toml'}: {len(found.tables)} objects of {found.name}")
    deployments = folder / "prefect.yaml"
    if force or not deployments.exists():
        deployments.write_text(project_file(), encoding="utf-8")
        messages.print(f"Wrote {deployments}: the deployments of `dataflow deploy`")
    if project.secrets:
        secrets = folder / ".env"
        # A value in single quotes is taken as it is.
        lines = [f"{name}='{_escaped(value)}'" for name, value in project.secrets.items()]
        with os.fdopen(os.open(secrets, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        messages.print(f"Wrote {secrets}, which only you can read; never commit it")
    for one in project.todo:
        messages.print(f"TODO: {one}")
    messages.print("Next: look at dataflow.toml, then `dataflow plan`, then `dataflow run`.")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")
