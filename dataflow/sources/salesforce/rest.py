"""Read a window by REST: page by page, each row once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from dataflow.errors import SourceUnavailable
from dataflow.sources.salesforce.connection import Connection, Page
from dataflow.sources.salesforce.fields import Columns

_TRIES = 3


def read_pages(
    connection: Connection, first: Page, columns: Columns, *, name: str
) -> Iterator[Sequence[Sequence[Any]]]:
    """Yield the rows of each page, values in the order of the columns.

    A page that repeats rows (seen where a load balancer answers from its cache) is requested again.
    Raises: SourceUnavailable when it still repeats rows.
    """
    seen: set[str] = set()
    page, address = first, ""
    while True:
        for _ in range(_TRIES):
            keys = {str(record["Id"]) for record in page.records}
            if len(keys) == len(page.records) and not keys & seen:
                break
            page = connection.more(address) if address else page
        else:
            raise SourceUnavailable(
                f"Reading {name}: a page repeats rows of another, asked {_TRIES} times.", next_move="Run again."
            )
        seen |= keys
        yield [columns.of_record(record) for record in page.records]
        if not page.next_address:
            return
        address = page.next_address
        page = connection.more(address)
