"""rules: the business rules of a company: listed, tested by their examples, tried on the last month, suggested."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from dataflow.cli.options import Output, OutputOption, open_door, settings_of
from dataflow.cli.output import messages, write_line, write_records
from dataflow.errors import ConfigurationError, UsageError

RuleArgument = Annotated[str, typer.Argument(help="Name of the rule.")]


def register(app: typer.Typer) -> None:
    rules = typer.Typer(
        help="Business rules, of `rules/*.toml` beside dataflow.toml and of `[rules.NAME]` in it.", no_args_is_help=True
    )
    rules.command("list")(list_rules)
    rules.command("show")(show)
    rules.command("test")(test)
    rules.command("try")(try_)
    rules.command("suggest")(suggest)
    app.add_typer(rules, name="rules")


def list_rules(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List the rules. The short forms that an object's `checks` can name: `dataflow describe rule`.

    Example:  dataflow rules list
    """
    from dataflow.validate.business_rules import place_of

    settings = settings_of(context)
    found = [
        {
            "rule": name,
            "on": rule.on,
            "severity": rule.severity,
            "owner": rule.owner,
            "since": rule.since,
            "reason": rule.reason,
            "place": place_of(settings, name),
        }
        for name, rule in settings.rules.items()
    ]
    write_records(found, output=output, title="Rules")


def show(context: typer.Context, name: RuleArgument, output: OutputOption = Output.TABLE) -> None:
    """Show one rule.

    Example:  dataflow rules show order_total
    """
    from checks.registry import unknown_name
    from dataflow.validate.business_rules import place_of

    settings = settings_of(context)
    if name not in settings.rules:
        raise UsageError(unknown_name("rule", name, settings.rules))
    facts: dict[str, Any] = {"rule": name, "place": place_of(settings, name)}
    facts |= settings.rules[name].model_dump(exclude_defaults=True)
    if output is Output.TABLE:
        write_records([{"fact": fact, "value": str(value)} for fact, value in facts.items()], output=output)
    else:
        write_records([facts], output=output)


def test(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """Run the examples of every rule. Needs no data.

    Example:  dataflow rules test
    """
    from dataflow.govern.rules import run_examples
    from dataflow.publish.table_rules import compile_table_rules
    from dataflow.tables.declared import declared_tables

    settings = settings_of(context)
    tables = declared_tables(settings)
    compile_table_rules(settings, tables, now=datetime.now(UTC))
    found = run_examples(settings, tables)
    wrong = [one for one in found if not one.passed]
    if output is Output.TABLE:
        for one in wrong:
            write_line(f"{one.place}: {one.rule}: the example {one.number} of {one.expected} {one.found}.")
    else:
        write_records([asdict(one) | {"passed": one.passed} for one in found], output=output)
    messages.print(f"{len(settings.rules)} rules, {len(found)} examples, {len(wrong)} wrong.")
    if wrong:
        raise ConfigurationError(
            f"Examples that do not do what their rule says: {', '.join(sorted({one.rule for one in wrong}))}.",
            next_move="Correct the rule or the example.",
        )


def try_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file with [rules.NAME], as it would stand in rules/.")],
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what the rules of a file would have set aside of the valid rows read in the last 30 days. Changes nothing.

    Example:  dataflow rules try new-rules.toml
    """
    from dataflow.govern.rules import try_rules
    from dataflow.settings import rules_of_file
    from dataflow.tables.declared import declared_tables

    settings = settings_of(context)
    rules = rules_of_file(file)
    with open_door(context, "rules", reads=None) as door:
        found = try_rules(door.con, rules, settings, declared_tables(settings), now=datetime.now(UTC))
    shown = [asdict(one) | {"categories": "; ".join(one.categories)} for one in found]
    write_records(shown, output=output, title="Rows of the last 30 days")


def suggest(
    context: typer.Context,
    object_name: Annotated[str, typer.Argument(metavar="OBJECT", help="The object, as source.object.")],
) -> None:
    """Write checks that all valid rows of an object keep now, as TOML to paste.

    Values are shown only of fields whose class in `personal` is none.

    Example:  dataflow rules suggest mysql.orders
    """
    from dataflow.govern.rules import suggest_rules
    from dataflow.tables.declared import declared_tables

    settings = settings_of(context)
    with open_door(context, "rules", reads=None) as door:
        write_line(suggest_rules(door.con, object_name, settings, declared_tables(settings)).rstrip())
