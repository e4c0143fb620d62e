"""Limits of decompression: a small packed file or answer must not fill memory or disk.

Source: exports packed here in November 2026. Rows with a key of their own that are otherwise all the same reach 82 to
226 (gzip -6 and -9) and 260 to 1,248 (Zstandard 3 and 19); with 2,000 blanks of padding 345 and 1,067. Zeros reach
1,028, which is the most that deflate can do, and 32,000.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_ANSWER_BYTES = 1024**3
"""Of a page that is held in memory whole. Salesforce makes pages of wide rows smaller: the widest are far below it."""

HARMLESS_BYTES = 64 * 1024**2
"""Unpacked bytes below which no ratio is refused: they fit anywhere, and a file can begin with a row of blanks."""


@dataclass(frozen=True)
class Codec:
    """A way of packing, and the most unpacked bytes for one packed byte that exports of records need."""

    name: str
    ratio: int

    def is_excessive(self, unpacked: int, packed: int) -> bool:
        """Whether so many packed bytes have become more than records become."""
        return unpacked > HARMLESS_BYTES and unpacked > packed * self.ratio

    def excess(self, unpacked: int, packed: int) -> str:
        """Return the finding for an error."""
        return f"{packed:,} bytes of {self.name} unpack to {unpacked:,} and more, over {self.ratio:,} times as many"


DEFLATE = Codec("gzip", 500)
ZSTANDARD = Codec("Zstandard", 2_500)

DELIVER_UNPACKED = "If it holds what it should, have it delivered without compression."
