"""dlq: list dead letters and decide on them; the next run applies the decisions."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NamedTuple

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
from dataflow.cli.output import messages, write_json, write_line, write_records
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
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be decided; decide nothing.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids, or their beginnings, from `dlq list`.")]
_MOST_CAUSES = 10_000


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
    by_cause: Annotated[
        bool, typer.Option("--by-cause", help="Group them by cause, each with the likeliest fix.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, newest first: where each came from, which rule it broke and why.

    Examples:  dataflow dlq list --source tickets --rule required

               dataflow dlq list --by-cause -o json
    """
    from dataflow.govern.dead_letter_causes import list_causes
    from dataflow.govern.dead_letters import STATUSES, list_dead_letters, require_known

    settings = settings_of(context)
    chosen = _filter_of(source, object_name, rule, [], run=run, statuses=STATUSES if status == "all" else (status,))
    with _open_to_read(context, run) as (con, now):
        require_known(con, chosen, settings, dead_letters=now)
        if by_cause:
            causes = list_causes(con, chosen, settings, limit=limit, dead_letters=now)
            write_records([asdict(cause) for cause in causes], output=output, title="Causes of dead letters")
            return
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
    from dataflow.govern.dead_letters import read_events, show_dead_letter

    with _open_to_read(context, run) as (con, now):
        found = asdict(show_dead_letter(con, dead_letter_id, with_payload=True, dead_letters=now))
        events = read_events(con, found["id"]) if run is None else []
    if output is Output.JSON:
        write_json([{**found, "events": events}])
        return
    facts = [{"field": name, "value": value} for name, value in found.items()]
    write_records(facts if output is Output.TABLE else [found], output=output)
    if output is Output.TABLE and events:
        write_line()
        write_records(events, output=output, title="What became of it")


def replay(
    context: typer.Context,
    ids: IdsArgument = None,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rule: RuleOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Validate dead letters again in the next run, after a rule or a mapping was corrected.

    Works while a run is going on. A replayed dead letter can be discarded, and the reverse: the last decision stands.

    Examples:  dataflow dlq replay --source mysql --object orders

               dataflow dlq replay --rule required --dry-run -o json
    """
    from dataflow.govern.dead_letters import REPLAYABLE, replay_dead_letters
    from lakehouse.plural import agreeing, counted

    def write(desk: _Desk) -> int:
        return replay_dead_letters(
            desk.con, desk.inbox, chosen, who=getpass.getuser(), now=datetime.now(UTC), dead_letters=desk.now
        )

    chosen = _filter_of(source, object_name, rule, ids or [], is_all_meant=yes or dry_run)
    done = _decide(context, chosen, "replay", of=REPLAYABLE, write=None if dry_run else write, output=output)
    shown = counted(done, "dead letter")
    if dry_run:
        messages.print(f"{shown} would be validated again; nothing was decided.")
    else:
        messages.print(f"{shown} {agreeing(done, 'is', 'are')} validated again by the next `dataflow run`.")


def discard(
    context: typer.Context,
    why: Annotated[str, typer.Option("--why", help="The reason; kept with the dead letters.")],
    ids: IdsArgument = None,
    who: Annotated[str | None, typer.Option("--who", help="Who decides; default: the logged-in user.")] = None,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rule: RuleOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Keep dead letters out for good; they stay on record as discarded, with who decided and why.

    Example:  dataflow dlq discard 3f2a91 --why "test rows of the vendor"
    """
    from dataflow.govern.dead_letters import discard_dead_letters
    from dataflow.tables.ops import WAITING
    from lakehouse.plural import agreeing, counted

    def write(desk: _Desk) -> int:
        by = who or getpass.getuser()
        return discard_dead_letters(
            desk.con, desk.inbox, chosen, who=by, why=why, now=datetime.now(UTC), dead_letters=desk.now
        )

    chosen = _filter_of(source, object_name, rule, ids or [], is_all_meant=yes or dry_run)
    done = _decide(context, chosen, "discard", of=WAITING, write=None if dry_run else write, output=output)
    shown, out = counted(done, "dead letter"), agreeing(done, "it", "them")
    if dry_run:
        messages.print(f"{shown} would be discarded; nothing was decided.")
    else:
        messages.print(f"{shown} {agreeing(done, 'is', 'are')} discarded; the next `dataflow run` leaves {out} out.")


class _Desk(NamedTuple):
    """What a decision needs: the published lake, the inbox, and the dead letters with waiting decisions applied."""

    con: duckdb.DuckDBPyConnection
    inbox: Inbox
    now: DeadLettersNow


def _decide(
    context: typer.Context,
    chosen: DeadLetterFilter,
    decision: str,
    *,
    of: Sequence[str],
    write: Callable[[_Desk], int] | None,
    output: Output,
) -> int:
    """Decide on dead letters of the statuses `of`, or count them where nothing is to be written; show their causes.

    The table of causes is that of a dry run; JSON and CSV have it always.
    """
    from dataflow.govern.dead_letter_causes import list_causes
    from dataflow.govern.dead_letters import decidable, require_known

    settings = settings_of(context)
    with _open_to_decide(context) as (con, inbox, now):
        require_known(con, chosen, settings, dead_letters=now)
        causes = []
        if write is None or output is not Output.TABLE:
            meant = decidable(con, chosen, statuses=of, dead_letters=now)
            causes = list_causes(con, meant, settings, limit=_MOST_CAUSES, dead_letters=now)
        done = write(_Desk(con, inbox, now)) if write is not None else sum(cause.rows for cause in causes)
    if output is Output.JSON:
        records = [asdict(cause) for cause in causes]
        write_json({"decision": decision, "is_dry_run": write is None, "dead_letters": done, "causes": records})
    elif causes:
        write_records([asdict(cause) for cause in causes], output=output, title="Causes of dead letters")
    return done


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
