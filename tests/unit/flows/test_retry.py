"""A step is tried again when its error says that this can help, and only then: in this process as on Prefect."""

from pathlib import Path

import pytest

from dataflow.errors import ConfigurationError, SourceMalformed, SourceUnavailable
from dataflow.settings import load_settings
from dataflow.settings.model import PrefectSettings
from flows.engine import Call, InProcess, answer_of, require_pools
from flows.retry import LONGEST_WAIT_SECONDS, Incomplete, can_retry, result_or_part


@pytest.fixture
def engine(tmp_path: Path) -> InProcess:
    return InProcess(load_settings(home=tmp_path, prefect=PrefectSettings(retries=2, retry_delay_seconds=0.01)))


@pytest.mark.parametrize(
    ("error", "attempts"), [(SourceUnavailable("no answer"), 3), (SourceMalformed("not JSON"), 1), (ValueError(), 1)]
)
def test_attempts(engine: InProcess, error: Exception, attempts: int) -> None:
    tried = 0

    def fetch() -> None:
        nonlocal tried
        tried += 1
        raise error

    with pytest.raises(type(error)):
        engine.run(Call("fetch", fetch))
    assert tried == attempts
    assert answer_of(engine, Call("fetch", fetch, is_retried=False)) is error
    assert tried == attempts + 1


def test_calls_are_answered_in_their_order_and_an_error_stops_no_other(engine: InProcess) -> None:
    ended: list[int] = []
    calls = [Call("divide", divide, {"by": by}, windows=by) for by in (1, 0, 2)]
    one, error, half = engine.run_all(calls, workers=2, on_end=lambda call: ended.append(call.windows))
    assert (one, half) == (1.0, 0.5)
    assert isinstance(error, ZeroDivisionError)
    assert sorted(ended) == [0, 1, 2]
    assert engine.run_all([], workers=2) == []


def divide(by: int) -> float:
    return 1 / by


def test_without_prefect_there_are_no_pools(engine: InProcess) -> None:
    with pytest.raises(ConfigurationError, match="PREFECT_API_URL"):
        require_pools(engine, "fetch/fetch", setting="prefect.fetch_deployment")


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
    assert can_retry(Incomplete("a part", errors)) is result
    assert waited == ([] if waits is None else [waits])


def test_after_the_last_try_the_part_that_is_there_is_taken() -> None:
    assert result_or_part("all") == "all"
    assert result_or_part(Incomplete("a part", [SourceMalformed("broken")])) == "a part"
    with pytest.raises(SourceMalformed):
        result_or_part(SourceMalformed("broken"))
