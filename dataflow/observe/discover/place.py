"""Read what a place holds: a MySQL by URL, a folder, a bucket, a Salesforce org."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from dataflow.errors import SourceMissing, UsageError
from dataflow.settings import MySQLSettings, S3Settings, SalesforceSettings
from dataflow.settings.environment import environment_variable
from dataflow.sources.found import FoundTable, object_name

_KNOWN = "mysql://USER:PASSWORD@HOST:PORT/DATABASE, a folder, s3://BUCKET/PREFIX, or salesforce://CLIENT_ID@DOMAIN"
_MOST_FILES = 200


@dataclass(frozen=True)
class Place:
    """A system that was read: its tables, the settings that reach it, and the secrets, which go to .env."""

    name: str
    adapter: str
    tables: list[FoundTable]
    root: str = ""
    section: Mapping[str, object] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    """Setting of the section to the value that .env holds."""


def read_place(url: str) -> Place:
    """Connect and describe. Raises: UsageError for a place of no known kind; the errors of the source."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme in ("mysql", "mariadb"):
        return _mysql(url, options)
    if parts.scheme == "s3":
        return _bucket(url, options)
    if parts.scheme == "salesforce" or url == "salesforce":
        return _org(url, options)
    if parts.scheme:
        raise UsageError(f"{parts.scheme}:// is not a place that can be discovered.", next_move=f"Give {_KNOWN}.")
    return _folder(Path(url))


def _mysql(url: str, options: Mapping[str, str]) -> Place:
    from dataflow.sources.mysql.describing import found_tables

    parts = urlsplit(url)
    database = parts.path.strip("/")
    if not (parts.hostname and parts.username and database):
        raise UsageError("The URL names no host, user or database.", next_move=f"Give {_KNOWN.split(', ')[0]}.")
    password = unquote(parts.password or "") or environment_variable("MYSQL_PWD")
    section: dict[str, object] = {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username),
        "database": database,
        **{name: options[name] for name in ("ca_file", "time_zone") if name in options},
    }
    if "ca_file" in section:
        section["ca_file"] = str(Path(str(section["ca_file"])).resolve())
    name = object_name(database)
    tables = found_tables(name, MySQLSettings.model_validate({**section, "password": password}))
    return Place(name, "mysql", tables, section=section, secrets={"password": password})


def _folder(folder: Path) -> Place:
    from dataflow.sources.files.describing import found_tables

    if not folder.is_dir():
        raise SourceMissing(f"There is no folder {folder}.", next_move=f"Give {_KNOWN}.")
    tables = found_tables(folder)
    if not tables:
        raise SourceMissing(
            f"{folder} holds no file that ends in .csv, .tsv, .txt or .parquet.", next_move=f"Give {_KNOWN}."
        )
    return Place(object_name(folder.resolve().name), "files", tables, root=str(folder.resolve()))


def _bucket(url: str, options: Mapping[str, str]) -> Place:
    """Copy the newest files of the bucket to this machine and describe them as those of a folder."""
    from dataflow.sources.files.any_table import SUFFIXES
    from dataflow.sources.files.describing import found_tables
    from dataflow.sources.s3.client import connect

    parts = urlsplit(url)
    secrets = {name: value for name, env in _S3_KEYS.items() if (value := environment_variable(env))}
    given = {name: options[name] for name in ("endpoint", "region", "url_style", "ca_file") if name in options}
    client = connect(S3Settings.model_validate({**given, **secrets}))
    prefix = parts.path.strip("/")
    listed = client.list_objects_v2(Bucket=parts.netloc, Prefix=prefix).get("Contents", [])
    chosen = sorted((one for one in listed if one["Key"].lower().endswith(SUFFIXES)), key=lambda one: one["Key"])
    with tempfile.TemporaryDirectory() as folder:
        for one in chosen[-_MOST_FILES:]:
            target = Path(folder) / one["Key"].removeprefix(prefix).lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(parts.netloc, one["Key"], str(target))
        tables = found_tables(Path(folder))
    if not tables:
        raise SourceMissing(f"{url} holds no file that ends in {', '.join(SUFFIXES)}.", next_move=f"Give {_KNOWN}.")
    root = f"s3://{parts.netloc}/{prefix}".rstrip("/")
    return Place(object_name(prefix or parts.netloc), "s3", tables, root=root, section=given, secrets=secrets)


_S3_KEYS = {"key_id": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY"}


def _org(url: str, options: Mapping[str, str]) -> Place:
    from dataflow.sources.salesforce.describing import found_tables

    parts = urlsplit(url)
    secret = unquote(parts.password or "") or environment_variable("SALESFORCE_CLIENT_SECRET")
    client = unquote(parts.username or "") or environment_variable("SALESFORCE_CLIENT_ID")
    domain = parts.hostname or environment_variable("SALESFORCE_DOMAIN")
    if not (domain and client and secret):
        raise UsageError(
            "The org is not named: domain, client id and client secret are needed.",
            next_move="Give salesforce://CLIENT_ID@DOMAIN with SALESFORCE_CLIENT_SECRET in the environment.",
        )
    section: dict[str, object] = {"domain": domain, "client_id": client}
    section |= {name: options[name] for name in ("endpoint", "ca_file") if name in options}
    tables = found_tables("salesforce", SalesforceSettings.model_validate({**section, "client_secret": secret}))
    return Place("salesforce", "salesforce", tables, section=section, secrets={"client_secret": secret})
