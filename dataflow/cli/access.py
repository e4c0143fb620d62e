"""roles, token: who may see what."""

from __future__ import annotations

from typing import Annotated

import typer

from dataflow.cli.options import Output, OutputOption, require_role, settings_of
from dataflow.cli.output import messages, write_json, write_line, write_records
from dataflow.errors import AccessRefused

RoleArgument = Annotated[str, typer.Argument(help="Name of the role.")]


def register(app: typer.Typer) -> None:
    roles = typer.Typer(help="Roles: what each sees, and the keys of their masks.", no_args_is_help=True)
    roles.command("list")(list_roles)
    roles.command("show")(show)
    roles.command("rotate")(rotate)
    app.add_typer(roles, name="roles")
    token = typer.Typer(help="Tokens: how a tool reads as a role, by DATAFLOW_TOKEN.", no_args_is_help=True)
    token.command("issue")(issue)
    token.command("list")(list_tokens)
    token.command("revoke")(revoke)
    app.add_typer(token, name="token")


def list_roles(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List the roles, who has each, and the publication that its mart shows.

    Example:  dataflow roles list
    """
    from dataflow.access.marts import pull_mart
    from dataflow.access.roles import check_roles, find_role, role_names
    from dataflow.sinks.marts import read_file

    settings = settings_of(context)
    check_roles(settings)
    found = []
    for name in role_names(settings):
        facts = read_file(pull_mart(settings, name))
        found.append(
            {
                "role": name,
                "users": ", ".join(user for user, roles in settings.access.users.items() if name in roles),
                "sql": find_role(name, settings).sql,
                "mart": None if facts is None else facts.publication,
                "meaning": find_role(name, settings).meaning,
            }
        )
    write_records(found, output=output, title="Roles")


def show(context: typer.Context, role: RoleArgument, output: OutputOption = Output.TABLE) -> None:
    """Show how a role sees each column; the same as `dataflow describe role NAME`.

    Example:  dataflow roles show marketing
    """
    from dataflow.cli.describing import describe

    describe(context, "role", role, output=output)


def rotate(context: typer.Context, role: RoleArgument) -> None:
    """Give the masks of a role a new key: every hash that the role sees changes, and old copies join no more.

    The number of the key is written into dataflow.toml.

    Example:  dataflow roles rotate marketing
    """
    from dataflow.access.roles import find_role
    from dataflow.govern.rotate_key import rotate_key

    _require_engineer(context, "roles rotate")
    settings = settings_of(context)
    if find_role(role, settings).opens_lake:
        raise AccessRefused(f"The role {role} has no masked columns, so it has no key to rotate.")
    generation = rotate_key(settings, role)
    messages.print(f"The masks of {role} have key {generation}; its mart is written anew by the next run or reader.")


def issue(
    context: typer.Context,
    role: Annotated[str, typer.Option("--role", help="The role that the token reads with.")],
    days: Annotated[int, typer.Option("--days", help="How long it is valid.")] = 30,
    output: OutputOption = Output.TABLE,
) -> None:
    """Issue a token and show it, once: only its hash is stored.

    Example:  dataflow token issue --role marketing --days 30
    """
    from datetime import UTC, datetime

    from dataflow.access.roles import find_role
    from dataflow.access.tokens import issue_token
    from dataflow.access.who import system_user

    _require_engineer(context, "token issue")
    settings = settings_of(context)
    name = find_role(role, settings).name
    token, secret = issue_token(settings, role=name, days=days, issued_by=system_user().name, now=datetime.now(UTC))
    if output is Output.JSON:
        write_json({"id": token.token_id, "role": name, "expires_at": token.expires_at, "token": secret})
        return
    write_line(secret)
    messages.print(
        f"Token {token.token_id} of the role {name}, valid until {token.expires_at:%Y-%m-%d}. It is not shown again; "
        "set it as DATAFLOW_TOKEN."
    )


def list_tokens(context: typer.Context, output: OutputOption = Output.TABLE) -> None:
    """List the issued tokens: role, issuer, end, last use.

    Example:  dataflow token list -o json
    """
    from datetime import UTC, datetime

    from dataflow.access.tokens import list_tokens as found

    now = datetime.now(UTC)
    records = [
        {
            "id": token.token_id,
            "role": token.role,
            "state": token.state(now),
            "issued_by": token.issued_by,
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
            "last_used_at": token.last_used_at,
        }
        for token in found(settings_of(context))
    ]
    write_records(records, output=output, title="Tokens")


def revoke(
    context: typer.Context, token: Annotated[str, typer.Argument(help="Id of the token, or its beginning.")]
) -> None:
    """Revoke a token: from now on nothing reads by it.

    Example:  dataflow token revoke 3f2a91
    """
    from datetime import UTC, datetime

    from dataflow.access.tokens import revoke_token

    _require_engineer(context, "token revoke")
    revoked = revoke_token(settings_of(context), token, now=datetime.now(UTC))
    messages.print(f"Token {revoked.token_id} is revoked.")


def _require_engineer(context: typer.Context, command: str) -> None:
    from dataflow.settings.roles import ENGINEER

    require_role(context, of=[ENGINEER], command=command)
