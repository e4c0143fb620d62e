"""The dataflow.toml that deployments/ shows differs from the one over the sample in how sources are reached alone."""

from pathlib import Path

import pytest

from dataflow.settings import ObjectSettings, Settings, load_settings
from tests.lib.peers import EXAMPLE

SECRETS = ("SALESFORCE_CLIENT_ID", "SALESFORCE_CLIENT_SECRET", "MYSQL_PASSWORD", "S3_KEY_ID", "S3_SECRET")
REACH = {"format": "", "path": "", "deletions": "", "remote": "", "anti_join_every_days": 0, "time_zone": None}


def test_the_example_is_the_default_over_the_systems_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "secret")
    example, sample = load_settings(EXAMPLE, home=tmp_path), load_settings(home=tmp_path)
    assert [source.adapter for source in example.sources.values()] == ["salesforce", "mysql", "s3"]
    assert objects(example) == objects(sample)
    assert (example.mappings, example.currency) == (sample.mappings, sample.currency)


def objects(settings: Settings) -> dict[str, tuple[int, ObjectSettings]]:
    """What is declared of each object, whatever its rows come as."""
    return {
        f"{name}.{of}": (source.trust, declared.model_copy(update=REACH))
        for name, source in settings.sources.items()
        for of, declared in source.objects.items()
    }
