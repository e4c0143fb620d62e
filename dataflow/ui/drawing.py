"""The numbers of small drawings, which templates write as SVG: it takes the page's own colours, in either theme."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT = 300, 64
_PAD = 3


def line_points(values: Sequence[float], width: int = WIDTH, height: int = HEIGHT) -> list[tuple[float, float]]:
    """Return the corners of a line through the values, left to right; zero is the lower edge unless values are below.

    One value is drawn as a level line.
    """
    if not values:
        return []
    drawn = list(values) if len(values) > 1 else [values[0], values[0]]
    low, high = min(0.0, *drawn), max(0.0, *drawn)
    span = (high - low) or 1.0
    step = (width - 2 * _PAD) / (len(drawn) - 1)
    return [
        (round(_PAD + place * step, 1), round(height - _PAD - (value - low) / span * (height - 2 * _PAD), 1))
        for place, value in enumerate(drawn)
    ]


def bar_width(value: float, largest: float) -> float:
    """Return the length of a bar in per cent; a value that is not zero is always seen."""
    if not largest or value <= 0:
        return 0.0
    return max(round(100 * value / largest, 2), 0.5)
