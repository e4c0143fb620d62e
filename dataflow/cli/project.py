"""init, doctor: start a project, and find out why it does not run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.options import Output, OutputOption, settings_of
from dataflow.cli.output import messages, write_json, write_line
from dataflow.errors import UsageError

_ENVIRONMENT_SAMPLE = """\
# Copy to .env and fill in; .env is never committed. Every setting of dataflow.toml can be given here or in the
# environment, with two underscores between the parts of its name. Secrets belong here and nowhere else.

# Where the data is kept (default: .dataflow beside dataflow.toml)
# DATAFLOW_HOME=/var/lib/dataflow

# Memory and threads of a run
# DATAFLOW_LAKE__MEMORY_LIMIT=4GB
# DATAFLOW_LAKE__THREADS=4

# A lake in production: catalogue in PostgreSQL, data on S3
# (TLS 1.3, the certificate checked; a private authority: &sslrootcert=/path/ca.pem), readers by a role with SELECT only
# DATAFLOW_LAKE__CATALOGUE=postgresql://user:password@host:5432/database?schema=lake_meta
# DATAFLOW_LAKE__CATALOGUE_READER=postgresql://reader:password@host:5432/database?schema=lake_meta
# DATAFLOW_LAKE__DATA=s3://bucket/prefix
# DATAFLOW_LAKE__S3__KEY_ID=
# DATAFLOW_LAKE__S3__SECRET=
# DATAFLOW_LAKE__S3__REGION=eu-central-1
# DATAFLOW_LAKE__S3__CA_FILE=

# A Prefect server or Prefect Cloud; without it Prefect runs inside `dataflow run`
# PREFECT_API_URL=http://127.0.0.1:4200/api
"""


def register(app: typer.Typer) -> None:
    app.command("init")(init)
    app.command("doctor")(doctor)


def init(
    folder: Annotated[Path, typer.Argument(help="Folder to write into.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite existing files.")] = False,
    place: Annotated[str, typer.Option("--from", help="Write what `dataflow discover` finds there instead.")] = "",
) -> None:
    """Write dataflow.toml, .env.example and prefect.yaml as a start for your own settings.

    Example:  dataflow init my-project
    """
    from dataflow.cli.discovering import write_discovered
    from dataflow.settings import default_toml
    from flows.deploying import project_file

    if place:
        write_discovered(place, folder, force=force)
        return
    files = {"dataflow.toml": default_toml(), ".env.example": _ENVIRONMENT_SAMPLE, "prefect.yaml": project_file()}
    there = [name for name in files if (folder / name).exists()]
    if there and not force:
        raise UsageError(
            f"{folder.resolve()} already has {' and '.join(there)}.",
            next_move="Choose another folder, or give --force.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        messages.print(f"Wrote {folder / name}")
    messages.print("Next: change the sources and mappings in dataflow.toml, then run `dataflow doctor`.")


def doctor(
    context: typer.Context,
    fix_modes: Annotated[
        bool, typer.Option("--fix-modes", help="First withdraw the access of other users of this machine.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check everything that a run needs; the exit code is the number of failed probes.

    Example:  dataflow doctor
    """
    from dataflow.observe import doctor as probing

    settings = settings_of(context)
    if fix_modes:
        corrected, refused = probing.fix_modes(settings)
        messages.print(f"Corrected the modes of {corrected:,} files and folders.")
        if refused:
            messages.print(f"{refused:,} belong to other users: run the command as their owner.")
    probes = []
    for probe in probing.probe_all(settings):
        probes.append(probe)
        if output is Output.TABLE:
            mark = ("ok  ", "green") if probe.is_well else ("FAIL", "red")
            write_line(mark, f" {probe.name:<16} {probe.found}")
            if probe.fix:
                write_line(f"     {'':<16} → {probe.fix}")
    failed = sum(not probe.is_well for probe in probes)
    if output is not Output.TABLE:
        write_json([asdict(probe) for probe in probes])
    messages.print(f"{len(probes)} probes, {failed} failed." if failed else f"All {len(probes)} probes passed.")
    raise typer.Exit(failed)
