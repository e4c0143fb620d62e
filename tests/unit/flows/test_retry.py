"""A task is tried again when its error says that this can help, and only then."""

from pathlib import Path

import pytest
from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from dataflow.errors import SourceMalformed, SourceUnavailable
from dataflow.settings import load_settings
from dataflow.settings.model import PrefectSettings
from flows.retry import with_retries
from flows.start import connected


@pytest.mark.parametrize(
    ("error", "attempts"), [(SourceUnavailable("no answer"), 3), (SourceMalformed("not JSON"), 1), (ValueError(), 1)]
)
def test_attempts(prefect_api: None, tmp_path: Path, error: Exception, attempts: int) -> None:
    tried = 0

    @task(cache_policy=NO_CACHE)
    def fetch() -> None:
        nonlocal tried
        tried += 1
        raise error

    settings = load_settings(home=tmp_path, prefect=PrefectSettings(retries=2, retry_delay_seconds=0.01))

    @flow
    def once() -> None:
        with_retries(fetch, settings)()

    with connected(settings), pytest.raises(type(error)):
        once()
    assert tried == attempts
