"""Update one sink to a publication, under its lease and within its timeout."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from dataflow.access.lake import lake_location
from dataflow.errors import DataFlowError, SinkTimeout, StepDefect
from dataflow.publish.commit import Publication
from dataflow.settings import Settings
from dataflow.sinks.protocol import SinkKind
from dataflow.workspace.defects import place_of
from dataflow.workspace.report import StepReport
from lakehouse import LakeError, LakeLocked, lease

# A sink stops itself at its timeout; one that does not is abandoned after this time.
_LONGEST_GRACE_SECONDS = 5.0


def follow_sink(kind: SinkKind, settings: Settings, publication: Publication) -> StepReport:
    """Update one sink to the publication within `sinks.timeout_seconds`, which includes the wait for its lease.

    The lake is closed: no writer waits for a sink.
    Raises: SinkError, SinkTimeout, LakeError; StepDefect for an unexpected error.
    """
    answer: Future[StepReport] = Future()

    def work() -> None:
        try:
            answer.set_result(_follow(kind, settings, publication))
        except BaseException as error:  # noqa: BLE001 (the waiting caller raises it)
            answer.set_exception(error)

    # A thread cannot be stopped. As a daemon, one that hangs does not keep the process from ending, and its lease ends
    # with the process.
    threading.Thread(target=work, name=f"sink {kind.name}", daemon=True).start()
    seconds = settings.sinks.timeout_seconds
    try:
        return answer.result(timeout=seconds + min(seconds, _LONGEST_GRACE_SECONDS))
    except TimeoutError as error:
        raise SinkTimeout(
            f"The sink {kind.name} gave no answer within {seconds:g} s (sinks.timeout_seconds).",
            next_move="Look at what it waits for (dataflow doctor), or raise the setting; the next run goes on.",
        ) from error


def _follow(kind: SinkKind, settings: Settings, publication: Publication) -> StepReport:
    purpose = f"publication {publication.number} of run {publication.run_id}"
    wait = settings.sinks.timeout_seconds
    try:
        with lease(lake_location(settings), f"sink-{kind.name}", purpose=purpose, wait_seconds=wait):
            return kind.open(settings).follow(publication)
    except LakeLocked as error:
        raise SinkTimeout(
            f"The sink {kind.name} is fed by another run: {error}.",
            next_move="The next run brings it to the publication.",
        ) from error
    except (DataFlowError, LakeError):
        raise
    except Exception as error:  # noqa: BLE001 (a sink's defect is an error of that sink; its text may quote a row)
        raise StepDefect(
            f"The sink {kind.name} failed: unexpected {type(error).__name__} at {place_of(error)}; "
            "the publication stands.",
            next_move="Run again with dataflow --debug to see it in full (it may show customer data).",
        ) from None
