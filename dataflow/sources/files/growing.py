"""CSV files that may still be written: their last line waits for its line end, or for a run that finds them unchanged.

A line can be cut inside its last value, which shows by nothing but the missing line end. Many whole files have none
either, so such a file is read again when it has not changed: its mark below goes, and with it its fingerprint.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from dataflow.sources.files.compression import is_packed
from dataflow.sources.files.store import Store
from dataflow.sources.protocol import ObjectState, Part

_GROWING = "growing:"
_QUIET = timedelta(minutes=10)
"""A file that did not change for this long is whole: exporters write their buffers every few seconds."""
_ENDS = (b"\n", b"\r", b"\n\0", b"\r\0")
"""Line ends, also those of UTF-16 in either byte order."""


def is_growing(part: Part) -> bool:
    """Return whether the part may still be written, so that its last line may be cut."""
    return part.fingerprint.startswith(_GROWING)


def settled(part: Part) -> Part:
    """Return the part without its mark, as the store knows it."""
    return replace(part, fingerprint=part.fingerprint.removeprefix(_GROWING))


def mark_growing(store: Store, part: Part, state: ObjectState, *, now: datetime) -> Part:
    """Mark a part that was just written, has no line end at its end, and was not landed with these bytes before."""
    plain = settled(part)
    seen = {settled(one).fingerprint for one in state.parts.get(part.path, ())}
    if now - part.modified_at > _QUIET or plain.fingerprint in seen or not part.size_bytes:
        return plain
    if store.read_range(plain, max(part.size_bytes - 2, 0), part.size_bytes).endswith(_ENDS):
        return plain
    # What is packed ends as its packing does, and breaks on unpacking where it is cut.
    if is_packed(store.read_range(plain, 0, min(part.size_bytes, 4))):
        return plain
    return replace(plain, fingerprint=_GROWING + plain.fingerprint)
