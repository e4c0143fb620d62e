"""audit: read, verify and export the access log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dataflow.cli.options import Output, OutputOption, require_role, settings_of, timestamp_or_none
from dataflow.cli.output import messages, write_json, write_line, write_records
from dataflow.errors import AccessLogDamaged, UsageError

if TYPE_CHECKING:
    from dataflow.access.log.history import Choice, Logged
    from dataflow.access.log.verify import Anchor, TreeReport
    from dataflow.settings import Settings

WhoOption = Annotated[str | None, typer.Option("--who", help="Only what this user or token read.")]
RoleOption = Annotated[str | None, typer.Option("--role", help="Only what was read in this role.")]
TableOption = Annotated[str | None, typer.Option("--table", help="Only reads of this table, as schema.table.")]
SubjectOption = Annotated[str | None, typer.Option("--subject", help="Only reads about this customer, by customer_id.")]
FromOption = Annotated[str | None, typer.Option("--since", help="Only reads at this time or later (UTC).")]
BeforeOption = Annotated[str | None, typer.Option("--until", help="Only reads before this time (UTC).")]
LogOption = Annotated[
    Path | None, typer.Option("--log", help="Folder of the log; default: audit.log of dataflow.toml.")
]


def register(app: typer.Typer) -> None:
    audit = typer.Typer(
        help="The access log: who read what, when and why; whether an entry was changed, removed or cut off.",
        no_args_is_help=True,
    )
    audit.command("list")(list_)
    audit.command("verify")(verify)
    audit.command("export")(export)
    audit.command("prove")(prove)
    app.add_typer(audit, name="audit")


def list_(
    context: typer.Context,
    who: WhoOption = None,
    role: RoleOption = None,
    table: TableOption = None,
    subject: SubjectOption = None,
    since: FromOption = None,
    until: BeforeOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, the newest.")] = 50,
    output: OutputOption = Output.TABLE,
) -> None:
    """List reads, newest first: who, when, in which role, for which purpose, which tables, how many rows.

    A statement is a keyed hash of its form without its values: the same question has the same hash. A customer is a
    reference that only the table beside the log resolves, until the customer is erased.

    Example:  dataflow audit list --table published.customer_360 --since 2026-01-31
    """
    settings = _settings_for_the_log(context, "list")
    choice = _choice(settings, who=who, role=role, table=table, subject=subject, since=since, until=until)
    found = _newest(_entries(settings, choice), limit)
    if output is Output.TABLE:
        write_records([_row(one) for one in found], output=output, title="Reads")
    else:
        write_records([one.as_dict() for one in found], output=output)


def verify(
    context: typer.Context,
    key: Annotated[
        Path | None,
        typer.Option("--key", help="A copy of the file public.key, kept elsewhere; default: beside the log."),
    ] = None,
    log: LogOption = None,
    head: Annotated[
        list[Path] | None,
        typer.Option("--head", help="A signed head kept elsewhere, such as of a run report; can be repeated."),
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Check that no entry was changed, removed or inserted, and that no tail was cut off since an anchored head.

    It needs the files of the log and the public key. Without --log it also compares the heads that runs anchored in
    the lake and in audit.anchor_bucket. The exit code is 1 if anything is found.

    Examples:  dataflow audit verify

               dataflow audit verify --log .dataflow/access/log
    """
    from dataflow.access.log.place import log_root
    from dataflow.govern.audit import known_anchors, read_anchor, read_keys, verify_log

    settings = settings_of(context) if log is not None else _settings_for_the_log(context, "verify")
    if log is not None and not log.is_dir():
        raise UsageError(f"There is no folder {log}.", next_move="Give the folder of a log, or of one writer.")
    anchors: list[Anchor] = [read_anchor(file) for file in head or ()]
    notes: list[str] = []
    if log is None:
        kept, notes = known_anchors(settings)
        anchors += kept
    reports, lost = verify_log(log or log_root(settings), anchors=anchors, keys=read_keys(key) if key else ())
    _write_reports(reports, lost, notes, output=output)
    findings = [finding for report in reports for finding in report.findings] + lost
    if findings:
        raise AccessLogDamaged(
            f"The access log is not what was written; findings: {len(findings)}.",
            next_move="Keep a copy of its folder as evidence; the anchored heads say until when it was whole.",
        )


def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", help="File to write, .parquet or .jsonl (JSON lines).")],
    who: WhoOption = None,
    role: RoleOption = None,
    table: TableOption = None,
    subject: SubjectOption = None,
    since: FromOption = None,
    until: BeforeOption = None,
) -> None:
    """Write reads to a file, oldest first, for another tool or a regulator. It holds no value of a customer.

    Example:  dataflow audit export --out reads.parquet --since 2026-01-01
    """
    from dataflow.govern.audit import export_log

    settings = _settings_for_the_log(context, "export")
    choice = _choice(settings, who=who, role=role, table=table, subject=subject, since=since, until=until)
    count = export_log(_entries(settings, choice), out)
    messages.print(f"Wrote {count:,} entries to {out}")


def prove(
    context: typer.Context,
    entry: Annotated[str, typer.Argument(help="Name of the entry, as `audit list` shows it.")],
    log: LogOption = None,
) -> None:
    """Write the proof that an entry is in the log: its path to the signed head, as a C2SP tlog-proof.

    Who has the proof and the public key needs neither the log nor DataFlow. `extra` is the entry, in base64.

    Example:  dataflow audit prove 2 > read.tlog-proof
    """
    from dataflow.access.log.history import prove as proof_of
    from dataflow.access.log.place import log_root

    root = log or log_root(_settings_for_the_log(context, "prove"))
    for line in proof_of(root, entry).rstrip("\n").split("\n"):
        write_line(line)


def _settings_for_the_log(context: typer.Context, command: str) -> Settings:
    """Return the settings for a user who may read the log: it says what others read. Raises: AccessRefused."""
    from dataflow.settings.roles import LAKE_ROLES

    require_role(context, of=LAKE_ROLES, command=f"audit {command}")
    return settings_of(context)


def _choice(
    settings: Settings,
    *,
    who: str | None,
    role: str | None,
    table: str | None,
    subject: str | None,
    since: str | None,
    until: str | None,
) -> Choice:
    from dataflow.access.log.history import Choice
    from dataflow.govern.audit import references_of

    return Choice(
        who=who,
        role=role,
        table=table,
        subjects=references_of(settings, subject) if subject is not None else None,
        since=timestamp_or_none(since, option="--since"),
        until=timestamp_or_none(until, option="--until"),
    )


def _entries(settings: Settings, choice: Choice) -> Iterator[Logged]:
    from dataflow.access.log.history import entries_in
    from dataflow.access.log.place import log_root

    return entries_in(log_root(settings), choice)


def _newest(found: Iterator[Logged], limit: int) -> list[Logged]:
    from collections import deque

    return list(reversed(deque(found, maxlen=limit)))


def _row(one: Logged) -> dict[str, Any]:
    entry = one.entry
    return {
        "entry": one.name,
        "at": entry.at,
        "who": entry.who,
        "role": entry.role,
        "purpose": entry.purpose,
        "door": entry.door,
        "tables": ", ".join(entry.tables),
        "columns": ", ".join(entry.columns),
        "rows": entry.rows,
        "masked": "masked" if entry.masked else "",
        "subjects": len(entry.subjects) or "",
        "outcome": entry.outcome if not entry.detail else f"{entry.outcome}: {entry.detail}",
    }


def _write_reports(reports: list[TreeReport], lost: list[str], notes: list[str], *, output: Output) -> None:
    rows = [
        {
            "log": report.origin,
            "entries": report.entries,
            "anchored heads": report.anchors,
            "result": "; ".join(report.findings) or "whole",
        }
        for report in reports
    ]
    if output is Output.JSON:
        documents = [
            {
                "origin": report.origin,
                "folder": str(report.folder),
                "entries": report.entries,
                "anchors": report.anchors,
                "findings": list(report.findings),
                "notes": list(report.notes),
                "head": report.head,
            }
            for report in reports
        ]
        write_json({"logs": documents, "findings": lost, "notes": notes})
        return
    write_records(
        rows + [{"log": "", "entries": None, "anchored heads": None, "result": one} for one in lost],
        output=output,
        title="Access log",
    )
    for note in (*notes, *(f"{report.origin}: {note}" for report in reports for note in report.notes)):
        messages.print(note)
