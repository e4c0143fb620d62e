"""Derived keys: stable, apart by lake and use, and of a secret that is made once."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from dataflow.access.keys import derive_key
from dataflow.errors import ConfigurationError
from dataflow.settings import Settings, load_settings
from dataflow.settings.model import AccessSettings


def with_key(settings: Settings, key: str) -> Settings:
    return settings.model_copy(update={"access": AccessSettings(key=SecretStr(key))})


def test_keys_differ_by_lake_and_use_and_stay(tmp_path: Path) -> None:
    settings = with_key(load_settings(home=tmp_path), "k" * 32)
    keys = {derive_key(settings, lake_id=lake, use=use) for lake in ("a", "b") for use in ("cache", "role")}
    assert len(keys) == 4
    assert all(len(key) == 32 for key in keys)
    assert derive_key(settings, lake_id="a", use="cache") in keys
    assert not (tmp_path / "access").exists()
    assert derive_key(with_key(settings, "j" * 32), lake_id="a", use="cache") not in keys


def test_the_file_of_the_secret_is_made_once_and_only_its_user_reads_it(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: derive_key(settings, lake_id="a", use="cache"), range(32)))
    assert len(keys) == 1
    [file] = (tmp_path / "access").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    with pytest.raises(ConfigurationError, match=r"access\.key has 5 characters"):
        derive_key(with_key(settings, "short"), lake_id="a", use="cache")
    derive_key(settings, lake_id="a", use="cache")
    file = tmp_path / "access" / "master.key"
    os.truncate(file, 7)
    with pytest.raises(ConfigurationError, match="has 7 bytes, not 32"):
        derive_key(settings, lake_id="a", use="cache")
