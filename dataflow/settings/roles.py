"""Roles and users: `[roles.NAME]` and `[access]` of dataflow.toml. Neither is read from environment variables."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from dataflow.settings.amounts import Timeout
from dataflow.settings.section import ProjectPath, Section

ENGINEER, PRIVACY_OFFICER = "engineer", "privacy_officer"
LAKE_ROLES = (ENGINEER, PRIVACY_OFFICER)
"""The roles that open the lake itself: raw layers, older snapshots, unmasked values. They are not declared."""


Member = Annotated[str, Field(pattern=r"^(user|group|serviceAccount):[^\s:@]+@[^\s:@]+$|^domain:[^\s:@]+$")]
"""A principal as Google's IAM writes it."""


class RoleSettings(Section):
    """What a role may see. A table, a class or a column that is not named is absent."""

    meaning: str = ""
    """The people or tools that have the role, in one line."""
    based_on: str = ""
    """Another role, whose declaration this one starts from; what stands here outranks it."""
    tables: list[str] = []
    """Tables, as schema.table, or `published.*`."""
    classes: dict[str, str | list[str]] = {}
    """Class of personal data to `clear`, `absent` or a mask; of several masks, a column has the first that fits."""
    columns: dict[str, str] = {}
    """Exceptions: schema.table.column, or a column's name alone for every table, to `clear`, `absent` or a mask."""
    rows: dict[str, str] = {}
    """Table to a condition over its columns, in SQL: the role sees only the rows for which it is true."""
    sql: bool = True
    """Whether the role asks SQL of its own; without, it reads the views alone."""
    history: Literal["present", "all"] = "present"
    """Whether the role sees former states of customers."""
    smallest_group: Annotated[int, Field(ge=0)] = 0
    """A view leaves out groups of fewer customers; only for a role without SQL, which could rebuild them."""


class AccessSettings(Section):
    """Who may read as which role, and the secret under which values are hashed."""

    users: dict[str, list[str]] = {}
    """User of the operating system to roles, the usual one first. Empty: every user is an engineer."""
    marts: list[str] = []
    """Roles whose marts are kept although no user or token has them."""
    members: dict[str, list[Member]] = {}
    """Role to those who have it in BigQuery: `group:analysts@example.com`, `user:…`, `serviceAccount:…`, `domain:…`. A
    role with members has a dataset of its own, with what it sees."""
    folder: ProjectPath = "${home}/marts"
    """Folder, or `s3://bucket/prefix` reached as `lake.s3` says, of the role marts: one DuckDB file for each role that
    somebody has. Of those in a bucket, a machine has copies in its home."""
    timeout_seconds: Timeout = 300.0
    """How long one statement of a role with a mart may take."""
    key_generations: dict[str, Annotated[int, Field(ge=1)]] = {}
    """Role to the number of its masks' key, which `dataflow roles rotate` raises; 1 where it is left out."""
    key: SecretStr | None = None
    """Master secret of the hashes that hide values, at least 32 characters; left out: a file of the home. It is set by
    a variable or .env, never in dataflow.toml."""


_PLACES = {
    "country_code": "clear",
    "region": "clear",
    "city": "clear",
    "time_zone": "clear",
    "postcode": "region",
    "latitude": "region",
    "longitude": "region",
    "street": "absent",
    "email": "domain",
    "website_domain": "clear",
}
"""Places and domains without the person: for roles that count people and do not contact them."""

_COUNTING = RoleSettings(
    tables=["published.*"],
    classes={
        "none": "clear",
        "pseudonym": "keyed_hash",
        "identity": "absent",
        "contact": "absent",
        "online": "absent",
        "behaviour": "clear",
        "free_text": "absent",
        "special": "absent",
    },
    columns={**_PLACES, "date_of_birth": "year", "company_name": "keyed_hash"},
)

_KNOWING = _COUNTING.model_copy(
    update={"classes": {**_COUNTING.classes, "identity": "clear", "contact": "clear"}, "columns": {}}
)

SHIPPED_ROLES: dict[str, RoleSettings] = {
    "analyst": _COUNTING.model_copy(update={"meaning": "Counts customers and what they do", "history": "all"}),
    "scientist": _COUNTING.model_copy(
        update={
            "meaning": "Trains models on customers' features",
            "history": "all",
            "columns": {**_PLACES, "city": "absent", "email": "absent", "date_of_birth": "year"},
        }
    ),
    "marketing": _KNOWING.model_copy(
        update={
            "meaning": "Chooses and addresses groups of customers",
            "columns": {"date_of_birth": "year", "latitude": "region", "longitude": "region"},
        }
    ),
    "success": _KNOWING.model_copy(
        update={
            "meaning": "Serves single customers",
            "classes": {**_KNOWING.classes, "pseudonym": "clear", "free_text": "clear"},
            "history": "all",
        }
    ),
    "executive": _COUNTING.model_copy(
        update={"meaning": "Reads figures of the company", "sql": False, "smallest_group": 10}
    ),
    "steward": _KNOWING.model_copy(
        update={
            "meaning": "Decides uncertain pairs and dead letters",
            "tables": [
                "published.*",
                "conformed.customer_record",
                "resolved.*",
                "ops.review_queue",
                "ops.judgement",
                "ops.dead_letters",
                "ops.dead_letter_event",
                "ops.inbox_taken",
            ],
            "classes": dict.fromkeys(_KNOWING.classes, "clear"),
            "history": "all",
        }
    ),
}
"""The roles that every lake has; `[roles.NAME]` of the same name replaces one."""
