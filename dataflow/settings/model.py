"""The shape of dataflow.toml: one typed tree; an unknown setting is refused."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, SecretStr, create_model, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from checks.registry import unknown_name
from dataflow.errors import ConfigurationError
from dataflow.settings.adapters import ADAPTERS
from dataflow.settings.alerts import AlertSettings
from dataflow.settings.amounts import (
    AUTO,
    MOST_THREADS,
    CurrencyCode,
    Days,
    Hours,
    Memory,
    RatedCode,
    Seconds,
    Timeout,
    TimeZone,
)
from dataflow.settings.baselines import BaselinesSettings
from dataflow.settings.csv import CsvSettings
from dataflow.settings.events import EventName, EventSettings
from dataflow.settings.roles import AccessSettings, RoleSettings
from dataflow.settings.rules import RuleId, RuleSettings
from dataflow.settings.section import DiskPath, ProjectPath, S3Settings, Section
from dataflow.settings.slo import FreshHours, SloSettings
from dataflow.settings.telemetry import TelemetrySettings

S = TypeVar("S", bound=Section)


class LakeSettings(Section):
    """Where the lake is. `catalogue` is a file, or postgresql://… with `data` on S3 in production."""

    catalogue: ProjectPath = "${home}/lake/catalogue.ducklake"
    """The catalogue: a file, or `postgresql://user:password@host:5432/database?schema=lake_meta&sslmode=verify-full`."""
    catalogue_reader: SecretStr | None = None
    """The same catalogue, with the user of a role that has SELECT only: readers connect with it."""
    data: ProjectPath = "${home}/lake/data"
    """Where the data files are: a folder, or `s3://bucket/prefix`."""
    published: DiskPath = "${home}/lake/published"
    """Folder of the readers' copy of a catalogue that is a file."""
    inbox: ProjectPath = ""
    """Folder, or `s3://bucket/prefix`, of decisions that wait for the next run; all who decide and the run must reach
    it. Empty: beside a catalogue that is a file, else beside the data: `s3://bucket/prefix.inbox` where these are in
    `s3://bucket/prefix`."""
    s3: S3Settings | None = None
    group: str = ""
    """The group of users that share the lake's files and the rest of the home; empty: only this user reads them."""
    memory_limit: Memory = Field(default=AUTO, validate_default=True)
    """Memory that DuckDB uses before it spills to disk, in DuckDB's notation: 4GB. At least 100MB; `auto`: half of what
    the machine, or the container, has free when the process starts. Python and Arrow take up to 1.5 GB beside it."""
    threads: Annotated[int, Field(ge=0, le=MOST_THREADS)] = 0
    """Threads of DuckDB; 0: one per core, and one for the stages of a lake of less than 50,000 rows."""
    wait_seconds: Seconds = 0.0
    """How long a run waits for the lock of another run; short, because a laptop user wants the answer immediately."""
    snapshot_retention_days: Days = 30
    """How long `dataflow maintain` keeps snapshots; 0: the newest, and those that a run or a sink still reads."""


class CheckSettings(Section):
    """One rule switched on for an object: `rule` names a rule of checks/rules.py, the other keys are its arguments."""

    model_config = ConfigDict(extra="allow", frozen=True)
    rule: str
    """Name of the rule; its arguments stand beside it."""


def _joined_key(given: Any) -> Any:
    """Return the fields of a key as one text: a list names one field each, a text has commas between them."""
    if not isinstance(given, list):
        return given
    if not given or not all(isinstance(name, str) and name.strip() and "," not in name for name in given):
        raise ValueError("is a list of names of fields, without commas in them")
    return ", ".join(given)


KeyFields = Annotated[str, BeforeValidator(_joined_key)]
"""The fields of a key: a name, or a list of names."""

_OF_VALIDATION = frozenset({"_row_id", "_is_deleted", "_uncastable", "_zero_dates"})


class ObjectSettings(Section):
    """One object of a source: where its rows are, what identifies and versions them, which checks they must pass."""

    owner: str = ""
    """Who acts on incidents of this object, such as a team; empty: the owner that the error has."""
    fresh_within_hours: FreshHours | None = None
    """How long ago the newest change that raw has may be; left out: the service level does not judge the object."""
    remote: str = ""
    """Name at a source that answers queries (an API's object, a table); empty: the object's own name."""
    format: Literal["", "rest-json", "parquet", "csv"] = ""
    """Of files: pages of a REST API, Parquet, or CSV."""
    path: str = ""
    """Path of files below the source's root; `{date}` stands for the day (YYYY-MM-DD), `*` for any text."""
    deletions: str = ""
    """Path below the root of files that name deleted records (getDeleted answers); empty: no such files."""
    csv: CsvSettings = CsvSettings()
    encoding: str = ""
    """Encoding of CSV files, by Python's name, where detection fails; empty: detect it."""
    time_zone: TimeZone | None = None
    """Time zone of times in files that name none, such as Europe/Berlin; left out: that of the source."""
    key: KeyFields
    """The field that identifies a record and never changes, or a list of several: `key = ["order_no", "sku"]`. A
    record's key is its typed value: 7, 007 and 7.0 are one record where the field is a number; keys declared as VARCHAR
    are compared byte for byte."""
    cursor: str = ""
    """The field that versions a record: a time that every change increases, or the key of an append-only table. An
    object without one declares `mode`."""
    mode: Literal["changes", "full", "append"] = "changes"
    """What is read of an object: the rows that `cursor` says have changed; where no field does, `full`: all of it each
    time, compared by hash with what raw holds, so that a record which is absent is deleted; or `append`: rows that are
    added and never change. Of a table, `append` needs a key of one whole number that grows."""
    deleted_flag: str = ""
    """A true/false field that marks a record as deleted."""
    deleted_when_set: str = ""
    """A field that marks a record as deleted where it is not null."""
    fields: dict[str, str]
    """Field of the source to DuckDB type, or SALESFORCE_ID; a row that cannot be cast is a dead letter."""
    optional: list[str] = []
    """Fields that a file can lack; any other missing field is schema drift."""
    personal: dict[str, str] = {}
    """Field to class of personal data; fields that are not named here count as `free_text`."""
    json_schema: str = ""
    """A file in checks/schemas, or a path beside dataflow.toml."""
    checks: list[CheckSettings] = []
    invalid: dict[str, Literal["null", "set_aside"]] = {}
    """Field to what its invalid value costs: `null` (the value is null in valid and counted; raw keeps it) or
    `set_aside`, as for fields that are not named: its row is a dead letter. Invalid is a text that is not of the type,
    or a value that a check of this value alone, or the JSON Schema, refuses."""
    on_drift: Literal["evolve", "freeze", "set_aside"] = "evolve"
    """What fields that differ from the declared ones cause: reading on without them, a stop, or dead letters."""
    reread_every_hours: Hours = 0.0
    """How often all rows are read again, for fields that change without moving the cursor (formulas); 0: never."""
    ahead_hours: Hours = 0.0
    """How far after the source's clock a row can be stamped and is read. Later rows wait until then, and the check
    counts them. Of a source that answers queries."""
    anti_join_every_days: Days | None = None
    """How often the nightly check compares all keys with the source to find unrecorded deletions; 0: no keys at all.
    Left out: only keys of ranges in which raw holds records that the source does not count, which it also compares
    each night where a number is given."""
    anti_join_limit_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Nothing is deleted where the source lacks more than this share of the keys, and more than 100. An object of mode
    `full` that lacks half of them, or all, is held back too, however few they are; 1: whatever it lacks is deleted."""

    @property
    def zone(self) -> str:
        """Return the time zone of times that name none."""
        return self.time_zone or "UTC"

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        """Check that no field has the name of a column with which validation works: its values would be lost."""
        taken = [name for name in self.fields if name.lower() in _OF_VALIDATION and not self._is_mark(name)]
        if taken:
            raise ValueError(f"no field can be named {' or '.join(taken)}: leave it out of fields")
        unknown = [name for name in self.invalid if name not in self.fields]
        if unknown:
            raise ValueError(f"invalid: {unknown_name('field', unknown[0], self.fields)}")
        marks = {self.cursor, self.deleted_flag, self.deleted_when_set, *(n.strip() for n in self.key.split(","))}
        needed = [name for name, cost in self.invalid.items() if cost == "null" and name in marks]
        if needed:
            raise ValueError(f"invalid: {needed[0]} identifies, versions or deletes a record, and cannot be null")
        if self.csv != CsvSettings() and self.format not in ("", "csv"):
            raise ValueError(f'the section csv is for format = "csv", and not for "{self.format}"')
        if self.mode == "changes" and not self.cursor:
            raise ValueError(
                'needs cursor, the field with the time of a row\'s last change; where there is none, mode = "full"'
            )
        if self.mode != "changes" and self.cursor:
            raise ValueError(f'cursor is for mode = "changes"; mode = "{self.mode}" has none')
        return self

    def _is_mark(self, name: str) -> bool:
        return name == self.deleted_flag and name.lower() == "_is_deleted"


class _SourceSettings(Section):
    """One system to read from. Settings of its adapter stand in a section with the adapter's name."""

    adapter: str = "files"
    """The name of the adapter that reads it."""
    root: ProjectPath = ""
    """Folder, or `s3://bucket/prefix`, of a source of files; relative to dataflow.toml."""
    time_zone: TimeZone | None = None
    """Time zone of times in files that name none, for the objects that declare none; left out: UTC."""
    trust: int = 1
    """Survivorship: a higher number wins where a field is decided by source."""
    lookback_seconds: Seconds = 600.0
    """How far before the watermark a query reads again: a row can be committed later than its timestamp."""
    objects: dict[str, ObjectSettings]
    """The objects that are read, by name."""

    def section(self, kind: type[S]) -> S:
        """Return the section that only this source's adapter reads. Raises: ConfigurationError where there is none."""
        found = getattr(self, self.adapter, None)
        if not isinstance(found, kind):
            raise ConfigurationError(
                f"A source of the adapter {self.adapter} has no section {self.adapter}.",
                next_move=f"Add [sources.NAME.{self.adapter}] to dataflow.toml.",
            )
        return found

    @model_validator(mode="after")
    def _check_adapter(self) -> Self:
        """Check that a source of files has a root, and one that answers queries the section to reach it."""
        if self.adapter not in ADAPTERS:
            raise ValueError(unknown_name("adapter", self.adapter, ADAPTERS))
        adapter = ADAPTERS[self.adapter]
        if adapter.needs_section and getattr(self, adapter.name) is None:
            raise ValueError(
                f'adapter "{adapter.name}" needs the section {adapter.name}, with {", ".join(adapter.required)}'
            )
        for name, declared in self.objects.items():
            if declared.mode not in adapter.modes:
                takes = f'adapter "{adapter.name}" takes {", ".join(adapter.modes)}'
                raise ValueError(f'objects.{name}.mode is "{declared.mode}"; {takes}')
            if declared.mode == "append" and not adapter.reads_files:
                # A table's new rows are found by its key, which is then followed like a time.
                self.objects[name] = declared.model_copy(update={"cursor": declared.key})
        if not adapter.reads_files:
            zoned = [f"objects.{name}.time_zone" for name, declared in self.objects.items() if declared.time_zone]
            if zoned or self.time_zone:
                known = adapter.section is not None and "time_zone" in adapter.section.model_fields
                there = f"set {adapter.name}.time_zone" if known else "its times have a zone"
                raise ValueError(f'{(zoned or ["time_zone"])[0]} is for files; adapter "{adapter.name}": {there}')
            return self
        for name, declared in self.objects.items():
            if self.time_zone and declared.time_zone is None:
                self.objects[name] = declared.model_copy(update={"time_zone": self.time_zone})
        missing = [] if self.root else ["root"]
        for name, declared in self.objects.items():
            missing += [f"objects.{name}.{setting}" for setting in ("format", "path") if not getattr(declared, setting)]
        if missing:
            raise ValueError(f'adapter "{self.adapter}" needs {", ".join(missing)}')
        return self


def _with_sections() -> type[_SourceSettings]:
    """Make the class of a source's settings with a field for the section of each adapter."""
    sections: dict[str, Any] = {
        name: (adapter.section | None, None) if adapter.needs_section else (adapter.section, adapter.section())
        for name, adapter in ADAPTERS.items()
        if adapter.section
    }
    return create_model("SourceSettings", __base__=_SourceSettings, __module__=__name__, **sections)


if TYPE_CHECKING:

    class SourceSettings(_SourceSettings):
        """One system to read from."""

else:
    SourceSettings = _with_sections()


FieldExpression = str | dict[str, Any]
"""A field name, or one operator of dataflow/conform/operators.py: {value=…}, {first_of=[…]}, {join=[…]}, …"""


class JoinSettings(Section):
    """A second object whose best row joins the record, or the sums of all its rows with the same `on`."""

    object: str
    """`source.object`"""
    on: dict[str, str]
    """Field of the joined object to the field of the mapped object that it equals, or to `join.field` of a join that is
    declared above: a city's country."""
    sums: dict[str, list[str]] = {}
    """Name to the fields whose product is summed up over all joined rows, rounded to four decimals a row: an order's
    total is `sums = { total = ["unit_price", "quantity", "1 - discount"] }` of its lines, read as `join.total`."""
    prefer: list[str] = []
    """Order that decides which of several rows joins: field, or `-field` for descending."""


class MappingSettings(Section):
    """The mapping of one object's rows to rows of a conformed table."""

    table: str
    """The conformed table, without its schema."""
    object: str
    """`source.object`"""
    where: dict[str, str | bool | int] = {}
    """Field to value: only rows that equal it are mapped."""
    group_by: list[str] = []
    """Each distinct combination of these fields is one record (a ticket's requester)."""
    record_object: str = ""
    """Name in record ids, where it is not the object's own."""
    joins: dict[str, JoinSettings] = {}
    fields: dict[str, FieldExpression]
    """Column of the table to field, or to one operator with its arguments."""
    addresses: list[dict[str, FieldExpression]] = []
    """Several addresses of a row, the preferred one first, each by its columns (street, city, postcode, …): the first
    that is given is taken whole, so that no street is joined with the town of another address."""
    other: dict[str, str] = {}
    """Column to what a value costs that it does not accept: `keep` (as "other"), `set_aside` (its row is a dead
    letter), or a value to take in its place. Left out: states and priorities are kept, and a row is set aside whose
    entity type, currency code, amount (below 0) or time of closing is not accepted. `amount = "refund"`: it is one."""

    @model_validator(mode="before")
    @classmethod
    def _choose_address(cls, given: Any) -> Any:
        """Write the choice between addresses into `fields`."""
        if not isinstance(given, dict) or not isinstance(given.get("addresses"), list) or not given["addresses"]:
            return given
        addresses, fields = given["addresses"], given.get("fields", {})
        if not all(isinstance(one, dict) and one for one in addresses):
            raise ValueError("addresses is a list of tables of column = field")
        columns = list(dict.fromkeys(name for one in addresses for name in one))
        chosen = {name: _first_address(name, addresses) for name in columns}
        if twice := [name for name in columns if fields.get(name, chosen[name]) != chosen[name]]:
            raise ValueError(f"{', '.join(twice)} is mapped by fields and by addresses")
        return {**given, "fields": {**fields, **chosen}}


def _first_address(column: str, addresses: list[dict[str, FieldExpression]]) -> dict[str, Any]:
    """Return the expression of a column of the first address of which something is given."""
    first, *others = addresses
    chosen: dict[str, Any] = {"if": {"join": list(first.values())}}
    if column in first:
        chosen["then"] = first[column]
    return chosen | ({"else": _first_address(column, others)} if others else {})


class CurrencySettings(Section):
    """Base currency, and units of it for one unit of each other currency."""

    base: CurrencyCode = "USD"
    """ISO 4217 code of the base currency, in which amounts are added up."""
    rates: dict[RatedCode, Annotated[Decimal, Field(gt=0, allow_inf_nan=False)]] = {}
    """Units of the base currency for one unit of each other currency, by ISO 4217 code."""


class ValidateSettings(Section):
    """The limit of dead letters: above this share of its new rows, and at least this many, an object is held back."""

    dead_letter_limit_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Share of an object's new rows."""
    dead_letter_limit_floor: Annotated[int, Field(ge=0)] = 100
    """Fewer dead letters than this never hold an object back."""


class CompletenessSettings(Section):
    """The nightly check. A source that answers surveys is compared whole; delivered files are read again."""

    files_days: Days = 30
    """How many days of delivered files are read again; older files were right for that long."""


class ResolveSettings(Section):
    """Identity. Thresholds left out are chosen when the epoch is trained."""

    link_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability from which a pair is linked; left out: chosen when the epoch is trained."""
    review_threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability from which a pair that is not linked is shown to a steward; left out: chosen with the epoch."""
    second_person_from_records: Annotated[int, Field(ge=1)] = 10
    """Between customers of this many records each, a steward's `same` needs the agreement of a second person."""
    id_churn_budget: Annotated[float, Field(ge=0, le=1)] = 0.01
    """The share of records that a new model may move to another customer; a run that would move more is refused. One in
    a hundred is more than retraining on a day's new records moves, and less than consumers of the ids would notice."""
    processes: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 1
    """Processes that score candidate pairs. One is best on one machine: a run uses all of its cores."""
    spread_from_pairs: Annotated[int, Field(ge=1)] = 5_000_000
    """Candidate pairs from which scoring is spread over the processes: fewer are scored faster than distributed."""
    deployment: str = ""
    """The Prefect deployment that scores a share of the pairs, such as score/score, on workers that reach the folder
    `runs`; empty: processes of this machine."""


class EnrichSettings(Section):
    """Providers of the enrichment stage; an empty path switches one off."""

    geoip: ProjectPath = "${home}/sample/reference/geoip.mmdb"
    """A MaxMind database (MMDB) of network addresses; empty: off."""
    firmographics: ProjectPath = "${home}/sample/reference/firmographics.parquet"
    """A table of companies by website (Parquet); empty: off."""
    expires_after_days: Days = 90
    """Time after which a value is looked up again."""


PolicyTag = Annotated[str, Field(pattern=r"^projects/[^/\s]+/locations/[^/\s]+/taxonomies/\d+/policyTags/\d+$")]
"""The resource name of a policy tag."""


class BigQuerySettings(Section):
    """The warehouse in BigQuery: a dataset with the published tables and views."""

    project: Annotated[str, Field(pattern=r"^([a-z][a-z0-9:.-]{1,98}[a-z0-9])?$")] = ""
    """Project of the dataset, which also pays for the jobs."""
    dataset: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{0,1000}$")] = ""
    """Dataset of the published tables. Rows on their way go through a second one, of this name and `_staging`."""
    location: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "EU"
    """Where the datasets are; a dataset cannot be moved."""
    credentials: ProjectPath = ""
    """File of a service account's key; empty: Google's default credentials of this machine."""
    endpoint: Annotated[str, Field(pattern=r"^(https?://[^@]+)?$")] = ""
    """Address of the API, for a private endpoint; empty: Google's. `http://` is for a server on this machine only."""
    maximum_bytes_billed: Annotated[int, Field(ge=10_485_760)] = 1_000_000_000_000
    """A statement that would read more fails without cost."""
    policy_tags: dict[Literal["identity", "contact", "online", "free_text", "special"], PolicyTag] = {}
    """Class of personal data to the policy tag of its columns. Tables are partitioned and clustered by columns of the
    other classes, and BigQuery does not permit that of tagged ones."""


class WarehouseSettings(Section):
    """The warehouse: the published tables and views in a DuckDB file or in BigQuery."""

    kind: Literal["duckdb", "bigquery"] = "duckdb"
    """Where: a file, or a dataset of BigQuery (`warehouse.bigquery`)."""
    path: DiskPath = "${home}/warehouse.duckdb"
    """The file of kind duckdb; empty: no warehouse."""
    bigquery: BigQuerySettings = BigQuerySettings()
    """The dataset of kind bigquery."""

    @model_validator(mode="after")
    def _check_kind(self) -> WarehouseSettings:
        if self.kind == "bigquery" and not (self.bigquery.project and self.bigquery.dataset):
            raise ValueError("kind bigquery needs warehouse.bigquery.project and warehouse.bigquery.dataset")
        return self


class CacheSettings(Section):
    """The cache: customers in Redis, for applications."""

    url: str = ""
    """`rediss://user@host:port`; a server on this machine can be `redis://`. Empty: no cache."""
    password: SecretStr | None = None
    """The password of the user in `cache.url`."""
    ca_file: ProjectPath = ""
    """File of certificate authorities for the server's certificate; empty: the public ones."""
    cluster: bool = False
    """Whether the server is one of a Redis cluster."""
    keep_seconds: Annotated[int, Field(ge=1, le=86_400 * 30)] = 3600
    """How long the former state of a customer is kept for readers that still see the former publication."""
    timeout_seconds: Timeout = 10.0
    """How long one answer of the server may take."""


class SinksSettings(Section):
    """Settings common to all sinks."""

    timeout_seconds: Timeout = 1800.0
    """How long one sink may take to follow a publication, waiting for another run included. After that the run ends as
    partial and the next run continues. A first load of ten million customers takes minutes."""


class AuditSettings(Section):
    """The access log: who read what, when and why. Every read is written to it before its answer is complete."""

    log: DiskPath = ""
    """Folder of the log, with a folder for each user of each machine; empty: `access/log` in the home."""
    signing_key: SecretStr | None = None
    """Ed25519 key that signs the log, 32 bytes in base64; left out: each writer makes its own once."""
    hash_key: SecretStr | None = None
    """Key of the hashes of statements, 32 bytes in base64; left out: each writer makes its own once."""
    anchor_bucket: str = ""
    """`s3://bucket/prefix` with Object Lock, where each run puts the newest heads of the log; empty: none."""
    anchor_s3: S3Settings = S3Settings()
    """How to reach that bucket."""
    anchor_days: Annotated[int, Field(ge=1, le=36_500)] = 400
    """How long the bucket refuses to delete a head."""


class PrefectSettings(Section):
    """Orchestration: retries and parallel fetching."""

    retries: Annotated[int, Field(ge=0, le=1000)] = 3
    """How often a task is retried where its error is retryable."""
    retry_delay_seconds: Seconds = 1.0
    """The first delay; it doubles, with jitter."""
    source_concurrency: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 10
    """Windows fetched in parallel."""
    fetch_deployment: str = ""
    """The Prefect deployment that fetches a share of a backfill's windows, such as fetch/fetch, on workers that reach
    the folders `runs` and `landing` by the same paths, or share `exchange`; empty: threads of this process. Threads
    suffice for most: fetching waits for the sources, and a run on a pool takes about ten seconds to start."""
    exchange: str = ""
    """`s3://bucket/prefix` through which runs and workers exchange windows and pairs where they share no disk, reached
    as `lake.s3` says; a lifecycle rule of the bucket should remove what is older than a week. Empty: by a shared
    disk."""


def _with_lookups(part: Any, lookups: dict[str, dict[str, str]]) -> Any:
    if isinstance(part, list):
        return [_with_lookups(one, lookups) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _with_lookups(inner, lookups) for name, inner in part.items()}
    if "of" in found and isinstance(name := found.get("map"), str):
        if name not in lookups:
            raise ValueError(unknown_name("lookup", name, lookups))
        found["map"] = lookups[name]
    return found


class Settings(BaseSettings):
    """The whole configuration. Built once at the edge by `load_settings` and passed on.

    The constructor takes only its arguments; `load_settings` adds file and environment.
    """

    model_config = SettingsConfigDict(extra="forbid", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the signature is pydantic's)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)

    @model_validator(mode="before")
    @classmethod
    def _fill_lookups(cls, given: Any) -> Any:
        """Put the tables of `lookups` in place of their names in mappings."""
        if not isinstance(given, dict) or not isinstance(given.get("mappings"), dict):
            return given
        return {**given, "mappings": _with_lookups(given["mappings"], given.get("lookups") or {})}

    home: Path
    """Folder for data; relative to dataflow.toml. Default: `.dataflow` beside it."""
    config_file: Path | None = None
    """The dataflow.toml that was read; set when settings are loaded."""
    lake: LakeSettings = LakeSettings()
    landing: DiskPath = "${home}/landing"
    """Folder of windows that are fetched and not yet landed."""
    runs: DiskPath = "${home}/runs"
    """Folder with one folder per active run."""
    reports: ProjectPath = "${home}/reports"
    """Folder of the runs' reports, or `s3://bucket/prefix`, reached as `lake.s3` says."""
    sample: DiskPath = "${home}/sample"
    """Folder of the generated sample."""
    sources: dict[str, SourceSettings] = {}
    mappings: dict[str, MappingSettings] = {}
    lookups: dict[str, dict[str, str]] = {}
    """Tables of value = value that the operator `map` of several mappings names: `map = "NAME"`."""
    rules: dict[RuleId, RuleSettings] = {}
    baselines: BaselinesSettings = BaselinesSettings()
    currency: CurrencySettings = CurrencySettings()
    validation: ValidateSettings = ValidateSettings()
    completeness: CompletenessSettings = CompletenessSettings()
    resolve: ResolveSettings = ResolveSettings()
    enrich: EnrichSettings = EnrichSettings()
    sinks: SinksSettings = SinksSettings()
    warehouse: WarehouseSettings = WarehouseSettings()
    cache: CacheSettings = CacheSettings()
    events: dict[EventName, EventSettings] = {}
    alerts: dict[EventName, AlertSettings] = {}
    slo: SloSettings = SloSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    roles: dict[str, RoleSettings] = {}
    access: AccessSettings = AccessSettings()
    audit: AuditSettings = AuditSettings()
    token: SecretStr | None = None
    """The token of `dataflow token issue` that this process reads with; a variable or .env, never dataflow.toml."""
    prefect: PrefectSettings = PrefectSettings()
