"""customer: look one customer up, as an application does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dataflow.cli.options import Output, OutputOption, settings_of
from dataflow.cli.output import messages, write_json, write_line, write_records
from dataflow.errors import UsageError

if TYPE_CHECKING:
    from dataflow.serve import Customer

customer = typer.Typer(no_args_is_help=True, help="Look customers up: by id, e-mail, telephone or source record.")


def register(app: typer.Typer) -> None:
    app.add_typer(customer, name="customer")


@customer.command("show")
def show(
    context: typer.Context,
    customer_id: Annotated[str | None, typer.Argument(help="A customer id, current or former.")] = None,
    email: Annotated[str | None, typer.Option("--email", help="An e-mail address.")] = None,
    phone: Annotated[str | None, typer.Option("--phone", help="A telephone number with + and country code.")] = None,
    record: Annotated[
        str | None, typer.Option("--source", help="A record as source.object:key, e.g. salesforce.contact:003A1.")
    ] = None,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show the customer 360 of one customer, or of all with an address, a number or a source record.

    A former id shows the customer that it was merged into. The cache answers where `[cache]` names one, else the lake.

    Example:  dataflow customer show --email jane@example.org
    """
    from dataflow.access.identify import identify
    from dataflow.serve import Customers
    from dataflow.serve.customers import DOOR

    searches = {"email": email, "phone": phone, "record": record}
    if (customer_id is None) == all(value is None for value in searches.values()):
        raise UsageError(
            "customer show takes a customer id, or one of --email, --phone and --source.",
            next_move="`dataflow customer show --help` shows an example.",
        )
    settings = settings_of(context)
    with Customers(settings, identify(settings, door=DOOR, reads=None)) as customers:
        if customer_id is not None:
            one = customers.get(customer_id)
            found = [] if one is None else [one]
        else:
            found = customers.find(**searches)
    _write(found, output)
    if not found:
        messages.print("There is no such customer, in the cache or in the lake.")
        raise typer.Exit(1)


def _write(found: list[Customer], output: Output) -> None:
    if output is Output.JSON:
        write_json(
            [
                {
                    "publication": each.publication,
                    "found_in": each.found_in,
                    "asked_for": each.asked_for,
                    **each.values,
                }
                for each in found
            ]
        )
        return
    if output is Output.CSV:
        write_records([dict(each.values) for each in found], output=output)
        return
    for each in found:
        merged = f", merged from {each.asked_for}" if each.asked_for != each.customer_id else ""
        title = f"{each.customer_id}  (publication {each.publication}, from the {each.found_in}{merged})"
        known = {name: value for name, value in each.values.items() if value is not None and name != "customer_id"}
        write_records([{"field": name, "value": value} for name, value in known.items()], output=output, title=title)
        write_line()
