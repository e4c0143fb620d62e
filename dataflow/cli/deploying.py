"""deploy: have workers run the flows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.options import Output, OutputOption, settings_of
from dataflow.cli.output import messages, write_records

if TYPE_CHECKING:
    from dataflow.settings import Settings


def register(app: typer.Typer) -> None:
    app.command("deploy")(deploy)


def deploy(
    context: typer.Context,
    profile: Annotated[str, typer.Option(help="A profile of prefect.yaml: process, ecs.")] = "process",
    file: Annotated[Path, typer.Option(help="The prefect.yaml of the project.")] = Path("prefect.yaml"),
    shadow: Annotated[
        bool, typer.Option("--shadow", help="First publish the same rows with this code, within --budget.")
    ] = False,
    budget: Annotated[
        float, typer.Option("--budget", min=0, max=1, help="Share of a table's rows that --shadow may change.")
    ] = 0.01,
    output: OutputOption = Output.TABLE,
) -> None:
    """Deploy the flows to the work pools of a profile; `prefect worker start --pool POOL` then runs them.

    On a process pool a run is a process on the worker's machine, on ECS a task of the definition that the variable
    ECS_TASK_DEFINITION_ARN names. Pools that are missing are created; a repeated call changes what differs.

    --shadow: this code computes and audits a publication beside the lake, by the clock of the last one. Where it would
    change more of a published table's rows than --budget, nothing is committed or deployed and the exit code is 3; else
    readers go over to it in one transaction, and `dataflow restore` goes back. Rows that landed since count too.

    Example:  dataflow deploy --profile ecs --shadow --budget 0.01
    """
    from dataflow.settings.environment import deployment_variables
    from flows.deploying import deploy as deploy_profile
    from flows.deploying import read_profile, server_url

    variables = deployment_variables()
    if shadow:
        # Before anything is published: what would stop the deployment after it.
        read_profile(file, profile, variables)
        server_url()
        _publish_shadow(settings_of(context), budget=budget)
    names = deploy_profile(profile, file, variables)
    write_records([{"deployment": name, "profile": profile} for name in names], output=output, title="Deployed:")


def _publish_shadow(settings: Settings, *, budget: float) -> None:
    from dataflow.cli.running import perform
    from dataflow.publish.change_budget import clock_of_shadow

    outcome = perform(settings, "publish", {"change_budget": budget}, now=clock_of_shadow(settings).isoformat())
    messages.print(f"{outcome.status.capitalize()}: {outcome.message}.")
