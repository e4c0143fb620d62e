"""Score candidate pairs on a work pool: one flow run for each chunk, named by folder and number; files in and out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from prefect import flow
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from dataflow.access.modes import files_shared_as
from dataflow.errors import ChunkFailed
from dataflow.resolve.pairs.chunks import ScoreChunks, edges_name, names_for, score_chunk
from dataflow.run.exchange import join, offer, paths_for_workers
from dataflow.settings import Settings, load_settings

# Seconds between two polls of a run that scores for minutes.
_POLL_SECONDS = 2.0


@flow(name="score", persist_result=False)
def score(folder: str, chunk: int, config: Path | None = None, home: Path | None = None) -> None:
    """Score one chunk of the pairs staged in a folder."""
    with join(folder, load_settings(config, home=home)) as exchange, files_shared_as(exchange.folder):
        exchange.pull([*names_for(chunk), edges_name(chunk)])
        score_chunk(exchange.folder, chunk)
        exchange.push([edges_name(chunk)])


def scoring_in_pool(deployment: str, settings: Settings) -> ScoreChunks:
    """Return a function by which a deployment scores chunks in parallel; called again, it reuses started runs.

    The function can be called from any thread: it uses the Prefect API that is set up here.
    """
    here = copy_context()
    place = paths_for_workers(settings)

    def run(address: str, chunk: int) -> str:
        ended = run_deployment(
            deployment,
            parameters={"folder": address, "chunk": chunk, **place},
            idempotency_key=f"{address}|{chunk}",
            poll_interval=_POLL_SECONDS,
            as_subflow=False,
        )
        # Awaitable only inside an event loop, which these threads do not have.
        assert isinstance(ended, FlowRun)
        return str(ended.state_name)

    def run_all(folder: Path, chunks: Sequence[int]) -> None:
        exchange = offer(folder.resolve(), settings)
        sent = sorted({name for chunk in chunks for name in names_for(chunk)})
        exchange.push(sent)
        with ThreadPoolExecutor(len(chunks), thread_name_prefix="chunk") as waiting:
            started = {chunk: waiting.submit(here.copy().run, run, exchange.address, chunk) for chunk in chunks}
        failed = {chunk: state for chunk, one in started.items() if (state := one.result()) != "Completed"}
        if failed:
            raise ChunkFailed(
                f"{len(failed)} of {len(chunks)} chunks of {folder} were not scored by {deployment}: "
                f"{', '.join(f'{chunk} ended as {state}' for chunk, state in failed.items())}.",
                next_move="Look at these runs in Prefect; their workers must reach that folder. Then run again.",
            )
        edges = [edges_name(chunk) for chunk in chunks]
        exchange.pull(edges)
        exchange.remove([*sent, *edges])

    return run_all
