"""contract: objects and published tables as data contracts of the Open Data Contract Standard, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from dataflow.cli.options import settings_of
from dataflow.errors import UsageError


def register(app: typer.Typer) -> None:
    contract = typer.Typer(
        help="Data contracts: an object or published table as a document of ODCS 3.1, and back.", no_args_is_help=True
    )
    contract.command("export")(export)
    contract.command("import")(import_)
    app.add_typer(contract, name="contract")


def export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="`source.object`, or a published table.")],
) -> None:
    """Write the contract of an object or published table, as YAML: types, key, checks, rules, classes, owner.

    Example:  dataflow contract export published.orders
    """
    from dataflow.govern.contracts.contract import contract_of_settings
    from dataflow.govern.contracts.exporting import export_contract

    sys.stdout.write(export_contract(contract_of_settings(name, settings_of(context))))


def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A document of ODCS 3.1, YAML or JSON.")],
) -> None:
    """Write what dataflow.toml says of a contract, as TOML to paste; what it cannot say is refused with its place.

    Example:  dataflow contract import orders.odcs.yaml
    """
    from dataflow.govern.contracts.contract import require_as_declared, write_toml
    from dataflow.govern.contracts.importing import import_contract

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {type(error).__name__}.") from None
    contract = import_contract(text, source=file.name)
    if not contract.is_of_object:
        require_as_declared(contract, settings_of(context))
    sys.stdout.write(write_toml(contract))
