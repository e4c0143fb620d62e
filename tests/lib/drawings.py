"""Pages of runs without their drawings, which are a tenth of what a small run costs and which few tests look at.

The tests of the page and of its charts, and one of a whole run, have them drawn (fixture `drawn`).
"""

from __future__ import annotations

import vl_convert

draw = vl_convert.vegalite_to_svg


def draw_nothing() -> None:
    """Have every chart of this process drawn as an empty picture."""
    vl_convert.vegalite_to_svg = _draw_nothing


def _draw_nothing(_: object) -> str:
    return '<svg xmlns="http://www.w3.org/2000/svg"/>'
