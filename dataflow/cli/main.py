"""The `dataflow` command. Each command imports what it needs when it runs, so that help is instant."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from dataflow.access.modes import private_files
from dataflow.cli import (
    access,
    alerting,
    auditing,
    baselines,
    benching,
    contracting,
    customers,
    dead_letters,
    deploying,
    describing,
    discovering,
    drifting,
    lake,
    metering,
    project,
    reading,
    resetting,
    resolving,
    reviewing,
    ruling,
    running,
    sampling,
    sinking,
    warehousing,
    workbench,
)
from dataflow.cli.failing import explain
from dataflow.cli.options import Globals
from dataflow.cli.terminal import prepare_streams

HELP = """One trusted picture of each customer, from CRM, orders and tickets.

Start with:  dataflow demo          sample data through the whole pipeline, no network, no service

Then:        dataflow status        runs, freshness, gaps, dead letters

             dataflow query "select count(*) from published.customer_360"

Exit codes: 0 done · 1 failed, a retry can help · 2 bad usage or configuration · 3 audits refused the publication ·
4 partial. `doctor` exits with the number of failed probes."""

app = typer.Typer(
    name="dataflow", help=HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.callback()
def choose(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="The dataflow.toml to use; default: the nearest one, then the packaged one.")
    ] = None,
    home: Annotated[Path | None, typer.Option(help="Folder for data; default: .dataflow beside dataflow.toml.")] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show whole errors; can show customer data.")] = False,
) -> None:
    """Keep the options given before the command."""
    context.obj = Globals(config=config, home=home, debug=debug)


for module in (
    project,
    discovering,
    sampling,
    running,
    describing,
    drifting,
    reading,
    customers,
    sinking,
    warehousing,
    lake,
    resetting,
    dead_letters,
    resolving,
    reviewing,
    alerting,
    ruling,
    contracting,
    metering,
    baselines,
    auditing,
    benching,
    deploying,
    access,
    workbench,
):
    module.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return the exit code."""
    try:
        with private_files():
            app(args=list(arguments), prog_name="dataflow")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    except BrokenPipeError:
        # The reader closed the pipe (`dataflow query … | head`).
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return explain_interrupt()
    except Exception as error:  # noqa: BLE001 (the edge: every error becomes one message)
        return explain(error, debug="--debug" in arguments)
    return 0


def explain_interrupt() -> int:
    """Say that nothing is half done; return 130, which shells expect after Ctrl-C."""
    from dataflow.cli.output import messages

    messages.print("Interrupted: nothing uncommitted was kept; run the command again.")
    return 130


def main() -> None:
    """Run the `dataflow` command and exit with its code."""
    # Imports make a million lasting objects: the usual threshold has them looked through a hundred times.
    gc.set_threshold(100_000, *gc.get_threshold()[1:])
    prepare_streams()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
