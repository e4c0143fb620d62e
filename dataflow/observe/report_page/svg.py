"""Write small charts as SVG text: scales, axes, bars, legends. They take the page's own colour in either theme."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from itertools import count

from dataflow.observe.visible import visible

# All browsers measure Arial and Liberation Sans alike: text in another font could be clipped.
_FONT = "Arial, 'Liberation Sans', sans-serif"
_CHARACTER = 5.8
"""Mean width of a character of 11 px in Arial, px."""
LINE = 16
"""Height of a line of text with its space, px."""

_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def element(name: str, content: str = "", **attributes: object) -> str:
    """Return an element; `_` in names of attributes stands for `-`, content is SVG already."""
    written = "".join(
        f' {key.replace("_", "-")}="{escape(visible(_written(value)))}"' for key, value in attributes.items()
    )
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _written(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def text(x: float, y: float, words: str, *, anchor: str = "start", longest: int = 40) -> str:
    """Return a line of text, cut after `longest` characters; `x` is where its `anchor` is."""
    shown = visible(words)
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
    place = {"x": x, "y": y, "text_anchor": anchor, "dominant_baseline": "central"}
    return element("text", escape(shown), **place, font_size=11, fill="currentColor")


def text_width(words: Iterable[str], *, longest: int = 40) -> float:
    """Return the width of the widest of these lines, px."""
    return max((min(len(visible(one)), longest) * _CHARACTER for one in words), default=0.0)


def bar(x: float, y: float, width: float, height: float, *, colour: str, label: str, opacity: float = 1.0) -> str:
    """Return a bar with the label that readers and tooltips use; one with a value is always seen."""
    return element(
        "rect", x=x, y=y, width=max(width, 0.5), height=max(height, 0.5), rx=1.5, fill=colour, fill_opacity=opacity,
        role="img", aria_label=label,
    )  # fmt: skip


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = "currentColor", opacity: float = 0.12,
         width: float = 1.0, dashes: str = "none", label: str = "") -> str:  # fmt: skip
    """Return a straight line; with a label it is a mark that tooltips show."""
    named = {"role": "img", "aria_label": label} if label else {}
    return element(
        "line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=colour, stroke_opacity=opacity, stroke_width=width,
        stroke_dasharray=dashes, **named,
    )  # fmt: skip


def picture(width: float, height: float, parts: Iterable[str]) -> str:
    """Return the whole drawing."""
    size = {"width": math.ceil(width), "height": math.ceil(height)}
    box = f"0 0 {size['width']} {size['height']}"
    return element(
        "svg", "".join(parts), xmlns="http://www.w3.org/2000/svg", viewBox=box, **size, font_family=_FONT, role="group"
    )


def ticks(low: float, high: float, *, about: int) -> list[float]:
    """Return round numbers from `low` to `high`, about so many."""
    span = (high - low) or 1.0
    rough = span / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in _until(first, high / step + 1e-9)]


def _until(first: int, last: float) -> Iterable[int]:
    for number in count(first):
        if number > last:
            return
        yield number


def short(number: float) -> str:
    """Format a number of an axis: 12, 0.5, 3.5k, 2M."""
    for size, prefix in _PREFIXES:
        if abs(number) >= size:
            return f"{number / size:.4g}{prefix}"
    return f"{number:.4g}".replace("-", "\N{MINUS SIGN}")


def scale(low: float, high: float, start: float, stop: float) -> Callable[[float], float]:
    """Return the function from values between `low` and `high` to pixels between `start` and `stop`."""
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (stop - start)


def legend(x: float, y: float, colours: Mapping[str, str]) -> str:
    """Return a line of coloured squares with their names."""
    parts = []
    for name, colour in colours.items():
        parts += [element("rect", x=x, y=y - 5, width=10, height=10, fill=colour), text(x + 14, y, name)]
        x += 14 + text_width([name]) + 16
    return "".join(parts)


def horizontal_axis(
    at: Callable[[float], float], values: Sequence[float], top: float, bottom: float, *, title: str
) -> str:
    """Return the vertical lines of a grid, their numbers below, and the title below those."""
    parts = [line(at(value), top, at(value), bottom) for value in values]
    parts += [text(at(value), bottom + 10, short(value), anchor="middle") for value in values]
    if values:
        parts.append(text((at(values[0]) + at(values[-1])) / 2, bottom + 10 + LINE, title, anchor="middle", longest=60))
    return "".join(parts)


def vertical_axis(
    at: Callable[[float], float], values: Sequence[float], left: float, right: float, *, title: str = ""
) -> str:
    """Return the horizontal lines of a grid with their numbers at the left, and the title above."""
    parts = [line(left, at(value), right, at(value)) for value in values]
    parts += [text(left - 5, at(value), short(value), anchor="end") for value in values]
    parts += [text(0, 28, title)] if title else []
    return "".join(parts)
