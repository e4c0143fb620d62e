"""Write the facts as one HTML file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from dataflow.observe.key_figures import DAYS
from dataflow.observe.report_page import charts
from dataflow.observe.report_page.facts import LakeFacts, Row, RunFacts
from dataflow.observe.visible import visible
from dataflow.tables.ops.quality import BRIDGE_PARTS
from dataflow.workspace.compiled import keep, recall
from dataflow.workspace.report import StepReport, condensed, list_drift, list_notes

_DRAWINGS = (
    "land", "validate", "conform", "cost", "memory", "dead_letters", "match_weights", "cluster_sizes", "segments",
)  # fmt: skip

_STATUS_WORDS = {
    "published": "Published",
    "unchanged": "Nothing new",
    "landed": "Landed",
    "complete": "Nothing missing",
    "partial": "Partial",
    "refused": "Refused by an audit",
    "failed": "Failed",
}


@dataclass(frozen=True)
class LakeDrawings:
    """The drawings that can be made before the run ends."""

    figures: dict[str, str]
    kpis: list[Row]
    waterfalls: list[str]


LATEST = "latest.html"
"""The name under which the newest report stands beside those of each run."""


def draw_lake(facts: LakeFacts, *, base_currency: str) -> LakeDrawings:
    """Draw what the lake holds."""
    waterfalls = [charts.waterfall(case.explanation) for case in facts.review]
    return LakeDrawings(_lake_drawings(facts), _kpis(facts, base_currency=base_currency), waterfalls)


def write_report(facts: RunFacts, drawings: LakeDrawings, folder: Path) -> Path:
    """Write `<folder>/<run id>.html` and update `latest.html`; return the path of the former.

    Both are written beside and renamed, so that a reader never opens half a page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    html = render_report(facts, drawings)
    path = folder / f"{facts.outcome.run_id}.html"
    for target in (path, folder / LATEST):
        beside = target.with_suffix(".partial")
        beside.write_text(html, encoding="utf-8")
        beside.replace(target)
    return path


def render_report(facts: RunFacts, drawings: LakeDrawings) -> str:
    """Return the page as text, with styles, drawings and the script inside."""
    environment = Environment(
        loader=PackageLoader("dataflow.observe.report_page", "templates"),
        autoescape=True,
        finalize=_as_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_Compiled(),
    )
    environment.filters |= {
        "count": _count,
        "share": _share,
        "when": _when,
        "seconds": _seconds,
        "age": _age,
        "change": _change,
    }
    template = environment.get_template("report.html.j2")
    steps = facts.outcome.reports
    return template.render(
        facts=facts.lake,
        steps=condensed(steps),
        period_days=DAYS,
        fill_rates=sorted(facts.lake.fill_rates.items(), key=lambda one: -one[1]),
        outcome=facts.outcome,
        base_currency=facts.base_currency,
        status_words=_STATUS_WORDS[facts.outcome.status],
        style=files("dataflow.observe.report_page").joinpath("templates/report.css").read_text(encoding="utf-8"),
        bridge_parts=BRIDGE_PARTS,
        cards=_cards(facts),
        stages=facts.outcome.totals_by_stage(),
        notes=[f"Fields differ from dataflow.toml: {name}: {drift}" for name, drift in list_drift(steps).items()]
        + list_notes(steps),
        drawings=dict.fromkeys(_DRAWINGS, "") | drawings.figures | _run_drawings(steps),
        kpis=drawings.kpis,
        review=list(zip(facts.lake.review, drawings.waterfalls, strict=True)),
        peak_rss=max((step.peak_rss_bytes for step in steps), default=0),
    )


class _Compiled(BytecodeCache):
    """Templates as compiled by an earlier process: 0.5 s of each small run otherwise."""

    def load_bytecode(self, bucket: Bucket) -> None:
        found = recall(f"template {bucket.key}")
        if found is not None:
            bucket.bytecode_from_string(found)

    def dump_bytecode(self, bucket: Bucket) -> None:
        keep(f"template {bucket.key}", bucket.bytecode_to_string())


def _as_shown(value: Any) -> Any:
    """Return the value of an expression of the page, with control characters escaped except in drawings and styles."""
    return visible(value) if type(value) is str else value


def _cards(facts: RunFacts) -> list[tuple[str, str, str]]:
    """Return the cards: figure, label and explanation."""
    totals = facts.lake.totals
    aside = sum(row["rows"] for row in facts.lake.dead_letters)
    folded = totals["records"] - totals["customers"]
    share = folded / totals["records"] if totals["records"] else 0.0
    return [
        (_count(totals["customers"]), "customers", f"from {_count(totals['records'])} source records"),
        (_share(share), "duplicates resolved", f"{_count(folded)} records belong to a customer seen before"),
        (_count(totals["orders"]), "orders", f"{_count(totals['order_amount'])} {facts.base_currency}"),
        (_count(totals["tickets"]), "tickets", "linked to the customer who asked"),
        (_count(aside), "dead letters open", "rows set aside with a reason"),
        (_count(totals["review_pairs"]), "pairs to review", "uncertain matches waiting for a steward"),
    ]


def _run_drawings(steps: Sequence[StepReport]) -> dict[str, str]:
    stages = {step.stage for step in steps}
    drawings: dict[str, str] = {
        stage: charts.stage_rows(steps, stage=stage) for stage in ("land", "validate", "conform") if stage in stages
    }
    if steps:
        drawings["cost"] = charts.stage_cost(steps)
        drawings["memory"] = charts.stage_memory(steps)
    return drawings


def _lake_drawings(facts: LakeFacts) -> dict[str, str]:
    drawings: dict[str, str] = {}
    if facts.dead_letters:
        named = [{"rule": f"{row['object']}: {row['rule']}", "rows": row["rows"]} for row in facts.dead_letters[:15]]
        drawings["dead_letters"] = charts.horizontal_bars(named, name="rule", value="rows", colour=charts.RED)
    if facts.match_weights:
        drawings["match_weights"] = charts.match_weights(facts.match_weights, facts.thresholds)
    if facts.cluster_sizes:
        drawings["cluster_sizes"] = charts.cluster_sizes(facts.cluster_sizes)
    if facts.segments:
        drawings["segments"] = charts.horizontal_bars(
            facts.segments, name="segment", value="customers", colour=charts.GREEN
        )
    return drawings


def _kpis(facts: LakeFacts, *, base_currency: str) -> list[Row]:
    """Return the key figures of comparable weeks with their change, each with a drawing of the last 90 days."""
    points = {code: list(group) for code, group in groupby(facts.kpis, key=lambda row: row["kpi_code"])}
    return [
        {
            "name": figure.name,
            "unit": {"base currency": base_currency, "share": "", "count": ""}.get(figure.unit, figure.unit),
            "value": _share(figure.value) if figure.unit == "share" else _count(figure.value),
            "how": figure.how,
            "until": figure.until.isoformat(),
            "change": "" if figure.change is None else f"{100 * figure.change:+.1f} %".replace("-", "\N{MINUS SIGN}"),
            "drawing": charts.trend(points[figure.code]),
        }
        for figure in facts.figures
        if figure.code in points
    ]


def _count(number: float) -> str:
    """Format a number with thin spaces; fractions under 100 keep one digit."""
    text = f"{number:,.1f}" if 0 < abs(number) < 100 and number != int(number) else f"{number:,.0f}"
    return text.replace(",", "\u202f")


def _change(number: float) -> str:
    return f"{number:+,.4g}" if abs(number) < 1000 else f"{number:+,.0f}"


def _share(number: float) -> str:
    return f"{100 * number:.1f} %"


def _when(timestamp: datetime) -> str:
    return timestamp.strftime("%Y-%m-%d %H:%M:%S UTC")


def _seconds(number: float) -> str:
    return f"{number:.1f} s" if number < 120 else f"{number / 60:.1f} min"


def _age(timestamp: datetime, now: datetime) -> str:
    hours = (now - timestamp).total_seconds() / 3600
    if hours < 0:
        return "up to date"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"
