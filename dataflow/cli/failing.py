"""Write an error to stderr as one message with its next move, and choose the exit code."""

from __future__ import annotations

import sys
import traceback

from dataflow.cli.output import messages
from dataflow.cli.terminal import styled
from dataflow.errors import DataFlowError, ExitCode


def explain(error: BaseException, *, debug: bool) -> int:
    """Write the error and return the exit code. The message of an unexpected error is shown only with `debug`."""
    code, message = _meaning(error)
    if debug:
        shown = error.__context__ or error
        messages.print("".join(traceback.format_exception(shown)))
    messages.print(styled(("Error: ", "bold red"), message))
    for note in getattr(error, "__notes__", []):
        messages.print(f"  {note}")
    return int(code)


def _meaning(error: BaseException) -> tuple[ExitCode, str]:
    if isinstance(error, DataFlowError):
        return error.exit_code, str(error)
    lake = _lake_meaning(error)
    if lake is not None:
        return lake, str(error)
    if isinstance(error, OSError) and traceback.extract_tb(error.__traceback__)[-1].name in ("mkdir", "makedirs"):
        return (
            ExitCode.USAGE,
            f"The folder {error.filename} cannot be made: {error.strerror}. Name a folder that this user can write "
            "with --home, DATAFLOW_HOME or in dataflow.toml.",
        )
    from dataflow.workspace.defects import place_of

    return (
        ExitCode.FAILED,
        f"unexpected {type(error).__name__} at {place_of(error)}. This is a defect of DataFlow; run again with "
        "dataflow --debug … to see the whole error (it can show customer data).",
    )


def _lake_meaning(error: BaseException) -> ExitCode | None:
    # By name, without an import: importing the lake takes longer than writing most errors.
    errors = sys.modules.get("lakehouse.errors")
    if errors is None or not isinstance(error, errors.LakeError):
        return None
    return ExitCode(error.exit_code)
