"""A task is tried again when its error says that this can help, and only then."""

from pathlib import Path

import pytest
from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Failed

from dataflow.errors import SourceMalformed, SourceUnavailable
from dataflow.settings import load_settings
from dataflow.settings.model import PrefectSettings
from flows.retry import LONGEST_WAIT_SECONDS, Incomplete, can_retry, result_or_part, with_retries
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


def waiting(retry_after_seconds: float | None) -> SourceUnavailable:
    error = SourceUnavailable("busy")
    error.retry_after_seconds = retry_after_seconds
    return error


@pytest.mark.parametrize(
    ("errors", "result", "waits"),
    [
        ([waiting(None)], True, 0),
        ([waiting(30)], True, 30),
        ([SourceMalformed("broken"), waiting(7), waiting(20)], True, 20),
        ([SourceMalformed("broken")], False, None),
        ([waiting(LONGEST_WAIT_SECONDS + 1)], False, None),
    ],
)
def test_the_source_says_how_long_to_wait(
    errors: list[Exception], result: bool, waits: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("flows.retry.time.sleep", waited.append)
    state: State[str] = Failed(data=Incomplete("a part", errors))
    assert can_retry(None, None, state) is result  # type: ignore[arg-type]
    assert waited == ([] if waits is None else [waits])


def test_after_the_last_try_the_part_that_is_there_is_taken() -> None:
    assert result_or_part("all") == "all"
    assert result_or_part(Incomplete("a part", [SourceMalformed("broken")])) == "a part"
    with pytest.raises(SourceMalformed):
        result_or_part(SourceMalformed("broken"))
