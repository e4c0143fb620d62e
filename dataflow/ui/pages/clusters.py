"""The cluster of a customer, under Review: links and bridges, split, merge, and several decisions at once.

Each decision of a form is a judgement of its own in the inbox, so each can be undone alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.access.door import Door
from dataflow.errors import UsageError
from dataflow.govern.review.cluster import Cluster, read_cluster
from dataflow.govern.review.decisions import decide_pair
from dataflow.govern.review.pairs import pair_id_of
from dataflow.govern.review.review import READS
from dataflow.resolve.judgements.judgements import DIFFERENT, SAME, UNSURE
from dataflow.resolve.judgements.messages import JudgementsNow, lay_over_judgements
from dataflow.ui.errors import NotFound
from dataflow.ui.pages.review_reasons import REASONS, reason_of
from dataflow.ui.visit import Form, Visit, visit_of
from lakehouse.plural import counted

router = APIRouter()

Visiting = Annotated[Visit, Depends(visit_of("review"))]
Pairs = Sequence[tuple[str, str]]


@router.get("/review/cluster/{customer_id}")
def cluster(visit: Visiting, customer_id: str) -> Response:
    """Show the records of a customer and their links."""
    with visit.open(READS) as door:
        found = _read(door, customer_id, lay_over_judgements(door.con, door.waiting))
        door.recorder.about([customer_id])
    return visit.render("cluster.html.j2", cluster=found, reasons=REASONS, decided=len(visit.session.decided))


@router.post("/review/cluster/{customer_id}/links")
def decide_links(visit: Visiting, form: Form, customer_id: str) -> Response:
    """Judge each of the chosen links alike."""
    verdict = form.get("verdict", "")
    if verdict not in (SAME, DIFFERENT, UNSURE):
        raise UsageError("Choose a verdict.")
    with visit.open_to_decide(READS) as (door, _):
        links = _read(door, customer_id, lay_over_judgements(door.con, door.waiting)).links
    chosen = [(link.left, link.right) for link in links if form.get(f"pair-{link.pair_id}")]
    if not chosen:
        raise UsageError("Choose at least one link.")
    return _done(visit, customer_id, _judge(visit, chosen, verdict, form))


@router.post("/review/cluster/{customer_id}/split")
def split(visit: Visiting, form: Form, customer_id: str) -> Response:
    """Separate the chosen records: every link between them and the others is judged different; `dry` only says so."""
    with visit.open(READS) as door:
        found = _read(door, customer_id, lay_over_judgements(door.con, door.waiting))
    chosen = [record.record_id for at, record in enumerate(found.records) if form.get(f"record-{at}")]
    others = len(found.records) - len(chosen)
    if not chosen or not others:
        raise UsageError("Choose some of the records, and leave some.")
    ends = found.crossing(chosen)
    if not ends:
        raise UsageError("No link connects these records with the others; nothing has to be decided.")
    if form.get("dry"):
        stays = "these records" if len(chosen) > others else "the others"
        notice = (
            f"Would judge {counted(len(ends), 'link')} different: {counted(len(chosen), 'record')} and {others} others"
            f" become separate customers with the next run. The id stays with {stays}."
        )
        return visit.redirect(f"/review/cluster/{customer_id}", notice=notice)
    return _done(visit, customer_id, _judge(visit, [(end.left, end.right) for end in ends], DIFFERENT, form))


@router.post("/review/cluster/{customer_id}/merge")
def merge(visit: Visiting, form: Form, customer_id: str) -> Response:
    """Join this customer with another one: a record of each is judged the same."""
    other = form.get("other", "").strip()
    if other == customer_id:
        raise UsageError("Give the id of another customer.")
    with visit.open(READS) as door:
        now = lay_over_judgements(door.con, door.waiting)
        one, two = (_read(door, named, now) for named in (customer_id, other))
        door.recorder.about([customer_id, other])
    return _done(visit, customer_id, _judge(visit, [(one.records[0].record_id, two.records[0].record_id)], SAME, form))


def _read(door: Door, customer_id: str, judgements: JudgementsNow) -> Cluster:
    found = read_cluster(door.con, customer_id, judgements=judgements)
    if found is None:
        raise NotFound("There is no customer with this id.")
    return found


def _judge(visit: Visit, pairs: Pairs, verdict: str, form: dict[str, str]) -> str:
    """Write one judgement for each pair; return what the steward has to know."""
    why, waiting, session = reason_of(form), 0, visit.session
    for pair in pairs:
        # One door for each: a judgement is checked against those before it.
        with visit.open_to_decide(READS) as (door, inbox):
            decision = decide_pair(
                door.con,
                inbox,
                list(pair),
                verdict,
                who=session.who.name,
                why=why,
                now=visit.site.now(),
                large=visit.site.settings.resolve.second_person_from_records,
                judgements=lay_over_judgements(door.con, door.waiting),
            )
        waiting += decision.is_waiting
        pair_id = pair_id_of(*pair)
        session.records[pair_id] = (min(pair), max(pair))
        session.decided.append(pair_id)
    second = " A second person has to judge the same." if waiting else ""
    return f"On record: {counted(len(pairs), 'judgement')}, each of which can be undone.{second}"


def _done(visit: Visit, customer_id: str, notice: str) -> Response:
    return visit.redirect(f"/review/cluster/{customer_id}", notice=notice)
