"""The charts of the report, as inline SVG: drawn by Vega-Lite here, so that the page runs no library.

Text takes the page's own colour (`currentColor`), so one drawing serves the light and the dark page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

import altair as alt
import vl_convert

from dataflow.observe.report_page.facts import Row
from dataflow.observe.visible import visible
from dataflow.resolve.judgements.explain import Explanation
from dataflow.workspace.report import StepReport

BLUE, GREEN, AMBER, RED, GREY = "#3b82f6", "#10b981", "#f59e0b", "#ef4444", "#94a3b8"

ENTITY_COLOURS = alt.Scale(domain=["person", "company"], range=[BLUE, AMBER])

# The renderer measures text in Liberation Sans, which has Arial's widths: text in another font would be clipped.
_FONT = "Arial, 'Liberation Sans', sans-serif"

_CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": _FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "gridColor": "currentColor",
        "gridOpacity": 0.12,
        "domainColor": "currentColor",
        "domainOpacity": 0.3,
        "tickColor": "currentColor",
        "tickOpacity": 0.3,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "labelLimit": 220,
    },
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "orient": "top", "title": None},
    "title": {"color": "currentColor", "fontSize": 12, "fontWeight": 600, "anchor": "start"},
    "bar": {"cornerRadiusEnd": 2},
}


def draw_svg(chart: alt.TopLevelMixin) -> str:
    """Render a chart as one SVG element whose marks carry an `aria-label` for readers and tooltips."""
    return _svg_of(_specification(chart))


def _specification(chart: alt.TopLevelMixin) -> dict[str, Any]:
    # Without validation, which takes as long as drawing: the tests draw every chart.
    specification: dict[str, Any] = chart.to_dict(validate=False)
    return specification


def _svg_of(specification: dict[str, Any], **datasets: Sequence[Row]) -> str:
    """Render a specification over the data that it names."""
    named = {"datasets": {name: list(rows) for name, rows in datasets.items()}} if datasets else {}
    svg = vl_convert.vegalite_to_svg({**_shown({**specification, **named}), "config": _CONFIG})
    # Every drawing names its clip paths clip0, clip1, …: without own names, the first would clip all others on a page.
    own = sha256(svg.encode()).hexdigest()[:8]
    return svg.replace('id="clip', f'id="{own}-clip').replace("url(#clip", f"url(#{own}-clip")


def _shown(part: Any) -> Any:
    """Return a part of a specification with control characters in its texts escaped: XML cannot hold them."""
    if isinstance(part, str):
        return visible(part)
    if isinstance(part, dict):
        return {name: _shown(inner) for name, inner in part.items()}
    return [_shown(inner) for inner in part] if isinstance(part, list) else part


def stage_rows(steps: Sequence[StepReport], *, stage: str) -> str:
    """Draw stacked bars for each subject of a stage: rows out, merged and set aside.

    The windows of one object (`salesforce.contact 2026-01-02`) are one bar.
    """
    kinds = (("out", "rows_out"), ("merged", "merged"), ("set aside", "set_aside"))
    sums: Counter[tuple[str, str]] = Counter()
    for step in steps:
        if step.stage == stage:
            for what, name in kinds:
                sums[step.subject.partition(" ")[0], what] += getattr(step, name)
    order = {what: position for position, (what, _) in enumerate(kinds)}
    rows = [{"subject": s, "what": what, "rows": n, "order": order[what]} for (s, what), n in sums.items()]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("subject:N", title=None, sort=None),
            x=alt.X("rows:Q", title="rows", axis=alt.Axis(format="~s", tickCount=5)),
            color=alt.Color(
                "what:N", scale=alt.Scale(domain=[what for what, _ in kinds], range=[BLUE, GREY, RED]), sort=None
            ),
            order=alt.Order("order:Q"),
        )
        .properties(width=420, height=alt.Step(22))
    )
    return draw_svg(chart)


def stage_cost(steps: Sequence[StepReport]) -> str:
    """Draw seconds by stage, in the order of the stages."""
    stages = list(dict.fromkeys(step.stage for step in steps))
    rows = [{"stage": s, "seconds": round(sum(x.seconds for x in steps if x.stage == s), 2)} for s in stages]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("stage:N", title=None, sort=None), x=alt.X("seconds:Q", title="seconds", axis=alt.Axis(tickCount=5))
    )
    labels = base.mark_text(align="left", dx=4, fontSize=11, color="currentColor").encode(
        text=alt.Text("seconds:Q", format=".1f")
    )
    return draw_svg(alt.layer(base.mark_bar(color=GREEN), labels).properties(width=330, height=alt.Step(22)))


def stage_memory(steps: Sequence[StepReport]) -> str:
    """Draw the peak of resident memory by stage, MB."""
    stages = list(dict.fromkeys(step.stage for step in steps))
    rows = [
        {"stage": s, "megabytes": round(max(x.peak_rss_bytes for x in steps if x.stage == s) / 1e6)} for s in stages
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("stage:N", title=None, sort=None),
        x=alt.X("megabytes:Q", title="MB resident, peak", axis=alt.Axis(tickCount=5)),
    )
    labels = base.mark_text(align="left", dx=4, fontSize=11, color="currentColor").encode(text="megabytes:Q")
    return draw_svg(alt.layer(base.mark_bar(color=AMBER), labels).properties(width=330, height=alt.Step(22)))


def match_weights(rows: Sequence[Row], thresholds: Sequence[Row]) -> str:
    """Draw the histogram of kept pairs by match weight, with the weight from which pairs are linked."""
    bars = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar(opacity=0.75, binSpacing=1)
        .encode(
            x=alt.X("weight:Q", bin=alt.Bin(step=1), title="match weight (log2 of the odds)"),
            y=alt.Y("sum(pairs):Q", title="pairs", stack=True, axis=alt.Axis(format="~s", tickCount=5)),
            color=alt.Color("entity_type:N", scale=ENTITY_COLOURS),
        )
    )
    rules = (
        alt.Chart(alt.Data(values=list(thresholds)))
        .mark_rule(strokeDash=[4, 3], strokeWidth=2)
        .encode(x="weight:Q", color=alt.Color("entity_type:N", scale=ENTITY_COLOURS))
    )
    return draw_svg(alt.layer(bars, rules).properties(width=420, height=210))


def waterfall(explanation: Explanation) -> str:
    """Draw how a pair gets its weight: each bar starts where the one before ends; the last one is the total."""
    stands, rows = 0.0, []
    for step in explanation.steps:
        tone = "start" if step.kind == "start" else "for" if step.weight > 0 else "against"
        rows.append(
            {"step": step.name, "weight": step.weight, "begin": stands, "end": stands + step.weight, "is": tone}
        )
        stands += step.weight
    whole = {"step": "Total", "weight": explanation.weight, "begin": 0.0, "end": explanation.weight, "is": "total"}
    # Two steps can have the same name; the position before it keeps them apart.
    values = [{**row, "place": f"{place:02}{row['step']}"} for place, row in enumerate([*rows, whole])]
    marks = [{"at": 0.0, "what": "even odds"}, {"at": explanation.link_weight, "what": "linked from here on"}]
    return _svg_of(_waterfall(), steps=values, marks=marks)


@cache
def _waterfall() -> dict[str, Any]:
    """The specification of every waterfall: Altair takes longer to make one than it takes to draw it."""
    base = alt.Chart(alt.NamedData("steps")).encode(
        y=alt.Y("place:N", title=None, sort=None, axis=alt.Axis(labelExpr="slice(datum.label, 2)", labelLimit=240)),
    )
    bars = base.mark_bar(height=13).encode(
        x=alt.X("begin:Q", title="weight: each step of 1 doubles the odds", axis=alt.Axis(tickCount=7)),
        x2="end:Q",
        color=alt.Color(
            "is:N",
            legend=None,
            scale=alt.Scale(domain=["start", "for", "against", "total"], range=[GREY, GREEN, RED, BLUE]),
        ),
    )
    labels = (
        base.transform_calculate(far="max(datum.begin, datum.end)")
        .mark_text(align="left", dx=4, fontSize=11, color="currentColor")
        .encode(x="far:Q", text=alt.Text("weight:Q", format="+.1f"))
    )
    rules = (
        alt.Chart(alt.NamedData("marks"))
        .mark_rule(strokeWidth=1.5, opacity=0.6, color="currentColor")
        .encode(x="at:Q", strokeDash=alt.condition("datum.at === 0", alt.value([1, 0]), alt.value([4, 3])))
    )
    return _specification(alt.layer(rules, bars, labels).properties(width=360, height=alt.Step(20)))


def cluster_sizes(rows: Sequence[Row]) -> str:
    """Draw customers by their number of source records."""
    order = list(dict.fromkeys(row["size"] for row in rows))
    chart = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar()
        .encode(
            x=alt.X("size:N", sort=order, title="source records of one customer", axis=alt.Axis(labelAngle=0)),
            y=alt.Y("customers:Q", title="customers", axis=alt.Axis(format="~s", tickCount=5)),
            color=alt.Color("entity_type:N", scale=ENTITY_COLOURS),
        )
        .properties(width=420, height=210)
    )
    return draw_svg(chart)


def horizontal_bars(rows: Sequence[Row], *, name: str, value: str, colour: str) -> str:
    """Draw one bar for each row, longest first, with its figure."""
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y(f"{name}:N", title=None, sort=None),
        x=alt.X(f"{value}:Q", title=value, axis=alt.Axis(format="~s", tickCount=5)),
    )
    labels = base.mark_text(align="left", dx=4, fontSize=11, color="currentColor").encode(
        text=alt.Text(f"{value}:Q", format=",")
    )
    return draw_svg(alt.layer(base.mark_bar(color=colour), labels).properties(width=380, height=alt.Step(22)))


def trend(rows: Sequence[Row]) -> str:
    """Draw one key figure by day, as a small area."""
    return _svg_of(_trend(), days=rows)


@cache
def _trend() -> dict[str, Any]:
    """The specification of every trend, made once as that of the waterfalls."""
    base = alt.Chart(alt.NamedData("days")).encode(
        x=alt.X("date:T", title=None, axis=alt.Axis(tickCount=4, format="%d %b", grid=False)),
        y=alt.Y("value:Q", title=None, axis=alt.Axis(tickCount=3, format="~s")),
    )
    area = base.mark_area(color=BLUE, opacity=0.18)
    line = base.mark_line(color=BLUE, strokeWidth=1.5)
    return _specification(alt.layer(area, line).properties(width=240, height=70))
