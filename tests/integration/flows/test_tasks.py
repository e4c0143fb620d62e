"""The steps of a run as tasks of a real Prefect server: the same retries and answers as in process."""

from pathlib import Path

import pytest
from prefect import flow

from dataflow.errors import SourceMalformed, SourceUnavailable
from dataflow.settings import load_settings
from dataflow.settings.model import PrefectSettings
from flows.engine import Call, answer_of
from flows.on_prefect import OnPrefect
from tests.lib.servers.prefect import PrefectServer


def test_a_task_is_tried_again_where_its_error_says_so(prefect_server: PrefectServer, tmp_path: Path) -> None:
    engine = OnPrefect(load_settings(home=tmp_path, prefect=PrefectSettings(retries=2, retry_delay_seconds=0.01)))
    tried: list[Exception] = []

    def fetch(error: Exception) -> None:
        tried.append(error)
        raise error

    unavailable, malformed = SourceUnavailable("no answer"), SourceMalformed("not JSON")

    @flow(persist_result=False)
    def once() -> None:
        assert answer_of(engine, Call("fetch", fetch, {"error": malformed})) is malformed
        calls = [Call("fetch", fetch, {"error": unavailable}), Call("pass", lambda: "done")]
        assert engine.run_all(calls, workers=2) == [unavailable, "done"]
        with pytest.raises(SourceMalformed):
            engine.run(Call("fetch", fetch, {"error": malformed}))

    with prefect_server.in_process():
        once()
    assert tried == [malformed, *[unavailable] * 3, malformed]
