"""Open a reader's door, and write the role's mart first where it is not the one to read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TypeVar

from dataflow.access.who import Who
from dataflow.errors import AccessRefused, DataFlowError, MartDiffers
from dataflow.settings import Settings
from lakehouse import LakeError

T = TypeVar("T")


@contextmanager
def renewing_mart(opened: Callable[[], AbstractContextManager[T]], who: Who, settings: Settings) -> Iterator[T]:
    """Enter what `opened` opens; where the role's mart differs, write it first, if this process can.

    Raises: AccessRefused with both reasons where it cannot.
    """
    with ExitStack() as stack:
        try:
            found = stack.enter_context(opened())
        except MartDiffers as differs:
            from dataflow.sinks.marts import rewrite_mart

            try:
                rewrite_mart(settings, who.role)
            except (DataFlowError, LakeError) as error:
                raise AccessRefused(f"{differs.message} It cannot be written here: {error}") from error
            found = stack.enter_context(opened())
        yield found
