"""The run report: figures that add up, one file, no network."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest

from dataflow.govern.review.review import ReviewPair
from dataflow.observe.key_figures import KeyFigure
from dataflow.observe.report_page import LakeFacts, Quality, RunFacts, draw_lake, render_report, write_report
from dataflow.observe.report_page.facts import ReviewCase
from dataflow.publish.bridge_parts import FigureChange
from dataflow.resolve.judgements.explain import Explanation, Step
from dataflow.run.record import RunOutcome, StageTiming
from dataflow.tables.ops import RunStatus
from dataflow.workspace.report import StepReport

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


CASE = ReviewCase(
    pair=ReviewPair(
        pair_id="3f2a9177aa01", reason="weak bridge", entity_type="person", chance=0.5, value=5.3, orders=5,
        order_amount=321.0, records=8, waiting_days=2.0, is_unsure=False, left="mysql|customers|secret key",
        right="tickets|requester|other key",
    ),
    explanation=Explanation(
        entity_type="person",
        steps=(
            Step(name="Before comparing", weight=-10.0, text="Before comparing: one in 1,000.", kind="start"),
            Step(name="Same telephone", weight=12.0, text="Same telephone: a very strong sign."),
            Step(name="Other given name", weight=-3.0, text="Other given name: a sign that they are two."),
        ),
        not_compared=("e-mail",), weight=-1.0, probability=0.3333, link_weight=2.0, link_probability=0.8,
    ),
)  # fmt: skip


def make_facts(*, status: RunStatus = "published", empty: bool = False) -> RunFacts:
    steps = [
        StepReport(stage="land", subject="mysql.orders", rows_in=1010, rows_out=1000, merged=10, inserted=1000),
        StepReport(
            stage="validate",
            subject="mysql.orders",
            rows_in=1000,
            rows_out=993,
            set_aside=7,
            inserted=993,
            facts={"notes": ["2 <orders> have no customer"], "drift": "gone email"},
        ),
    ]
    return RunFacts(
        outcome=RunOutcome(
            run_id="20260102T030405-daily", kind="daily", status=status, message="Published 400 customers <once>.",
            started_at=NOW, finished_at=NOW, snapshot_id=12, seconds=71.2, peak_rss_bytes=1,
            reports=() if empty else tuple(steps), timings=(StageTiming("land", 1.5, 1), StageTiming("land", 2.0, 1)),
        ),
        base_currency="USD",
        lake=LakeFacts(totals={"records": 1000, "customers": 400, "orders": 993, "order_amount": 1234.5, "tickets": 0,
                "review_pairs": 3},
        dead_letters=[] if empty else [{"object": "mysql.orders", "rule": "currency", "rows": 7}],
        match_weights=[] if empty else [{"entity_type": "person", "weight": 7, "pairs": 600}],
        thresholds=[] if empty else [{"entity_type": "person", "weight": 4.0}],
        cluster_sizes=[] if empty else [{"size": "2", "smallest": 2, "entity_type": "person", "customers": 400}],
        kpis=[] if empty else [{"kpi_code": "orders", "kpi_name": "Orders", "unit": "count", "date": "2026-01-01",
                                "value": 993.0}],
        figures=[] if empty else [KeyFigure(code="orders", name="Orders", meaning="", unit="count", how="sum",
                 value=993.0, before=1000.0, until=date(2026, 1, 1), points=())],
        fill_rates={} if empty else {"email": 0.4, "phone": 0.9},
        overlap=[] if empty else [{"source": "mysql", "customers": 300, "shared": 20}],
        together=[] if empty else [{"sources": "mysql + tickets", "customers": 20}],
        freshness=[] if empty else [
            {"source": "mysql", "object": "orders", "watermark": NOW, "key": None, "advanced_at": NOW},
            {"source": "mysql", "object": "event", "watermark": None, "key": 20787, "advanced_at": NOW},
        ],
        segments=[] if empty else [{"segment": "At risk", "customers": 5}],
        changes=[] if empty else [FigureChange(
            code="revenue", name="Revenue", unit="base currency", how="sum", days=3, parts={"identity": -7.5},
        )],
        review=[] if empty else [CASE],
        quality=None if empty else Quality(
            pairwise_precision=0.97, pairwise_recall=0.95, pairwise_f1=0.96, b3_precision=0.98, b3_recall=0.97,
            b3_f1=0.975, truth="398 in the sample's truth",
        )),
    )  # fmt: skip


def render(facts: RunFacts) -> str:
    return render_report(facts, draw_lake(facts.lake, base_currency="USD"))


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).replace("\u202f", " ")


def test_the_page_says_what_went_where() -> None:
    text = words(render(make_facts()))
    assert "land 1 010 1 000 10 0 ✓ 1 000 3.5 s" in text
    assert "validate 1 000 993 0 7 ✓ 993" in text
    assert "60.0 % duplicates resolved 600 records belong to a customer seen before" in text
    assert "Notes Fields differ from dataflow.toml: mysql.orders: gone email 2 &lt;orders&gt; have no customer" in text
    assert "96.0 % pairwise F1 precision 97.0 %, recall 95.0 %" in text


def test_the_page_says_why_a_figure_changed() -> None:
    row = re.search(r"<tr><td>Revenue .*?</tr>", render(make_facts()), re.DOTALL)
    assert row is not None
    assert re.findall(r"<td>([^<]*)</td>", row[0]) == ["3", "", "-7.5", "", "", ""]


def test_the_page_compares_weeks_and_says_what_is_known() -> None:
    text = words(render(make_facts()))
    assert "The 28 days until 2026-01-01, against as many days before" in text
    assert "Orders 993 (sum), −0.7 %" in text
    assert "phone 90.0 % email 40.0 %" in text
    assert "mysql 300 20" in text
    assert "mysql + tickets 20" in text
    assert "What is known of customers" not in words(render(make_facts(empty=True)))


def test_many_windows_of_an_object_are_one_step_that_names_the_slowest() -> None:
    facts = make_facts()
    windows = tuple(
        StepReport(stage="land", subject=f"mysql.orders 2026-{n:03}", rows_in=2, rows_out=2, seconds=n / 10)
        for n in range(1, 41)
    )
    text = words(render(replace(facts, outcome=replace(facts.outcome, reports=windows))))
    assert "land mysql.orders: 40 windows, the slowest 2026-040 (4.0 s) 80 80" in text
    assert "2026-039" not in text


def test_a_pair_to_review_has_its_words_its_bars_and_no_key_of_a_record() -> None:
    html = render(make_facts())
    text = words(html)
    assert "Pair 3f2a9177aa01 person · mysql customers and tickets requester · at stake: 5 orders, 321 USD" in text
    assert "Same telephone: a very strong sign. Other given name: a sign that they are two. Not compared" in text
    assert "the chance that they are one person is 33 in 100. The model joins records from 80 in 100 on" in text
    assert [bar for bar in ("+12.0", "−3.0", "−1.0") if bar not in text] == []
    assert "secret key" not in html
    assert "What to review first" not in words(render(make_facts(empty=True)))


def test_the_page_asks_the_network_for_nothing_and_escapes_words() -> None:
    html = render(make_facts())
    assert not re.findall(r"""(?:src|href)\s*=|url\((?!#)|@import""", html)
    assert "default-src 'none'" in html
    assert "&lt;once&gt;" in html


def test_no_text_acts_on_the_page() -> None:
    nasty = "x\x1b[31m\u202e</svg><b>[/foo]"
    facts = make_facts()
    outcome = replace(facts.outcome, message=nasty, kind=nasty)
    segments = [{"segment": nasty, "customers": 5}]
    letters = [{"object": nasty, "rule": nasty, "rows": 7}]
    html = render(replace(facts, outcome=outcome, lake=replace(facts.lake, segments=segments, dead_letters=letters)))
    assert not {"\x1b", "\u202e"} & set(html)
    assert "</svg><b>" not in html
    shown = r"x\x1b[31m\u202e&lt;/svg&gt;&lt;b&gt;[/foo]"
    assert f'<p class="message">{shown}</p>' in html
    assert html.count(shown) >= 4


def test_drawings_are_well_formed_and_each_mark_has_its_words() -> None:
    drawings = re.findall(r"<svg.*?</svg>", render(make_facts()), flags=re.DOTALL)
    assert len(drawings) == 10
    marks = [mark for one in drawings for mark in ElementTree.fromstring(one).iter() if mark.get("role") == "img"]
    assert {mark.get("aria-label") for mark in marks} >= {
        "mysql.orders: 1,000 out", "mysql.orders: 10 merged", "mysql.orders: 7 set aside", "At risk: 5 customers",
        "weight 7 to 8: 600 pairs (person)", "2 records: 400 customers (person)", "Same telephone: +12.0", "even odds",
        "linked from here on", "person: linked from weight 4.0 on", "993 on 2026-01-01",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("published", "Published"),
        ("unchanged", "Nothing new"),
        ("refused", "Refused by an audit"),
        ("failed", "Failed"),
    ],
)
def test_every_ending_has_its_words(status: RunStatus, shown: str) -> None:
    assert f'<span class="status {status}">{shown}</span>' in render(make_facts(status=status))


def test_a_run_that_did_nothing_still_has_a_page() -> None:
    text = words(render(make_facts(status="unchanged", empty=True)))
    assert "Rows by stage" not in text
    assert "No pairs have been compared yet." in text


def test_the_page_is_written_under_its_run_and_as_the_latest(tmp_path: Path) -> None:
    facts = make_facts()
    path = write_report(facts, draw_lake(facts.lake, base_currency="USD"), tmp_path)
    assert path.name == "20260102T030405-daily.html"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["20260102T030405-daily.html", "latest.html"]
    assert path.read_text() == (tmp_path / "latest.html").read_text()
