"""References inside dataflow.toml: `${env:NAME}`, `${aws:SECRET}`, `${aws:SECRET#KEY}` and `${ssm:PARAMETER}`.

Secrets are fetched once for each process, with the keys that the environment or the machine's role gives.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dataflow.errors import ConfigurationError, SourceUnavailable

_REFERENCE = re.compile(r"\$\{(home|env:[A-Za-z_][A-Za-z0-9_]*|(?:aws|ssm):[^{}\s]+)\}")
_LOOKS_LIKE_ONE = re.compile(r"\$\{(?:env|aws|ssm):[^}]*\}")
_TITLES = {"secretsmanager": "Secrets Manager", "ssm": "Parameter Store"}
_GRANTS = {
    "secretsmanager": "secretsmanager:GetSecretValue on it, and kms:Decrypt where a key of KMS encrypts it",
    "ssm": "ssm:GetParameter on it, and kms:Decrypt where a key of KMS encrypts it",
}
_MISSING = ("ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound")


def substitute(
    declared: dict[str, Any], environment: Mapping[str, str], *, place: str, map_text: Callable[..., Any]
) -> dict[str, Any]:
    """Replace each reference of a file; `${home}` stays until the home folder is known.

    `map_text(value, change)` applies a change to each text of a tree. A value that was put in is not read again: a
    secret that holds `${…}` is that text.
    Raises: ConfigurationError naming every reference that cannot be resolved, never a value; SourceUnavailable where
    AWS does not answer.
    """
    found: set[str] = set()
    unreadable: set[str] = set()

    def collect(text: str) -> str:
        found.update(_REFERENCE.findall(text))
        unreadable.update(one for one in _LOOKS_LIKE_ONE.findall(text) if not _REFERENCE.fullmatch(one))
        return text

    map_text(declared, collect)
    if unreadable:
        raise ConfigurationError(
            f"{place} has references that cannot be read: {', '.join(sorted(unreadable))}.",
            next_move="Write ${env:NAME}, ${aws:SECRET}, ${aws:SECRET#KEY} or ${ssm:PARAMETER}.",
        )
    values = {f"env:{name}": value for name, value in environment.items()}
    missing = sorted(name.removeprefix("env:") for name in found if name.startswith("env:") and name not in values)
    if missing:
        raise ConfigurationError(
            f"{place} refers to variables that are not set: {', '.join(missing)}.",
            next_move="Set them in the environment, or in .env beside it.",
        )
    values |= _fetched(sorted(name for name in found if name.startswith(("aws:", "ssm:"))), place=place)
    result: dict[str, Any] = map_text(
        declared, lambda text: _REFERENCE.sub(lambda one: values.get(one[1], one[0]), text)
    )
    return result


def _fetched(names: Iterable[str], *, place: str) -> dict[str, str]:
    values: dict[str, str] = {}
    clients: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for name in names:
        kind, _, address = name.partition(":")
        if kind == "ssm":
            values[name] = _parameter(address, clients, place=place)
            continue
        secret, _, key = address.partition("#")
        if secret not in secrets:
            secrets[secret] = _secret(secret, clients, place=place)
        values[name] = _key_of(secrets[secret], key, name=name, place=place) if key else secrets[secret]
    return values


def _secret(name: str, clients: dict[str, Any], *, place: str) -> str:
    answer = _ask("secretsmanager", "get_secret_value", {"SecretId": name}, clients, reference=name, place=place)
    text = answer.get("SecretString")
    if text is None:
        raise ConfigurationError(
            f"{place} refers to the secret {name}, which holds bytes and not text.",
            next_move="Store it as text or as JSON.",
        )
    return str(text)


def _parameter(name: str, clients: dict[str, Any], *, place: str) -> str:
    asked = {"Name": name, "WithDecryption": True}
    return str(_ask("ssm", "get_parameter", asked, clients, reference=name, place=place)["Parameter"]["Value"])


def _key_of(text: str, key: str, *, name: str, place: str) -> str:
    secret = name.partition(":")[2].partition("#")[0]
    try:
        keys = json.loads(text)
    except ValueError:
        keys = None
    if not isinstance(keys, dict):
        raise ConfigurationError(
            f"{place} refers to {name}, but the secret is not JSON with keys.",
            next_move=f"Write ${{aws:{secret}}}, or store the secret as JSON.",
        )
    if not isinstance(keys.get(key), str | int | float) or isinstance(keys[key], bool):
        raise ConfigurationError(
            f"{place} refers to {name}: the secret has no text under that key. It has {', '.join(sorted(keys))}.",
            next_move="Correct the key behind #.",
        )
    return str(keys[key])


def _ask(
    service: str, method: str, asked: dict[str, Any], clients: dict[str, Any], *, reference: str, place: str
) -> Any:
    # Imported late: the client of AWS takes a quarter of a second, and few files refer to it.
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

    from dataflow.connect.aws import aws_client

    doing = f"{place} refers to {reference} of {_TITLES[service]}"
    try:
        if service not in clients:
            clients[service] = aws_client(service)
        return getattr(clients[service], method)(**asked)
    except NoRegionError:
        raise ConfigurationError(
            f"{doing}, but no region is set.", next_move="Set AWS_REGION, or the region of the profile."
        ) from None
    except NoCredentialsError:
        raise ConfigurationError(
            f"{doing}, but this machine has no key of AWS.", next_move="Give it a role, a profile or AWS_ACCESS_KEY_ID."
        ) from None
    except ClientError as error:
        raise _refused(error, doing, service=service) from None
    except BotoCoreError as error:
        raise SourceUnavailable(
            f"{doing}, which does not answer ({type(error).__name__}).",
            next_move="Check the network and the region, then run again.",
        ) from None


def _refused(error: Any, doing: str, *, service: str) -> ConfigurationError | SourceUnavailable:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING:
        return ConfigurationError(f"{doing}, which has none of that name.", next_move="Correct the name or the region.")
    if "AccessDenied" in code:
        return ConfigurationError(f"{doing}, which this machine may not read.", next_move=f"Grant {_GRANTS[service]}.")
    if status == 429 or status >= 500 or "Throttl" in code:
        return SourceUnavailable(f"{doing}, which answered {status} {code}.", next_move="Run again later.")
    return ConfigurationError(f"{doing}, which answered {status} {code}.", next_move="Look the code up in its manual.")
