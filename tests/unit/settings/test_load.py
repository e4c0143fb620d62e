"""How the configuration is found, merged and refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import duckdb
import pytest
from annotated_types import Ge, Gt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from dataflow.errors import ConfigurationError, ExitCode
from dataflow.settings import Settings, default_toml, load_settings
from dataflow.settings.adapters import ADAPTERS
from dataflow.settings.adapters.mysql import MySQLSettings


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATAFLOW_HOME", "DATAFLOW_CONFIG", "DATAFLOW_LAKE__THREADS"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_file_the_packaged_default_reads_the_sample_below_the_working_folder(tmp_path: Path) -> None:
    settings = load_settings()
    assert settings.config_file is None
    assert settings.home == tmp_path / ".dataflow"
    assert settings.sources["mysql"].root == f"{tmp_path}/.dataflow/sample/mysql"
    assert settings.lake.catalogue == f"{tmp_path}/.dataflow/lake/catalogue.ducklake"


def test_the_nearest_file_upwards_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataflow.toml").write_text(default_toml())
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    settings = load_settings()
    assert settings.config_file == tmp_path / "dataflow.toml"
    assert settings.home == tmp_path / ".dataflow"


def test_stronger_places_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataflow.toml").write_text('[lake]\nmemory_limit = "1GB"\nthreads = 1\ncatalogue = "c"\n')
    (tmp_path / ".env").write_text("DATAFLOW_LAKE__MEMORY_LIMIT=2GB\nDATAFLOW_LAKE__THREADS=2\nOTHER=1\n")
    monkeypatch.setenv("DATAFLOW_LAKE__MEMORY_LIMIT", "3GB")
    lake = load_settings().lake
    assert (lake.memory_limit, lake.threads, lake.catalogue) == ("3GB", 2, str(tmp_path / "c"))


def test_home_is_taken_from_the_caller_then_the_variable_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dataflow.toml").write_text('home = "in-file"\n')
    assert load_settings().home == tmp_path / "in-file"
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "in-variable"))
    assert load_settings().home == tmp_path / "in-variable"
    assert load_settings(home=tmp_path / "given").home == tmp_path / "given"


def test_variables_are_put_in_and_a_missing_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataflow.toml").write_text('[lake]\ncatalogue = "${env:LAKE_PLACE}/c.ducklake"\n')
    with pytest.raises(ConfigurationError, match="LAKE_PLACE"):
        load_settings()
    monkeypatch.setenv("LAKE_PLACE", "/data")
    assert load_settings().lake.catalogue == "/data/c.ducklake"


def test_variables_and_the_home_are_looked_up_in_dotenv_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataflow.toml").write_text('[lake]\ncatalogue = "${env:LAKE_PLACE}/c.ducklake"\n')
    (tmp_path / ".env").write_text("LAKE_PLACE=/data\nDATAFLOW_HOME=elsewhere\n")
    settings = load_settings()
    assert (settings.lake.catalogue, settings.home) == ("/data/c.ducklake", tmp_path / "elsewhere")
    monkeypatch.setenv("LAKE_PLACE", "/stronger")
    assert load_settings().lake.catalogue == "/stronger/c.ducklake"


def test_a_relative_path_is_of_the_folder_of_the_file_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    file = here / "dataflow.toml"
    file.write_text(
        '[sources.shop]\nadapter = "files"\nroot = "in"\nobjects = {}\n'
        '[sources.far]\nadapter = "s3"\nroot = "s3://bucket/in"\nobjects = {}\n'
        '[sources.org]\nadapter = "mysql"\nobjects = {}\n'
        'mysql = { host = "h", user = "u", password = "p", database = "d", ca_file = "../ca.pem" }\n'
        '[lake]\ndata = "data"\n[enrich]\ngeoip = "~/geo.mmdb"\nfirmographics = ""\n'
    )
    monkeypatch.chdir(there)
    settings = load_settings(file)
    sources = settings.sources
    assert (sources["shop"].root, sources["far"].root) == (str(here / "in"), "s3://bucket/in")
    assert sources["org"].section(MySQLSettings).ca_file == str(tmp_path / "ca.pem")
    assert settings.lake.data == str(here / "data")
    assert (settings.enrich.geoip, settings.enrich.firmographics) == (str(Path.home() / "geo.mmdb"), "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "[lake]\nthreds = 2\n",
            "lake.threds: There is no setting threds. Did you mean threads? There are: catalogue",
        ),
        (
            "[lak]\n",
            "lak: There is no setting lak. Did you mean lake? There are: access, alerts, audit, baselines, ",
        ),
        ("[lake.s3]\nregoin = 'eu'\n", "lake.s3.regoin: There is no setting regoin. Did you mean region?"),
        ("[sources.shop]\nadaptor = 'mysql'\nobjects = {}\n", "sources.shop.adaptor: There is no setting adaptor."),
        (
            "[sources.shop]\nroot = 'x'\n[sources.shop.objects.a]\nformat = 'csv'\npath = 'p'\nkey = 'k'\n"
            "cursor = 'c'\nfields = {}\noptinal = []\n",
            "sources.shop.objects.a.optinal: There is no setting optinal. Did you mean optional?",
        ),
    ],
)
def test_an_unknown_setting_is_answered_with_the_nearest_and_the_list(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "dataflow.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[lake]\nmemory = 1\n", "lake.memory"),
        ("[surprise]\nx = 1\n", "surprise"),
        ("[lake]\nthreads = 'many'\n", "lake.threads"),
        ("[lake\n", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_and_its_value_is_not(tmp_path: Path, text: str, named: str) -> None:
    (tmp_path / "dataflow.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert named in str(caught.value)
    assert "many" not in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ('landing = "s3://bucket/landing"', "landing"),
        ('runs = "s3://bucket/runs"', "runs"),
        ('[lake]\npublished = "s3://bucket/published"', "lake.published"),
        ('[warehouse]\npath = "s3://bucket/warehouse.duckdb"', "warehouse.path"),
        ('[audit]\nlog = "s3://bucket/log"', "audit.log"),
    ],
)
def test_a_bucket_is_refused_where_files_are_worked_on(tmp_path: Path, text: str, setting: str) -> None:
    (tmp_path / "dataflow.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=f"{setting}: .*s3:// is not a path of this machine"):
        load_settings(tmp_path / "dataflow.toml", home=tmp_path)


def test_secrets_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataflow.toml").write_text("")
    monkeypatch.setenv("DATAFLOW_LAKE__S3__SECRET", "swordfish")
    settings = load_settings()
    assert settings.lake.s3 is not None
    assert settings.lake.s3.secret is not None
    assert settings.lake.s3.secret.get_secret_value() == "swordfish"
    assert "swordfish" not in repr(settings)


@pytest.mark.parametrize(
    "name", ["DATAFLOW_ROLES", "DATAFLOW_ACCESS__USERS", "DATAFLOW_AUDIT__LOG", "dataflow_audit__anchor_bucket"]
)
@pytest.mark.parametrize("in_dotenv", [False, True])
def test_who_may_read_and_where_it_is_logged_are_not_said_by_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, in_dotenv: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    if in_dotenv:
        (tmp_path / ".env").write_text(f"{name}=x\n")
    else:
        monkeypatch.setenv(name, "x")
    with pytest.raises(ConfigurationError, match=f"not by variables: {name}"):
        load_settings(home=tmp_path)


def test_secrets_of_access_come_from_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAFLOW_ACCESS__KEY", "k" * 32)
    monkeypatch.setenv("DATAFLOW_AUDIT__HASH_KEY", "h")
    settings = load_settings(home=tmp_path)
    assert settings.access.key is not None
    assert settings.audit.hash_key is not None


def test_a_named_file_that_is_missing_is_an_error_with_the_next_move(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="dataflow init"):
        load_settings(tmp_path / "nowhere.toml")


_SOURCE = "[sources.s]\nadapter = 'mysql'\nobjects = {}\n"
_OBJECT = "[sources.s.objects.o]\nkey = 'k'\ncursor = 'c'\nfields = {}\n"


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("[lake]\nsnapshot_retention_days = -1\n", "lake.snapshot_retention_days"),
        ("[lake]\nwait_seconds = -0.1\n", "lake.wait_seconds"),
        ("[lake]\nwait_seconds = inf\n", "lake.wait_seconds"),
        ("[lake]\nthreads = -1\n", "lake.threads"),
        ("[lake]\nthreads = 99999\n", "lake.threads"),
        ("[lake]\nmemory_limit = 'lots'\n", "lake.memory_limit"),
        ("[lake]\nmemory_limit = '10%'\n", "lake.memory_limit"),
        ("[lake]\nmemory_limit = '4'\n", "lake.memory_limit"),
        ("[lake]\nmemory_limit = '1KB'\n", "lake.memory_limit"),
        ("[lake]\nmemory_limit = '95MiB'\n", "lake.memory_limit"),
        ("[currency]\nbase = 'usd'\n", "currency.base"),
        ("[currency]\nbase = 'XXZ'\n", "currency.base"),
        ("[currency.rates]\nEUR = 0\n", "currency.rates.EUR"),
        ("[currency.rates]\nEUR = inf\n", "currency.rates.EUR"),
        ("[currency.rates]\neuro = 1\n", "currency.rates.euro"),
        ("[validation]\ndead_letter_limit_floor = -1\n", "validation.dead_letter_limit_floor"),
        ("[completeness]\nfiles_days = -1\n", "completeness.files_days"),
        ("[completeness]\nfiles_days = 99999999\n", "completeness.files_days"),
        ("[enrich]\nexpires_after_days = -1\n", "enrich.expires_after_days"),
        ("[resolve]\nprocesses = 5000\n", "resolve.processes"),
        ("[prefect]\nretries = -1\n", "prefect.retries"),
        ("[prefect]\nretry_delay_seconds = -1\n", "prefect.retry_delay_seconds"),
        ("[prefect]\nsource_concurrency = 0\n", "prefect.source_concurrency"),
        (f"{_SOURCE}lookback_seconds = -1\n", "sources.s.lookback_seconds"),
        (f"{_SOURCE}[sources.s.mysql]\nport = 0\n", "sources.s.mysql.port"),
        (f"{_SOURCE}[sources.s.mysql]\nport = 65536\n", "sources.s.mysql.port"),
        (f"{_SOURCE}[sources.s.salesforce]\nattempts = 0\n", "sources.s.salesforce.attempts"),
        (f"{_SOURCE}[sources.s.salesforce]\ndownloads = 0\n", "sources.s.salesforce.downloads"),
        (f"[sources.s]\n{_OBJECT}reread_every_hours = -1\n", "sources.s.objects.o.reread_every_hours"),
        (f"[sources.s]\n{_OBJECT}anti_join_every_days = -1\n", "sources.s.objects.o.anti_join_every_days"),
    ],
)
def test_a_number_out_of_its_bounds_is_refused_by_its_name(tmp_path: Path, text: str, setting: str) -> None:
    (tmp_path / "dataflow.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=rf"{setting}: ") as caught:
        load_settings()
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("amount", ["100MB", "1500MB", "2 GB", "0.5gb", "512MiB", "1TB"])
def test_memory_is_taken_as_duckdb_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amount: str) -> None:
    monkeypatch.setenv("DATAFLOW_LAKE__MEMORY_LIMIT", amount)
    assert load_settings().lake.memory_limit == amount
    with duckdb.connect(config={"memory_limit": amount}) as con:
        assert con.execute("SELECT 1").fetchone() == (1,)


def test_every_number_of_the_settings_has_a_least_value() -> None:
    found = set()
    kinds, seen = [Settings, *(adapter.section for adapter in ADAPTERS.values() if adapter.section)], set()
    while kinds:
        kind = kinds.pop()
        seen.add(kind)
        for name, field in kind.model_fields.items():
            inner = [k for k in _kinds(field.annotation) if isinstance(k, type)]
            kinds += [k for k in inner if issubclass(k, BaseModel) and k not in seen]
            has_bound = any(isinstance(mark, Ge | Gt) for mark in _marks(field))
            if {int, float} & set(inner) and bool not in inner and not has_bound:
                found.add(f"{kind.__name__}.{name}")
    assert len(seen) > 10
    assert found == {"SourceSettings.trust"}  # trusts are only compared with each other


def _kinds(annotation: object) -> Iterator[object]:
    yield annotation
    for part in get_args(annotation):
        yield from _kinds(part)


def _marks(field: FieldInfo) -> Iterator[object]:
    yield from field.metadata
    for part in _kinds(field.annotation):
        if isinstance(part, FieldInfo):
            yield from part.metadata


@pytest.mark.parametrize("name", ["dataflow.toml", ".env"])
@pytest.mark.parametrize(
    ("raw", "line"), [("[lake]\n# caf\u00e9\n".encode("latin-1"), 2), ("[lake]\n".encode("utf-16"), 1)]
)
def test_a_file_that_is_not_utf_8_is_named_with_the_line(tmp_path: Path, name: str, raw: bytes, line: int) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(ConfigurationError, match=rf"{name} is not UTF-8, from line {line}. Save it as UTF-8."):
        load_settings()


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "dataflow.toml").write_text("[lake]\nthreads = 3\n", encoding="utf-8-sig")
    (tmp_path / ".env").write_text("DATAFLOW_LAKE__WAIT_SECONDS=4\n", encoding="utf-8-sig")
    assert (load_settings().lake.threads, load_settings().lake.wait_seconds) == (3, 4)


def test_a_folder_or_a_broken_link_is_not_taken_for_a_missing_file(tmp_path: Path) -> None:
    place = tmp_path / "dataflow.toml"
    place.mkdir()
    with pytest.raises(ConfigurationError, match="is not a file"):
        load_settings()
    place.rmdir()
    place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="is not a file"):
        load_settings()


def test_a_home_at_or_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home in ("file", "file/x", "file/x/y"):
        with pytest.raises(ConfigurationError, match=r"cannot be a folder: .*file is not one"):
            load_settings(home=tmp_path / home)
    assert load_settings(home=tmp_path / "new" / "x").home == tmp_path / "new" / "x"


def test_a_word_that_is_not_listed_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "dataflow.toml"
    path.write_text('[warehouse]\nkind = "bigqery"\n', encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"'duckdb'.* Did you mean bigquery"):
        load_settings(path)
