"""Write the rows of a block as JSON text without changing a value: the text on the wire is nearly JSON.

A row's JSON alternates constants (`","email":"`) and values. All of them, for all rows of a block, are slices of one
buffer, which one call of Arrow puts in order: a sixth of the time of DuckDB's to_json, for the same text to the byte.
(It must be the same: a row's hash identifies its version.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataflow.sources.mysql.cells import Cells, Mask

_SHORT = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
# The backslash first: the other replacements add backslashes.
ESCAPES = _SHORT | {chr(code): f"\\u{code:04X}" for code in range(0x20) if chr(code) not in _SHORT}
"""Characters that JSON text must escape, and their escapes as DuckDB's to_json writes them."""

_MOST_BYTES = 2**31 - 1

_Offsets = npt.NDArray[np.int32]
_Texts = tuple[_Offsets, bytes | memoryview]
"""Offsets of texts in a buffer, and the end of the last one."""
_Index = npt.NDArray[np.int32]


class JsonWriter:
    """Write rows as JSON objects. `fields` are names in order, with the text around a value that is not null."""

    def __init__(self, fields: Sequence[tuple[str, tuple[str, str]]]) -> None:
        texts = [text.encode() for text in _between(fields)]
        self._width = len(fields)
        self._constants = b"".join(texts)
        self._offsets = np.cumsum([0, *map(len, texts)], dtype=np.int32)
        self._usual = self._index(0)

    def write(self, cells: Cells, replaced: Mapping[int, pa.Array]) -> pa.Array:
        """Write all rows; `replaced` are columns whose values replace those of the cells, empty where null.

        Raises: pa.ArrowInvalid when the text takes more than 2 GiB.
        """
        segments: list[_Texts] = [(self._offsets, self._constants), (cells.bounds.ravel(), cells.data)]
        segments += [_content(texts) for texts in replaced.values()]
        everything, firsts = _lay_out(segments)
        index = self._choose(cells)
        for column, first in zip(replaced, firsts[2:], strict=True):
            index = index if index.flags.owndata else index.copy()
            index[:, 2 * column + 1] = np.arange(first, first + cells.rows)
        pieces = pc.take(everything, pa.array(index.ravel()), boundscheck=False)
        _, offsets, content = pieces.buffers()
        ends = np.ascontiguousarray(np.frombuffer(offsets, dtype=np.int32)[: index.size + 1 : index.shape[1]])
        return pa.Array.from_buffers(pa.string(), cells.rows, [None, pa.py_buffer(ends), content])

    def _choose(self, cells: Cells) -> _Index:
        """Return the pieces of each row where no value is replaced; a view of the stored ones, or a copy."""
        if len(self._usual) < cells.rows:
            self._usual = self._index(cells.rows)
        index = self._usual[: cells.rows]
        for column, nulls in enumerate(cells.nulls):
            if nulls is not None:
                index = index if index.flags.owndata else index.copy()
                index[:, 2 * column] += nulls
                index[:, 2 * column + 2] += 2 * nulls
        return index

    def _index(self, rows: int) -> _Index:
        """Return the pieces of rows without nulls; the values of the cells follow the constants in the buffer."""
        index = np.empty((rows, 2 * self._width + 1), dtype=np.int32)
        index[:, 0::2] = np.arange(0, len(self._offsets) - 1, 4)
        values = len(self._offsets) + np.arange(0, 2 * self._width * rows, 2, dtype=np.int32)
        index[:, 1::2] = values.reshape(rows, self._width)
        return index


def _between(fields: Sequence[tuple[str, tuple[str, str]]]) -> list[str]:
    """Return the texts between values: four per place, where neither, the right, the left, or both are null."""
    ends = [("", ("", "")), *((f'"{name.translate(_TABLE)}":', around) for name, around in fields)]
    texts = [
        f"{close},{name}{begin}"
        for (_, left), (name, right) in pairwise(ends)
        for close in (left[1], "")
        for begin in (right[0], "null")
    ]
    # An object begins with a brace, and no null precedes its first name.
    first, later = texts[:4], texts[4:]
    last = fields[-1][1][1]
    return [*("{" + text[1:] for text in first), *later, f"{last}}}", f"{last}}}", "}", "}"]


_TABLE = str.maketrans(ESCAPES)


def escape(texts: pa.Array) -> pa.Array | None:
    """Escape texts for JSON, without quotes; None where nothing needs escaping."""
    content = np.frombuffer(_content(texts)[1], dtype=np.uint8)
    is_special = content < 0x20
    for code in b'"\\':
        is_special |= content == code
    if not is_special.any():
        return None
    found = np.bincount(content[is_special], minlength=128)
    for special, escaped in ESCAPES.items():
        if found[ord(special)]:
            texts = pc.replace_substring(texts, pattern=special, replacement=escaped)
    return texts


def write_doubles(numbers: npt.NDArray[np.float64], nulls: Mask | None) -> tuple[pa.Array, Mask]:
    """Write numbers as to_json does, null where they are null; also return which numbers only to_json can write.

    Between 0.0001 and a billion Arrow and DuckDB both write the fewest digits that identify the number, without an
    exponent; to_json adds a fraction to whole numbers.
    """
    size = np.abs(numbers)
    is_usual = ((size >= 1e-4) & (size < 1e9)) | (size == 0)
    is_whole = numbers == np.trunc(numbers)
    if nulls is not None:
        is_usual |= nulls
        is_whole &= ~nulls
    texts = pc.cast(pa.array(numbers, mask=nulls), pa.string())
    if is_whole.any():
        whole = pa.array(is_whole)
        texts = pc.replace_with_mask(texts, whole, pc.binary_join_element_wise(texts.filter(whole), ".0", ""))
    return texts, ~is_usual


def _content(texts: pa.Array) -> _Texts:
    _, offsets, content = texts.buffers()
    places = np.frombuffer(offsets, dtype=np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return places - places[0], memoryview(content or b"")[places[0] : places[-1]]


def _lay_out(segments: Sequence[_Texts]) -> tuple[pa.Array, list[int]]:
    """Concatenate segments of texts: return one array, and the place in it where each begins.

    Between two segments is one more text, from the end of one to the beginning of the next.
    """
    firsts = np.cumsum([0, *(len(offsets) for offsets, _ in segments)])
    shifts = np.cumsum([0, *(len(content) for _, content in segments)])
    if shifts[-1] > _MOST_BYTES:
        raise pa.ArrowInvalid("more than 2 GiB of text in one block")
    places = np.empty(firsts[-1], dtype=np.int32)
    for (offsets, _), first, shift in zip(segments, firsts[:-1], shifts[:-1], strict=True):
        np.add(offsets, int(shift), out=places[first : first + len(offsets)])
    content = pa.py_buffer(b"".join(content for _, content in segments))
    everything = pa.Array.from_buffers(pa.binary(), len(places) - 1, [None, pa.py_buffer(places), content])
    return everything, firsts[:-1].tolist()
