"""restore, maintain: change the lake outside a run."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.options import Output, OutputOption, YesOption, parse_version, require_role, require_yes, settings_of
from dataflow.cli.output import messages, write_json, write_records
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.govern.restore import Restored
    from dataflow.settings import Settings


def register(app: typer.Typer) -> None:
    app.command("restore")(restore)
    app.command("maintain")(maintain)


def restore(
    context: typer.Context,
    to: Annotated[str | None, typer.Option("--to", help="The time, or the snapshot number, to go back to.")] = None,
    table: Annotated[str | None, typer.Option("--table", help="Only this table, e.g. published.segments.")] = None,
    catalogue: Annotated[
        bool, typer.Option("--catalogue", help="Replace a damaged catalogue by the readers' copy, or the reverse.")
    ] = False,
    lost_files: Annotated[
        bool, typer.Option("--lost-files", help="Continue without data files that are lost and not in a backup.")
    ] = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Take the lake back to an earlier snapshot, as a new commit.

    Raw, run records, judgements and decisions on dead letters stay as they are, and the history of customers goes on
    with what readers see now; a later restore can undo this one. The next run asks the sources for nothing twice, and
    publishes again what was received since.

    With --table only that table goes back. The next run brings a valid or conformed table up to date; of any other
    table it updates only the rows that it recomputes.

    With --catalogue, the damaged one of catalogue and readers' copy is replaced by the other, at the snapshot that
    readers see; a damaged catalogue is kept beside it. With --lost-files, tables go back to the last snapshot that
    needs none of the lost files.

    Examples:  dataflow restore --to 2026-01-31T18:00:00Z

               dataflow restore --catalogue
    """
    if [to is not None, catalogue, lost_files].count(True) != 1 or (table and to is None):
        raise UsageError(
            "restore takes one of --to (with or without --table), --catalogue and --lost-files.",
            next_move="Give one of them.",
        )
    from dataflow.settings.roles import ENGINEER

    require_role(context, of=[ENGINEER], command="restore")
    settings = settings_of(context)
    if catalogue:
        _restore_catalogue(settings, output=output)
    elif lost_files:
        _restore_lost_files(settings, yes=yes, output=output)
    else:
        assert to is not None
        _restore_snapshot(settings, parse_version(to, option="--to"), table=table, yes=yes, output=output)


def _restore_snapshot(settings: Settings, to: int | datetime, *, table: str | None, yes: bool, output: Output) -> None:
    from dataflow.access.lake import open_lake
    from dataflow.govern.restore import require_restorable
    from dataflow.govern.restore import restore as restore_lake

    if table is not None:
        require_restorable(settings, table)
    what = table or "every table but what was received, decided and done"
    with open_lake(settings, purpose="restore", alone=True, create=False) as lake:
        target = lake.snapshot_at(to)
        question = f"Restore {what} to snapshot {target.id} of {target.at:%Y-%m-%d %H:%M:%S} UTC ({target.message})?"
        require_yes(question, yes=yes, otherwise="Nothing was restored.")
        done = restore_lake(lake, settings, target.id, table=table)
    _show_restored(what, done, output=output)


def _show_restored(what: str, done: Restored, *, output: Output) -> None:
    from lakehouse.plural import agreeing, counted

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
        return
    messages.print(
        f"Restored {what} to snapshot {done.target.id}; the lake is now at snapshot {done.snapshot.id}. "
        f"The next run reads {counted(done.objects_behind, 'object')} again from raw; "
        f"{counted(done.decisions_kept, 'decision')} made since on dead letters "
        f"{agreeing(done.decisions_kept, 'is', 'are')} kept."
    )


def _restore_lost_files(settings: Settings, *, yes: bool, output: Output) -> None:
    from dataflow.access.lake import open_lake
    from dataflow.govern.restore_lost import go_on_without_lost, plan_without_lost
    from lakehouse.plural import agreeing, counted

    with open_lake(settings, purpose="restore", alone=True, create=False) as lake:
        plan = plan_without_lost(lake, settings)
        steps = [f"{name} to snapshot {version}" for name, version in plan.tables.items()]
        if plan.derived is not None:
            steps.append(f"every table that runs make to snapshot {plan.derived}")
        require_yes(f"Restore {', '.join(steps)}?", yes=yes or not steps, otherwise="Nothing was restored.")
        go_on_without_lost(lake, settings, plan)
    if output is Output.JSON:
        write_json(asdict(plan))
    elif not steps:
        messages.print("No data file of the newest snapshot is lost: nothing to restore.")
    else:
        lost = f"{counted(plan.lost_files, 'data file')} {agreeing(plan.lost_files, 'is', 'are')} lost"
        messages.print(f"{lost}. Restored {', '.join(steps)}.")
        messages.print(
            "Readers see the restored tables now, which can be without customers until the next run. Next: `dataflow "
            "check` reads again what the sources still have, `dataflow run` brings the rest back and publishes."
        )


def _restore_catalogue(settings: Settings, *, output: Output) -> None:
    from dataflow.access.lake import lake_location
    from lakehouse.repair import repair_catalogue

    done = repair_catalogue(lake_location(settings), wait_seconds=settings.lake.wait_seconds)
    if output is Output.JSON:
        restored, kept = done.part.value if done.part else None, str(done.kept) if done.kept else None
        write_json({"restored": restored, "snapshot_id": done.snapshot, "kept": kept})
    elif done.part is None:
        messages.print(
            f"The catalogue and its readers' copy are undamaged, at snapshot {done.snapshot}: nothing to restore."
        )
    else:
        messages.print(f"Restored {done.part.value}; the lake is at snapshot {done.snapshot}.")
        if done.kept:
            messages.print(f"The damaged file is kept as {done.kept}.")


def maintain(
    context: typer.Context,
    older_than_days: Annotated[
        int | None,
        typer.Option(
            "--older-than-days",
            min=0,
            help="Expire snapshots older than this; default: lake.snapshot_retention_days.",
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Compact small files, expire old snapshots, delete files that no snapshot needs. Never runs beside another writer.

    Decisions that wait for the next run stay in the inbox.

    Example:  dataflow maintain --older-than-days 14
    """
    from dataflow.govern.maintenance import maintain_lake
    from dataflow.settings.amounts import MOST_DAYS

    if older_than_days is not None and older_than_days > MOST_DAYS:
        raise UsageError(f"--older-than-days is at most {MOST_DAYS}.")
    settings = settings_of(context)
    days = settings.lake.snapshot_retention_days if older_than_days is None else older_than_days
    done = maintain_lake(settings, older_than=datetime.now(UTC) - timedelta(days=days))
    write_records([done], output=output, title="Maintained")
