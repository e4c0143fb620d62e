"""alerts: incidents and their notifications."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import Output, OutputOption, open_door, require_role, settings_of
from dataflow.cli.output import messages, write_json, write_line, write_records
from dataflow.errors import SinkError

if TYPE_CHECKING:
    from dataflow.alerts.incidents import Incident
    from dataflow.workspace.incident_events import IncidentEvent

IncidentArgument = Annotated[str, typer.Argument(help="Key of the incident, or its beginning, from `alerts list`.")]


def register(app: typer.Typer) -> None:
    alerts = typer.Typer(
        help="Incidents: what runs found wrong, who was notified, and which run healed it.", no_args_is_help=True
    )
    alerts.command("list")(list_incidents)
    alerts.command("show")(show)
    alerts.command("ack")(acknowledge)
    alerts.command("test")(test)
    alerts.command("deliver")(deliver)
    app.add_typer(alerts, name="alerts")


def list_incidents(
    context: typer.Context,
    resolved: Annotated[bool, typer.Option("--all", help="Those that are resolved too.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """List the open incidents, oldest first. A lake that cannot be opened lists those that it has not recorded yet.

    Example:  dataflow alerts list --all -o json
    """
    from dataflow.alerts.incidents import derive_incidents

    found = derive_incidents(_events(context, all_of=resolved))
    shown = [one for one in found if resolved or one.is_open]
    write_records([_listed(one) for one in shown], output=output, title="Incidents")


def show(context: typer.Context, incident: IncidentArgument, output: OutputOption = Output.TABLE) -> None:
    """Show an incident and everything that happened to it.

    Example:  dataflow alerts show 3f2a91
    """
    from dataflow.alerts.reading import find_incident

    events = _events(context, all_of=True)
    found = find_incident(events, incident)
    history = [
        {"at": event.occurred_at, "event": event.kind, "run": event.run_id, "by": event.author, "found": event.summary}
        for event in events
        if event.incident_key == found.incident_key
    ]
    if output is Output.JSON:
        write_json({**asdict(found), "events": history})
        return
    facts = [{"fact": name, "value": value} for name, value in asdict(found).items()]
    write_records(facts, output=output)
    if output is Output.TABLE:
        write_line()
        write_records(history, output=output, title="Events")


def acknowledge(
    context: typer.Context,
    incident: IncidentArgument,
    who: Annotated[str | None, typer.Option("--who", help="Who takes it; default: the logged-in user.")] = None,
) -> None:
    """Acknowledge an incident: somebody works on it. Works while a run is going on, and without a lake.

    Example:  dataflow alerts ack 3f2a91
    """
    import getpass

    from dataflow.alerts.delivering import deliver as send
    from dataflow.alerts.reading import find_incident
    from dataflow.alerts.recording import acknowledge as write
    from dataflow.workspace.incident_events import Outbox

    settings, now = settings_of(context), datetime.now(UTC)
    found = find_incident(_events(context, all_of=True), incident)
    if found.state != "open":
        messages.print(f"The incident {found.incident_key} is {found.state} already.")
        return
    outbox = Outbox(settings)
    write(outbox, found, who=who or getpass.getuser(), now=now)
    messages.print(f"The incident {found.incident_key} is acknowledged.")
    for delivered in send(settings, outbox, now=now):
        if delivered.failure:
            messages.print(delivered.failure)


def test(context: typer.Context) -> None:
    """Send a notification to each channel of [alerts], and say which took it.

    Example:  dataflow alerts test
    """
    from dataflow.alerts.reading import try_channels
    from dataflow.settings.roles import ENGINEER

    require_role(context, of=[ENGINEER], command="alerts test")
    found = try_channels(settings_of(context), now=datetime.now(UTC))
    for name, why in found.items():
        messages.print(f"{name}: {why or 'took the notification'}")
    if failed := [name for name, why in found.items() if why]:
        raise SinkError(f"These channels did not take it: {', '.join(failed)}.", next_move="Correct them, try again.")


def deliver(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Send the notifications that wait; find runs that crashed. The deployment `deliver` does it each minute.

    Example:  dataflow alerts deliver
    """
    from dataflow.alerts.run_end import deliver_waiting
    from dataflow.settings.roles import ENGINEER

    require_role(context, of=[ENGINEER], command="alerts deliver")
    found = deliver_waiting(settings_of(context), now=datetime.now(UTC))
    write_records([asdict(one) for one in found], output=output, title="Channels")


def _events(context: typer.Context, *, all_of: bool) -> Sequence[IncidentEvent]:
    """Return the events of the lake and of the outbox; of the outbox alone where the lake cannot be read."""
    from dataflow.alerts.reading import read_known_events
    from dataflow.tables.ops import INCIDENT_EVENT
    from dataflow.workspace.incident_events import read_incident_events

    def in_lake() -> list[IncidentEvent]:
        with open_door(context, "alerts", reads=(INCIDENT_EVENT,)) as door:
            return read_incident_events(door.con, all_of=all_of)

    known = read_known_events(settings_of(context), in_lake)
    if known.missing:
        messages.print(f"Without what the lake has recorded: {known.missing}")
    return known.events


def _listed(incident: Incident) -> dict[str, Any]:
    return {
        "incident": incident.incident_key,
        "severity": incident.severity,
        "state": incident.state,
        "rule": incident.rule,
        "object": incident.object,
        "cause": incident.cause,
        "owner": incident.owner,
        "seen": incident.seen,
        "opened_at": incident.opened_at,
        "resolved_at": incident.resolved_at,
        "summary": incident.summary,
    }
