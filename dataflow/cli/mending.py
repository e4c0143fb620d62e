"""restore, maintain: they change the lake outside a run. dlq: decisions on dead letters, which the next run takes."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.options import (
    ObjectOption,
    Output,
    OutputOption,
    SourceOption,
    YesOption,
    open_door,
    parse_version,
    settings_of,
)
from dataflow.cli.output import words, write_json, write_records
from dataflow.errors import UsageError
from dataflow.observe.visible import visible

if TYPE_CHECKING:
    import duckdb

    from dataflow.govern.dead_letters import DeadLetter, DeadLetterFilter
    from dataflow.settings import Settings
    from dataflow.validate.dead_letter_decisions import DeadLettersNow

RuleOption = Annotated[str | None, typer.Option("--rule", help="Only those that broke this rule.")]
IdsArgument = Annotated[list[str] | None, typer.Argument(help="Ids, or their beginnings, from `dlq list`.")]


def register(app: typer.Typer) -> None:
    app.command("restore")(restore)
    letters = typer.Typer(
        help="Dead letters: rows that were set aside, with the reason. The next run acts on what is decided.",
        no_args_is_help=True,
    )
    letters.command("list")(list_dead)
    letters.command("count")(count_dead)
    letters.command("show")(show_dead)
    letters.command("replay")(replay_dead)
    letters.command("discard")(discard_dead)
    app.add_typer(letters, name="dlq")
    app.command("maintain")(maintain)


def restore(
    context: typer.Context,
    to: Annotated[str | None, typer.Option("--to", help="The time, or the snapshot number, to go back to.")] = None,
    table: Annotated[str | None, typer.Option("--table", help="Only this table, e.g. published.segments.")] = None,
    catalogue: Annotated[
        bool, typer.Option("--catalogue", help="Mend a damaged catalogue from its readers' copy, or that copy.")
    ] = False,
    lost_files: Annotated[
        bool, typer.Option("--lost-files", help="Go on without data files that are lost and that no backup has.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make the lake what it was, as a new commit. What was received, decided and done stays.

    Raw, run records, judgements and decisions on dead letters are kept, and a later restore can undo this one. The next
    run asks the sources for nothing twice, and publishes again what was received since.

    With --table only that table goes back: the next run brings a valid or conformed table up to date again, and of any
    other table only the rows that it touches.

    With --catalogue, what is damaged is replaced by what is whole, at the snapshot that readers see; a damaged
    catalogue is kept beside it. With --lost-files, tables go back to the last snapshot that needs none of the files.

    Examples:  dataflow restore --to 2026-01-31T18:00:00Z

               dataflow restore --catalogue
    """
    if [to is not None, catalogue, lost_files].count(True) != 1 or (table and to is None):
        raise UsageError(
            "restore goes back --to a time, one --table with it, or mends the --catalogue, or goes on without "
            "--lost-files.",
            next_move="Give one of them.",
        )
    if catalogue:
        _restore_catalogue(settings_of(context), output=output)
        return
    if lost_files:
        _restore_lost_files(settings_of(context), yes=yes, output=output)
        return
    assert to is not None
    from dataflow.access.lake import open_lake
    from dataflow.govern.restore import require_restorable
    from dataflow.govern.restore import restore as restore_lake

    version = parse_version(to, option="--to")
    settings = settings_of(context)
    if table is not None:
        require_restorable(settings, table)
    what = table or "every table but what was received, decided and done"
    with open_lake(settings, purpose="restore", alone=True) as lake:
        target = lake.snapshot_at(version)
        question = f"Restore {what} to snapshot {target.id} of {target.at:%Y-%m-%d %H:%M:%S} UTC ({target.message})?"
        if not yes and not typer.confirm(visible(question), err=True):
            raise UsageError("Nothing was restored.", next_move="Answer y, or give --yes.")
        done = restore_lake(lake, settings, target.id, table=table)
    if output is Output.JSON:
        write_json(
            {
                "restored": what,
                "to_snapshot": done.target.id,
                "snapshot_id": done.snapshot.id,
                "run_id": done.run_id,
                "objects_behind": done.objects_behind,
                "decisions_kept": done.decisions_kept,
            }
        )
    else:
        words.print(
            f"Restored {what} to snapshot {done.target.id}; the lake is now at snapshot {done.snapshot.id}. "
            f"The next run reads {done.objects_behind} objects again from raw; {done.decisions_kept} decisions that "
            "were made since on dead letters are kept."
        )


def _restore_lost_files(settings: Settings, *, yes: bool, output: Output) -> None:
    from dataflow.access.lake import open_lake
    from dataflow.govern.restore_lost import go_on_without_lost, plan_without_lost

    with open_lake(settings, purpose="restore", alone=True) as lake:
        plan = plan_without_lost(lake, settings)
        steps = [f"{name} to snapshot {version}" for name, version in plan.tables.items()]
        if plan.derived is not None:
            steps.append(f"every table that runs make to snapshot {plan.derived}")
        question = f"Restore {', '.join(steps)}?"
        if steps and not yes and not typer.confirm(visible(question), err=True):
            raise UsageError("Nothing was restored.", next_move="Answer y, or give --yes.")
        go_on_without_lost(lake, settings, plan)
    if output is Output.JSON:
        write_json(asdict(plan))
    elif not steps:
        words.print("No data file of the newest snapshot is lost: nothing to restore.")
    else:
        words.print(f"Restored {', '.join(steps)}.")
        words.print("Next: `dataflow check` reads again what the sources still have, `dataflow run` publishes.")


def _restore_catalogue(settings: Settings, *, output: Output) -> None:
    from dataflow.access.lake import lake_location
    from lakehouse.mend import mend_catalogue

    done = mend_catalogue(lake_location(settings), wait_seconds=settings.lake.wait_seconds)
    if output is Output.JSON:
        restored, kept = done.part.value if done.part else None, str(done.kept) if done.kept else None
        write_json({"restored": restored, "snapshot_id": done.snapshot, "kept": kept})
    elif done.part is None:
        words.print(f"The catalogue and its readers' copy are whole, at snapshot {done.snapshot}: nothing to restore.")
    else:
        words.print(f"Restored {done.part.value}; the lake is at snapshot {done.snapshot}.")
        if done.kept:
            words.print(f"The damaged file is kept as {done.kept}.")


def list_dead(
    context: typer.Context,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rule: RuleOption = None,
    status: Annotated[
        str, typer.Option("--status", help="open, replaying, resolved, superseded, discarded; all: every one.")
    ] = "open",
    limit: Annotated[int, typer.Option("--limit", min=1)] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List dead letters, newest first: where each came from, which rule it broke and why.

    Example:  dataflow dlq list --source tickets --rule not_null
    """
    from dataflow.govern.dead_letters import STATUSES, list_dead_letters

    chosen = _chosen(source, object_name, rule, [], statuses=STATUSES if status == "all" else (status,))
    with _reading(context) as (con, letters):
        found = list_dead_letters(con, chosen, limit=limit, dead_letters=letters)
    write_records([_listed(letter) for letter in found], output=output, title="Dead letters")


def count_dead(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Count open dead letters by object and rule, most first.

    Example:  dataflow dlq count -o json
    """
    from dataflow.govern.dead_letters import count_dead_letters

    with _reading(context) as (con, letters):
        found = count_dead_letters(con, _chosen(None, None, None, []), dead_letters=letters)
    write_records([asdict(count) for count in found], output=output, title="Open dead letters")


def show_dead(
    context: typer.Context,
    letter_id: Annotated[str, typer.Argument(help="Id, or its beginning, from `dlq list`.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show one dead letter whole, the row as received included: this shows customer data.

    Example:  dataflow dlq show 3f2a91
    """
    from dataflow.govern.dead_letters import show_dead_letter

    with _reading(context) as (con, letters):
        found = asdict(show_dead_letter(con, letter_id, with_payload=True, dead_letters=letters))
    if output is Output.TABLE:
        write_records([{"field": name, "value": str(value)} for name, value in found.items()], output=output)
    else:
        write_records([found], output=output)


def replay_dead(
    context: typer.Context,
    ids: IdsArgument = None,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rule: RuleOption = None,
    yes: YesOption = False,
) -> None:
    """Have the next run validate dead letters again, after a rule or a mapping was corrected.

    It can be given while a run goes on. What is replayed can be discarded, and the reverse: the last decision stands.

    Example:  dataflow dlq replay --source mysql --object orders
    """
    from dataflow.access.door import open_to_decide
    from dataflow.access.who import system_user
    from dataflow.govern.dead_letters import replay_dead_letters
    from dataflow.validate.dead_letter_decisions import lay_over_dead_letters

    chosen = _chosen(source, object_name, rule, ids or [], all_of_them=yes)
    with open_to_decide(system_user(), settings=settings_of(context)) as (door, inbox):
        letters = lay_over_dead_letters(door.con, door.waiting)
        count = replay_dead_letters(
            door.con, inbox, chosen, who=getpass.getuser(), now=datetime.now(UTC), dead_letters=letters
        )
    words.print(f"{count:,} dead letters are tried again by the next `dataflow run`.")


def discard_dead(
    context: typer.Context,
    why: Annotated[str, typer.Option("--why", help="The reason; kept with the dead letters.")],
    ids: IdsArgument = None,
    who: Annotated[str | None, typer.Option("--who", help="Who decides it; default: the user logged in.")] = None,
    source: SourceOption = None,
    object_name: ObjectOption = None,
    rule: RuleOption = None,
    yes: YesOption = False,
) -> None:
    """Decide that dead letters stay out; they stay on record as discarded, with who decided and why.

    Example:  dataflow dlq discard 3f2a91 --why "test rows of the vendor"
    """
    from dataflow.access.door import open_to_decide
    from dataflow.access.who import system_user
    from dataflow.govern.dead_letters import discard_dead_letters
    from dataflow.validate.dead_letter_decisions import lay_over_dead_letters

    chosen = _chosen(source, object_name, rule, ids or [], all_of_them=yes)
    with open_to_decide(system_user(), settings=settings_of(context)) as (door, inbox):
        letters = lay_over_dead_letters(door.con, door.waiting)
        count = discard_dead_letters(
            door.con, inbox, chosen, who=who or getpass.getuser(), why=why, now=datetime.now(UTC), dead_letters=letters
        )
    words.print(f"{count:,} dead letters are discarded; the next `dataflow run` leaves them out.")


@contextmanager
def _reading(context: typer.Context) -> Iterator[tuple[duckdb.DuckDBPyConnection, DeadLettersNow]]:
    """Open the published lake with the decisions on dead letters that wait for the next run laid over."""
    from dataflow.validate.dead_letter_decisions import lay_over_dead_letters

    with open_door(context, "stewardship") as door:
        yield door.con, lay_over_dead_letters(door.con, door.waiting)


def _chosen(
    source: str | None,
    object_name: str | None,
    rule: str | None,
    ids: list[str],
    *,
    statuses: tuple[str, ...] = ("open",),
    all_of_them: bool = True,
) -> DeadLetterFilter:
    from dataflow.govern.dead_letters import DeadLetterFilter

    if not all_of_them and not ids and not any((source, object_name, rule)):
        raise UsageError(
            "No dead letter was named.",
            next_move="Give ids, --source, --object or --rule; or --yes for every open one.",
        )
    return DeadLetterFilter(source=source, object=object_name, rule=rule, ids=tuple(ids), statuses=statuses)


def _listed(letter: DeadLetter) -> dict[str, object]:
    """A dead letter as a row of the list: where it came from and what is wrong, without what it holds."""
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


def maintain(
    context: typer.Context,
    older_than_days: Annotated[
        int | None,
        typer.Option("--older-than-days", min=0, help="Forget snapshots older than this; default: the setting."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compact small files, expire old snapshots, remove files that no snapshot needs. Alone: never beside a run.

    Decisions that wait for the next run stay in the inbox.

    Example:  dataflow maintain --older-than-days 14
    """
    from dataflow.govern.maintenance import maintain_lake

    settings = settings_of(context)
    days = settings.lake.snapshot_retention_days if older_than_days is None else older_than_days
    done = maintain_lake(settings, older_than=datetime.now(UTC) - timedelta(days=days))
    write_records([done], output=output, title="Maintained")
