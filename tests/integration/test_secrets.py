"""References of dataflow.toml to Secrets Manager and Parameter Store, on an emulator of AWS."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from dataflow.errors import ConfigurationError, SourceUnavailable
from dataflow.settings import Settings, load_settings
from tests.lib.servers.moto import MotoServer
from tests.lib.servers.ports import free_port

_WEIRD = 'pä§s"${env:HOME}\\'


@pytest.fixture(autouse=True)
def _machine(moto: MotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in moto.environment.items():
        monkeypatch.setenv(name, value)


def _load(tmp_path: Path, password: str) -> Settings:
    (tmp_path / "dataflow.toml").write_text(
        f"[cache]\nurl = 'rediss://writer@127.0.0.1:6379'\npassword = '{password}'\n"
    )
    return load_settings()


def _password(settings: Settings) -> str:
    assert settings.cache is not None
    assert isinstance(settings.cache.password, SecretStr)
    return settings.cache.password.get_secret_value()


def test_secrets_and_parameters_become_settings(moto: MotoServer, tmp_path: Path) -> None:
    secrets, parameters = moto.client("secretsmanager"), moto.client("ssm")
    secrets.create_secret(Name="prod/cache", SecretString=json.dumps({"password": _WEIRD, "port": 6379}))
    whole = secrets.create_secret(Name="whole", SecretString="plain text")
    parameters.put_parameter(Name="/prod/cache", Value="a parameter", Type="SecureString")
    assert _password(_load(tmp_path, "${aws:prod/cache#password}")) == _WEIRD
    assert _password(_load(tmp_path, "${aws:prod/cache#port}")) == "6379"
    assert _password(_load(tmp_path, "${aws:whole}")) == "plain text"
    assert _password(_load(tmp_path, f"${{aws:{whole['ARN']}}}")) == "plain text"
    assert _password(_load(tmp_path, "x-${ssm:/prod/cache}-${aws:whole}")) == "x-a parameter-plain text"
    secrets.put_secret_value(SecretId="whole", SecretString="rotated")
    assert _password(_load(tmp_path, "${aws:whole}")) == "rotated"


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("${aws:nothing}", "nothing of Secrets Manager, which has none of that name"),
        ("${ssm:/nothing}", "/nothing of Parameter Store, which has none of that name"),
        ("${aws:whole#password}", "the secret is not JSON with keys"),
        ("${aws:keys#passwort}", "the secret has no text under that key. It has nested, password."),
        ("${aws:keys#nested}", "the secret has no text under that key"),
        ("${aws:bytes}", "holds bytes and not text"),
        ("${aws:}", "references that cannot be read: ${aws:}"),
        ("${ssm:a b}", "references that cannot be read: ${ssm:a b}"),
        ("${env:1X}", "references that cannot be read: ${env:1X}"),
    ],
)
def test_a_reference_that_cannot_be_resolved_is_named_without_a_value(
    moto: MotoServer, tmp_path: Path, reference: str, found: str
) -> None:
    secrets = moto.client("secretsmanager")
    secrets.create_secret(Name="whole", SecretString="canary-1")
    secrets.create_secret(Name="keys", SecretString=json.dumps({"password": "canary-2", "nested": {"a": "canary-3"}}))
    secrets.create_secret(Name="bytes", SecretBinary=b"canary-4")
    with pytest.raises(ConfigurationError) as refused:
        _load(tmp_path, reference)
    said = f"{refused.value} {refused.value.next_move}"
    assert found in said
    assert "canary" not in said
    assert refused.value.__cause__ is None


def test_without_a_region_a_key_or_an_answer_the_reason_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(SourceUnavailable, match=r"whole of Secrets Manager, which does not answer \(Endpoint"):
        _load(tmp_path, "${aws:whole}")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(ConfigurationError, match="this machine has no key of AWS"):
        _load(tmp_path, "${aws:whole}")
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    with pytest.raises(ConfigurationError, match="no region is set"):
        _load(tmp_path, "${ssm:whole}")


def test_secrets_are_shown_by_no_error_about_other_settings(moto: MotoServer, tmp_path: Path) -> None:
    moto.client("secretsmanager").create_secret(Name="whole", SecretString="canary-5")
    with pytest.raises(ConfigurationError) as refused:
        _load(tmp_path, "${aws:whole}'\nkeep_seconds = '${aws:whole}")
    assert "cache.keep_seconds" in str(refused.value)
    assert "canary" not in f"{refused.value} {refused.value.__notes__ if hasattr(refused.value, '__notes__') else ''}"
