"""deploy: have workers run the flows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.options import Output, OutputOption
from dataflow.cli.output import write_records


def register(app: typer.Typer) -> None:
    app.command("deploy")(deploy)


def deploy(
    profile: Annotated[str, typer.Option(help="A profile of prefect.yaml: process, ecs.")] = "process",
    file: Annotated[Path, typer.Option(help="The prefect.yaml of the checkout.")] = Path("prefect.yaml"),
    output: OutputOption = Output.TABLE,
) -> None:
    """Deploy the flows to the work pools of a profile; `prefect worker start --pool POOL` then runs them.

    On a process pool a run is a process on the worker's machine, on ECS a task of the definition that the variable
    ECS_TASK_DEFINITION_ARN names. Pools that are missing are created; a repeated call changes what differs.

    Example:  dataflow deploy --profile ecs
    """
    from dataflow.settings.environment import deployment_variables
    from flows.deploying import deploy as deploy_profile

    names = deploy_profile(profile, file, deployment_variables())
    write_records([{"deployment": name, "profile": profile} for name in names], output=output, title="Deployed:")
