"""The commands of the command line, as it registers them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from dataflow.cli.main import app


def command_line() -> Any:
    """The whole of it: a group."""
    return typer.main.get_command(app)


def every_command(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Each command that does something, by its name; one of a group as `dlq list`."""
    for name, command in (group or command_line()).commands.items():
        is_group = isinstance(command, TyperGroup)
        if not is_group or command.invoke_without_command:
            yield " ".join((*path, name)), command
        if is_group:
            yield from every_command(command, (*path, name))


def parse(arguments: list[str]) -> None:
    """Read a command line as its command would, and run nothing. Raises: typer's UsageError."""
    command, name = command_line(), "dataflow"
    while True:
        context = command.make_context(name, arguments)
        rest = [*context._protected_args, *context.args]
        if not (isinstance(command, TyperGroup) and rest):
            return
        name, command, arguments = command.resolve_command(context, rest)
