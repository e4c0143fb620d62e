"""Find and open role marts: one DuckDB file for each role, with what the role sees of one publication.

A mart says of what it is: the role's declaration, the lake, the generation of its key, the suppression list. One that
differs is not opened: it can hold what the role no longer sees.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dataflow.access.keys import master_file
from dataflow.access.lake import reading_location
from dataflow.access.mask_keys import key_check, mask_key
from dataflow.access.pool import file_identity
from dataflow.access.roles import Role, role_names
from dataflow.access.tokens import list_tokens
from dataflow.errors import DataFlowError, MartDiffers
from dataflow.settings import Settings
from dataflow.settings.roles import LAKE_ROLES
from lakehouse import LakeError, LakeView, open_reader
from lakehouse.copies import open_copy
from lakehouse.table import DATABASE

if TYPE_CHECKING:
    from dataflow.access.mart_bucket import MartBucket

SUPPRESSION = 0
"""The number of the suppression list; there is none yet."""


@dataclass(frozen=True, kw_only=True)
class MartFacts:
    """What a mart is of. `key_check` differs for different keys, and reveals none.

    It shows the lake at `snapshot`: some roles see tables that change without a publication.
    """

    lake_id: str
    publication: int
    snapshot: int
    suppression: int
    fingerprint: str
    key_check: str


_FACTS = [field.name for field in fields(MartFacts)]


def marts_folder(settings: Settings) -> Path:
    """Return the folder of the marts, or of this machine's copies of those in a bucket."""
    return settings.home / "marts" if _are_in_bucket(settings) else Path(settings.access.folder)


def mart_path(settings: Settings, role: str) -> Path:
    """Return the file of a role's mart, or of this machine's copy of it."""
    return marts_folder(settings) / f"{role}.duckdb"


def pull_mart(settings: Settings, role: str) -> Path:
    """Return the file of a role's mart, after the copy of one in a bucket was brought to it. Raises: SinkError."""
    if _are_in_bucket(settings):
        _bucket(settings).pull(role)
    return mart_path(settings, role)


def mart_version(settings: Settings, role: str) -> Hashable:
    """Return what changes with the file of a role's mart, or with the secret that its masks must be of."""
    return file_identity(pull_mart(settings, role)), file_identity(master_file(settings))


def push_mart(settings: Settings, role: str) -> None:
    """Put a mart that was written here into the bucket, where the marts are in one. Raises: SinkError."""
    if _are_in_bucket(settings):
        _bucket(settings).push(role)


def kept_roles(settings: Settings) -> list[str]:
    """List the roles whose marts follow the lake: those of users, of valid tokens, and `access.marts`."""
    now = datetime.now(UTC)
    given: list[str] = [role for roles in settings.access.users.values() for role in roles]
    # The token commands and the door report a file that cannot be read; a run does not end for it.
    with suppress(DataFlowError):
        given += [token.role for token in list_tokens(settings) if token.state(now) == "valid"]
    known = set(role_names(settings)) - set(LAKE_ROLES)
    return [role for role in dict.fromkeys((*given, *settings.access.marts)) if role in known]


def open_mart(role: Role, *, settings: Settings, temp_directory: Path) -> duckdb.DuckDBPyConnection:
    """Open a role's mart, with its tables in the default database. Raises: MartDiffers."""
    path = pull_mart(settings, role.name)
    try:
        con = open_copy(
            path,
            memory_limit=settings.lake.memory_limit,
            threads=settings.lake.threads or None,
            temp_directory=temp_directory,
        )
    except (duckdb.Error, OSError) as error:
        why = "cannot be read by this user" if path.exists() else "has not been written yet"
        raise MartDiffers(f"The mart of the role {role.name} {why}.") from error
    try:
        if found := differences(read_mart(con, DATABASE), role, settings=settings):
            raise MartDiffers(f"The mart of the role {role.name} is not the one to read: {'; '.join(found)}.")
    except BaseException:
        con.close()
        raise
    return con


def read_mart(con: duckdb.DuckDBPyConnection, database: str) -> MartFacts | None:
    """Return the facts of an attached mart; None for another file."""
    with suppress(duckdb.Error):
        row = con.execute(f"SELECT {', '.join(_FACTS)} FROM {database}.main._mart").fetchone()
        if row:
            return MartFacts(**dict(zip(_FACTS, row, strict=True)))
    return None


def differences(found: MartFacts | None, role: Role, *, settings: Settings) -> list[str]:
    """List in what a mart is not the one that the role, the lake and the secret of masks give now.

    A process that can read neither the lake nor the secret compares the declaration alone.
    """
    if found is None:
        return ["it is not a mart"]
    wrong = []
    if found.fingerprint != role.fingerprint:
        wrong.append("the role or its tables are declared otherwise since")
    if found.suppression != SUPPRESSION:
        wrong.append("the suppression list has changed since")
    with suppress(LakeError, DataFlowError):
        lake_id = _id_of_lake(settings)
        if found.lake_id != lake_id:
            wrong.append("it is of another lake")
        elif found.key_check != key_check(mask_key(settings, role=role.name, lake_id=lake_id)):
            wrong.append("the key of its masks has changed since")
    return wrong


def remove_marts(settings: Settings, *, besides: Iterable[str] = ()) -> int:
    """Remove the marts of all roles but some; return how many were there. Raises: SinkError."""
    roles = list(besides)
    kept = {mart_path(settings, role).name for role in roles}
    gone = [path for path in marts_folder(settings).glob("*.duckdb") if path.name not in kept]
    for path in gone:
        path.unlink(missing_ok=True)
    return _bucket(settings).remove(besides=roles) if _are_in_bucket(settings) else len(gone)


def _are_in_bucket(settings: Settings) -> bool:
    return settings.access.folder.startswith("s3://")


def _bucket(settings: Settings) -> MartBucket:
    # Imported late: the client of AWS takes a quarter of a second.
    from dataflow.access.mart_bucket import MartBucket

    return MartBucket.of(settings, marts_folder(settings))


def _id_of_lake(settings: Settings) -> str:
    location = reading_location(settings)
    with closing(open_reader(location, threads=1)) as con:
        return LakeView(con, location).lake_id()
