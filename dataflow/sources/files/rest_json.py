"""Read pages of REST query responses, and getDeleted responses, without changing the text of a record.

DuckDB's JSON reader rewrites numbers (measured with 1.5.5: 1.10 becomes 1.1, a long decimal loses digits), so records
are cut out of the page where Python's C scanner finds their beginning and end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pyarrow as pa

from dataflow.errors import SourceIncomplete, SourceMalformed
from dataflow.settings import ObjectSettings
from dataflow.sources.drift import answer_drift, find_drift
from dataflow.sources.files.compression import read_whole
from dataflow.sources.files.store import Store
from dataflow.sources.protocol import FetchReport, FieldInfo, Part
from dataflow.sources.rows import RowReader, Rows, parse_time

_SPACES = " \t\r\n"
_SPACE = re.compile(f"[{_SPACES}]*")
_ATTRIBUTES = "attributes"


def read_pages(
    store: Store, parts: Sequence[Part], declared: ObjectSettings, report: FetchReport
) -> Iterator[pa.RecordBatch]:
    """Read the pages of a window in order of their names; one page is in memory at a time.

    Raises: SourceMalformed, SchemaDrift, SourceIncomplete when the pages have fewer records than they promise.
    """
    promise = _Promise()
    for part in parts:
        page = _open_response(store, part, "records")
        rows = _shape_records(page, part.path, declared, report)
        report.count(part.path, len(page.items))
        promise.take(page, part.path)
        if len(rows):
            yield rows.take()
    promise.close()


def read_deletions(store: Store, parts: Sequence[Part], report: FetchReport) -> Iterator[pa.RecordBatch]:
    """Read getDeleted responses as tombstones: key, time of deletion, and the entry as payload."""
    for part in parts:
        response = _open_response(store, part, "deletedRecords")
        rows = Rows()
        for number, (text, entry) in enumerate(response.items, start=1):
            key = entry.get("id") if isinstance(entry, dict) else None
            timestamp = parse_time(entry.get("deletedDate")) if isinstance(entry, dict) else None
            rows.add(
                text,
                f"{part.path}#record={number}",
                key=key if isinstance(key, str) else None,
                changed_at=timestamp,
                is_deleted=True,
            )
        report.count(part.path, len(response.items))
        if len(rows):
            yield rows.take()


def describe(store: Store, part: Part, _declared: ObjectSettings) -> list[FieldInfo]:
    """Return the fields of a page's records, without types."""
    page = _open_response(store, part, "records")
    return [FieldInfo(name) for name in sorted(_field_names(page))]


def expected_type(declared: ObjectSettings) -> str | None:
    """Return the expected `attributes.type`: the name of the object's folder, which is the API's name."""
    first = declared.path.split("/")[0]
    return None if "{" in first or "*" in first or "/" not in declared.path else first


@dataclass
class _Response:
    """A parsed response: the fields beside its list, and each item of the list as text and as value."""

    head: dict[str, Any] = field(default_factory=dict)
    items: list[tuple[str, Any]] = field(default_factory=list)
    has_list: bool = False


class _Promise:
    """Check the pages of a query against their totalSize; a page with done ends its query."""

    def __init__(self) -> None:
        self._promised: int | None = None
        self._found = 0
        self._last = ""

    def take(self, page: _Response, path: str) -> None:
        total = page.head.get("totalSize")
        if not isinstance(total, str) or not total.isdecimal() or not isinstance(page.head.get("done"), bool):
            raise SourceMalformed(
                f"Reading {path}: a REST query response has totalSize and done, and this one does not.",
                next_move="Have the response delivered whole, as the API sent it.",
            )
        self._promised = max(int(total), self._promised or 0)
        self._found += len(page.items)
        self._last = path
        if page.head["done"]:
            self.close()

    def close(self) -> None:
        """Raises: SourceIncomplete."""
        if self._promised is not None and self._found < self._promised:
            raise SourceIncomplete(
                f"Reading the pages up to {self._last}: they promise {self._promised} records and hold {self._found}.",
                next_move="Deliver the missing pages and run again; nothing of the window was landed.",
            )
        self._promised, self._found = None, 0


def _shape_records(page: _Response, path: str, declared: ObjectSettings, report: FetchReport) -> Rows:
    reader = RowReader(declared)
    names = _field_names(page)
    defect_of_all = None
    if names:
        drift = find_drift(declared, names)
        report.drift = report.drift.merged(drift)
        defect_of_all = answer_drift(drift, declared, where=path)
    wanted = expected_type(declared)
    rows = Rows()
    for number, (text, record) in enumerate(page.items, start=1):
        locator = f"{path}#record={number}"
        if not isinstance(record, dict):
            rows.add(text, locator, defect="record is not an object")
            continue
        defects = [defect for defect in (_wrong_type(record, wanted), defect_of_all) if defect]
        rows.add(
            text,
            locator,
            key=reader.key(record),
            changed_at=reader.changed_at(record),
            is_deleted=reader.is_deleted(record),
            defect="; ".join(defects) or None,
        )
    return rows


def _field_names(page: _Response) -> set[str]:
    # Nearly all records of a page have the same fields in the same order, so the set of tuples is small.
    shapes = {tuple(record) for _, record in page.items if isinstance(record, dict)}
    return {name for shape in shapes for name in shape} - {_ATTRIBUTES}


def _wrong_type(record: dict[str, Any], wanted: str | None) -> str | None:
    attributes = record.get(_ATTRIBUTES)
    if wanted is None or attributes is None:
        return None
    found = attributes.get("type") if isinstance(attributes, dict) else None
    return None if found == wanted else f"attributes.type is not {wanted}"


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")


# Numbers stay text: keys must not lose digits.
_SCAN = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_refuse_constant).raw_decode


def _open_response(store: Store, part: Part, list_name: str) -> _Response:
    path = part.path
    content = read_whole(store, part)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceMalformed(
            f"Reading {path}: it is not UTF-8 text at byte {error.start}.", next_move="Have it delivered again."
        ) from None
    try:
        response = _split(text, list_name)
    except (ValueError, IndexError, RecursionError) as error:
        # The cause is dropped: a decoder's error contains the whole document, values included.
        place = error.pos if isinstance(error, json.JSONDecodeError) else None
        at = f" at character {place}" if place is not None else ""
        raise SourceMalformed(
            f"Reading {path}: it is not complete JSON; it breaks off or is invalid{at} of {len(text)}.",
            next_move="Have it delivered again; nothing of the window was landed.",
        ) from None
    if response is None or not response.has_list:
        raise SourceMalformed(
            f"Reading {path}: expected a JSON object with the list {list_name}, as the REST API answers"
            f"{_api_error(text)}.",
            next_move="Check that the object's path names such files.",
        )
    return response


def _api_error(text: str) -> str:
    """Return the code of an API error, a list of {message, errorCode}; the code holds no customer data."""
    codes = re.findall(r'"errorCode"\s*:\s*"([A-Z_]+)"', text[:2000])
    return f", and found the API's error {codes[0]}" if codes else ""


def _split(text: str, list_name: str) -> _Response | None:
    """Scan the top level of the document; return None when it is not an object."""
    place = _skip(text, 0)
    if text[place] != "{":
        _SCAN(text, place)
        return None
    response = _Response()
    place = _skip(text, place + 1)
    while text[place] != "}":
        name, place = _SCAN(text, place)
        place = _expect(text, place, ":")
        if name == list_name and text[place] == "[":
            response.has_list = True
            place = _take_items(text, place, response.items)
        else:
            response.head[name], place = _SCAN(text, place)
        place = _skip(text, place)
        if text[place] != "}":
            place = _expect(text, place, ",")
    if _skip(text, place + 1) != len(text):
        raise ValueError("more text after the document")
    return response


def _take_items(text: str, place: int, items: list[tuple[str, Any]]) -> int:
    place = _skip(text, place + 1)
    while text[place] != "]":
        value, end = _SCAN(text, place)
        items.append((text[place:end], value))
        place = _skip(text, end)
        if text[place] != "]":
            place = _expect(text, place, ",")
    return place + 1


def _expect(text: str, place: int, character: str) -> int:
    place = _skip(text, place)
    if text[place] != character:
        raise json.JSONDecodeError("unexpected", "", place)
    return _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    # An API sends no spaces between records; matching the pattern each time cost a tenth of the reading.
    if text[place : place + 1] not in _SPACES:
        return place
    match = _SPACE.match(text, place)
    return match.end() if match else place
