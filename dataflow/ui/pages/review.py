"""Review: uncertain pairs one after the other, decided by a key each; the score is hidden until it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from dataflow.access.door import Door
from dataflow.govern.review.decisions import decide_pair
from dataflow.govern.review.review import READS, Case, list_pairs, show_pair
from dataflow.resolve.judgements.explain import Explanation
from dataflow.resolve.judgements.judgements import DIFFERENT, SAME, UNSURE, WITHDRAWN
from dataflow.resolve.judgements.messages import lay_over_judgements
from dataflow.tables.published import CUSTOMER_360
from dataflow.ui.errors import NotFound
from dataflow.ui.pages import clusters
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.pages.review_reasons import REASONS, reason_of
from dataflow.ui.visit import Form, Visit, visit_of

router = APIRouter()
router.include_router(clusters.router)
PAGE = Page(
    name="review",
    title="Review",
    path="/review",
    group="Customers",
    door="ui-review",
    is_for=reads_whole(READS),
    router=router,
)

_LISTED = 200
_VERDICTS = (SAME, DIFFERENT, UNSURE)
_UNDONE = "Undone in the workbench"
# Fields that say how a record came here, not who it is.
_TECHNICAL = (
    *("created_at", "updated_at", "crm_status", "ip_address", "email_domain", "email_canonical", "is_role_mailbox"),
    *("industry_text", "employee_count"),
)

Visiting = Annotated[Visit, Depends(visit_of("review"))]


@router.get("/review")
def review(visit: Visiting) -> Response:
    """Lead to the most valuable pair that waits."""
    with visit.open(READS) as door:
        pairs = list_pairs(
            door.con, now=visit.site.now(), limit=_LISTED, judgements=lay_over_judgements(door.con, door.waiting)
        )
    visit.session.queue = [pair.pair_id for pair in pairs if pair.pair_id not in visit.session.decided]
    visit.session.records |= {pair.pair_id: (pair.left, pair.right) for pair in pairs}
    if visit.session.queue:
        return visit.redirect(f"/review/{visit.session.queue[0]}")
    return visit.render("review_done.html.j2", decided=len(visit.session.decided))


@router.get("/review/{pair_id}")
def show(visit: Visiting, pair_id: str, score: str = "") -> Response:
    """Show one pair: both records side by side, why it is uncertain, what a decision touches.

    The model's score is computed and shown when it is asked for: a steward who saw it first would agree with it.
    """
    if not _is_id(pair_id):
        raise NotFound("There is no pair with this id.")
    large = visit.site.settings.resolve.second_person_from_records
    with visit.open(READS) as door:
        case = show_pair(
            door.con,
            _named(visit, pair_id),
            large=large,
            judgements=lay_over_judgements(door.con, door.waiting),
            is_explained=bool(score),
        )
        door.recorder.about([str(customer["customer_id"]) for customer in case.customers])
        names = _names(door, case)
    following = _after(visit, case.pair_id)
    return visit.render(
        "review.html.j2",
        case=case,
        names=names,
        rows=_rows(case),
        bars=_bars(case.explanation) if case.explanation else [],
        has_score=bool(score),
        reasons=REASONS,
        following=following,
        left_over=len(visit.session.queue),
        decided=len(visit.session.decided),
        base_currency=str(visit.site.settings.currency.base),
    )


@router.post("/review/undo")
def undo(visit: Visiting, _: Form) -> Response:
    """Withdraw the last decision of this session, and show its pair again."""
    if not visit.session.decided:
        return visit.redirect("/review", notice="There is nothing to undo in this session.")
    pair_id = visit.session.decided[-1]
    _decide(visit, pair_id, WITHDRAWN, why=_UNDONE)
    visit.session.decided.remove(pair_id)
    visit.session.queue.insert(0, pair_id)
    return visit.redirect(f"/review/{pair_id}", notice="Undone: the pair waits again.")


@router.post("/review/{pair_id}")
def decide(request: Request, visit: Visiting, form: Form, pair_id: str) -> Response:
    """Record a decision in the inbox, or skip the pair; go on with the next one.

    A script that shows the next page itself asks for no page: 204.
    """
    if not _is_id(pair_id):
        raise NotFound("There is no pair with this id.")
    following = _after(visit, pair_id)
    verdict, notice = form.get("verdict", ""), ""
    if verdict in _VERDICTS:
        notice = _decide(visit, pair_id, verdict, why=reason_of(form))
        visit.session.decided.append(pair_id)
    if pair_id in visit.session.queue:
        visit.session.queue.remove(pair_id)
    if request.headers.get("x-shows-next") and not notice:
        return Response(status_code=204)
    return visit.redirect(f"/review/{following}" if following else "/review", notice=notice)


def _decide(visit: Visit, pair_id: str, verdict: str, *, why: str) -> str:
    """Write a judgement to the inbox; return what the steward has to know beyond that."""
    with visit.open_to_decide(READS) as (door, inbox):
        decision = decide_pair(
            door.con,
            inbox,
            _named(visit, pair_id),
            verdict,
            who=visit.session.who.name,
            why=why,
            now=visit.site.now(),
            large=visit.site.settings.resolve.second_person_from_records,
            judgements=lay_over_judgements(door.con, door.waiting),
        )
    if decision.is_waiting:
        return "On record. It would merge two large customers: a second person has to judge the same."
    if decision.overruled:
        return f"On record. It contradicts the judgements on {', '.join(decision.overruled)}, which no longer hold."
    return ""


def _named(visit: Visit, pair_id: str) -> Sequence[str]:
    """Return the records of a pair that was listed in this session: to find them by its id reads all edges."""
    return visit.session.records.get(pair_id, (pair_id,))


def _is_id(pair_id: str) -> bool:
    return len(pair_id) == 12 and pair_id.isascii() and pair_id.isalnum()


def _after(visit: Visit, pair_id: str) -> str:
    """Return the pair after this one in the session's queue; "" at its end."""
    queue = visit.session.queue
    place = queue.index(pair_id) + 1 if pair_id in queue else 0
    return queue[place] if place < len(queue) else ""


def _rows(case: Case) -> list[dict[str, Any]]:
    """Return the fields side by side: those that identify first, each with how the two values compare."""
    rows = [
        {"name": name, "left": left, "right": right, "how": _compared(name, left, right)}
        for name, left, right in case.fields
        if name not in ("entity_type", "parent_record_id")
    ]
    return sorted(rows, key=lambda row: row["name"] in _TECHNICAL)


def _compared(name: str, left: str | None, right: str | None) -> str:
    if name in _TECHNICAL or left is None or right is None:
        return "missing"
    return "same" if left == right else "different"


def _names(door: Door, case: Case) -> dict[str, str]:
    ids = [str(customer["customer_id"]) for customer in case.customers]
    rows = door.con.execute(
        f"SELECT customer_id, coalesce(full_name, company_name, customer_id) FROM {CUSTOMER_360.sql_name}"
        " WHERE list_contains(?, customer_id)",
        [ids],
    ).fetchall()
    return {str(customer_id): str(name) for customer_id, name in rows}


def _bars(explanation: Explanation) -> list[dict[str, Any]]:
    """Return the waterfall: for each step where its bar begins and how long it is, in per cent of the whole."""
    stands, spans = 0.0, []
    for step in explanation.steps:
        spans.append((step.name, step.weight, stands, stands + step.weight))
        stands += step.weight
    spans.append(("Total", explanation.weight, 0.0, explanation.weight))
    ends = [end for _, _, *span in spans for end in span]
    low, high = min(*ends, 0.0), max(*ends, explanation.link_weight)
    scale = 100 / ((high - low) or 1.0)
    return [
        {
            "name": name,
            "weight": f"{weight:+.1f}",
            "from": round((min(begin, end) - low) * scale, 2),
            "length": round(max(abs(end - begin) * scale, 0.8), 2),
            "zero": round(-low * scale, 2),
            "kind": "total" if name == "Total" else "for" if weight > 0 else "against",
        }
        for name, weight, begin, end in spans
    ]
