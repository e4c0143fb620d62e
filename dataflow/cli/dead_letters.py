"""dlq: list dead letters and decide on them; the next run applies the decisions."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.options import (
    ObjectOption,
    Output,
    OutputOption,
    SourceOption,
    YesOption,
    open_door,
    open_door_to_decide,
    settings_of,
)
from dataflow.cli.output import messages, write_records
from dataflow.errors import UsageError

if TYPE_CHECKING:
    import duckdb

    from dataflow.govern.dead_letters import DeadLetter, DeadLetterFilter
    from dataflow.validate.dead_letter_decisions import DeadLettersNow
    from lakehouse.inbox import Inbox

RuleOption = Annotated[str | None, typer.Option("--rule", help="Only those that broke this rule.")]
RunOption = Annotated[
    str | None, typer.Option("--run", help="Only those that this run set aside; of a refused run for 30 days.")
]
IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids, or their beginnings, from `dlq list`.")]


def register(app: typer.Typer) -> None:
    dlq = typer.Typer(
        help="Dead letters: rows set aside, with the rule they broke and why. The next run applies the decisions.",
        no_args_is_help=True,
    )
    dlq.command("list")(list_)
    dlq.command("count")(count)
    dlq.command("show")(show)
    dlq.command("replay")(replay)
    dlq.command("discard")(discard)
    app.add_typer(dlq, name="dlq")


def list_(
    context: typer.Context,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rule: RuleOption = None,
    status: Annotated[
        str, typer.Option("--status", help="open, replaying, resolved, superseded, discarded, or all.")
    ] = "open",
    run: RunOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, newest first: where each came from, which rule it broke and why.

    Example:  dataflow dlq list --source tickets --rule required
    """
    from dataflow.govern.dead_letters import STATUSES, list_dead_letters, require_known

    chosen = _filter_of(source, object_name, rule, [], run=run, statuses=STATUSES if status == "all" else (status,))
    with _open_to_read(context, run) as (con, now):
        require_known(con, chosen, settings_of(context), dead_letters=now)
        found = list_dead_letters(con, chosen, limit=limit, dead_letters=now)
    write_records([_listed(letter) for letter in found], output=output, title="Dead letters")


def count(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Count open dead letters by object and rule, most first.

    Example:  dataflow dlq count -o json
    """
    from dataflow.govern.dead_letters import count_dead_letters

    with _open_to_read(context) as (con, now):
        found = count_dead_letters(con, _filter_of(None, None, None, []), dead_letters=now)
    write_records([asdict(count) for count in found], output=output, title="Open dead letters")


def show(
    context: typer.Context,
    dead_letter_id: Annotated[str, typer.Argument(help="Id, or its beginning, from `dlq list`.")],
    run: RunOption = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one dead letter with the row as received, which is customer data.

    Example:  dataflow dlq show 3f2a91
    """
    from dataflow.govern.dead_letters import show_dead_letter

    with _open_to_read(context, run) as (con, now):
        found = asdict(show_dead_letter(con, dead_letter_id, with_payload=True, dead_letters=now))
    if output is Output.TABLE:
        write_records([{"field": name, "value": value} for name, value in found.items()], output=output)
    else:
        write_records([found], output=output)


def replay(
    context: typer.Context,
    ids: IdsArgument = None,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rule: RuleOption = None,
    yes: YesOption = False,
) -> None:
    """Validate dead letters again in the next run, after a rule or a mapping was corrected.

    Works while a run is going on. A replayed dead letter can be discarded, and the reverse: the last decision stands.

    Example:  dataflow dlq replay --source mysql --object orders
    """
    from dataflow.govern.dead_letters import replay_dead_letters, require_known
    from lakehouse.plural import agreeing, counted

    chosen = _filter_of(source, object_name, rule, ids or [], is_all_meant=yes)
    with _open_to_decide(context) as (con, inbox, now):
        require_known(con, chosen, settings_of(context), dead_letters=now)
        replayed = replay_dead_letters(
            con, inbox, chosen, who=getpass.getuser(), now=datetime.now(UTC), dead_letters=now
        )
    shown = counted(replayed, "dead letter")
    messages.print(f"{shown} {agreeing(replayed, 'is', 'are')} validated again by the next `dataflow run`.")


def discard(
    context: typer.Context,
    why: Annotated[str, typer.Option("--why", help="The reason; kept with the dead letters.")],
    ids: IdsArgument = None,
    who: Annotated[str | None, typer.Option("--who", help="Who decides; default: the logged-in user.")] = None,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rule: RuleOption = None,
    yes: YesOption = False,
) -> None:
    """Keep dead letters out for good; they stay on record as discarded, with who decided and why.

    Example:  dataflow dlq discard 3f2a91 --why "test rows of the vendor"
    """
    from dataflow.govern.dead_letters import discard_dead_letters, require_known
    from lakehouse.plural import agreeing, counted

    chosen = _filter_of(source, object_name, rule, ids or [], is_all_meant=yes)
    by = who or getpass.getuser()
    with _open_to_decide(context) as (con, inbox, now):
        require_known(con, chosen, settings_of(context), dead_letters=now)
        discarded = discard_dead_letters(con, inbox, chosen, who=by, why=why, now=datetime.now(UTC), dead_letters=now)
    shown, out = counted(discarded, "dead letter"), agreeing(discarded, "it", "them")
    messages.print(f"{shown} {agreeing(discarded, 'is', 'are')} discarded; the next `dataflow run` leaves {out} out.")


@contextmanager
def _open_to_read(
    context: typer.Context, run: str | None = None
) -> Iterator[tuple[duckdb.DuckDBPyConnection, DeadLettersNow]]:
    """Open the published lake; yield the connection, and the dead letters with the waiting decisions applied.

    Of a refused `run` they are those that its file holds.
    """
    from dataflow.govern.dead_letters import READS
    from dataflow.govern.refused_runs import dead_letters_of_run
    from dataflow.validate.dead_letter_decisions import lay_over_dead_letters

    # The file of a refused run is none of a mart's tables.
    with open_door(context, "dlq", reads=READS if run is None else None) as door:
        refused = dead_letters_of_run(door.con, run, settings_of(context)) if run is not None else None
        yield door.con, refused or lay_over_dead_letters(door.con, door.waiting)


@contextmanager
def _open_to_decide(context: typer.Context) -> Iterator[tuple[duckdb.DuckDBPyConnection, Inbox, DeadLettersNow]]:
    """Open the published lake and the inbox, which takes decisions also while a run holds the lake."""
    from dataflow.govern.dead_letters import READS
    from dataflow.validate.dead_letter_decisions import lay_over_dead_letters

    with open_door_to_decide(context, "dlq", reads=READS) as (door, inbox):
        yield door.con, inbox, lay_over_dead_letters(door.con, door.waiting)


def _filter_of(
    source: str | None,
    object_name: str | None,
    rule: str | None,
    ids: list[str],
    *,
    run: str | None = None,
    statuses: tuple[str, ...] = ("open",),
    is_all_meant: bool = True,
) -> DeadLetterFilter:
    from dataflow.govern.dead_letters import DeadLetterFilter

    if not is_all_meant and not ids and not any((source, object_name, rule)):
        raise UsageError(
            "No dead letter was chosen.",
            next_move="Give ids, --source, --object or --rule; or --yes for all that are open.",
        )
    return DeadLetterFilter(source=source, object=object_name, rule=rule, run=run, ids=tuple(ids), statuses=statuses)


def _listed(letter: DeadLetter) -> dict[str, object]:
    """Return a row of the list: where the dead letter came from and its reason, without the row as received."""
    from dataflow.govern.deciding import WAITS

    return {
        "id": letter.id,
        "source": letter.source,
        "object": letter.object,
        "locator": letter.locator,
        "rules": ", ".join(letter.rules),
        "reason": letter.reason,
        "status": letter.status,
        "state": WAITS if letter.is_waiting else "",
        "attempts": letter.attempts,
        "first_seen_at": letter.first_seen_at,
    }
