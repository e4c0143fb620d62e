"""ui: the workbench, pages for people who do not work in a terminal."""

from __future__ import annotations

from typing import Annotated

import typer

from dataflow.cli.options import settings_of
from dataflow.cli.output import messages, write_line

DEFAULT_PORT = 4280


def register(app: typer.Typer) -> None:
    app.command("ui")(ui)


def ui(
    context: typer.Context,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on this machine; 0: any free one.")] = (
        DEFAULT_PORT
    ),
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the address in a browser.")] = True,
) -> None:
    """Open the workbench: home, customers, review, runs and more, in a browser on this machine.

    The printed address works once and signs one browser in; Ctrl-C ends the workbench and all sessions.

    Example:  dataflow ui --no-browser
    """
    from dataflow.ui.server import serve

    def opened(address: str) -> None:
        messages.print("The workbench is running; Ctrl-C ends it.")
        if browser:
            typer.launch(address)

    serve(settings_of(context), port=port, say=write_line, opened=opened)
