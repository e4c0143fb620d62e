"""Segments: how large they are, who entered lately, how they overlap."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.access.door import Door
from dataflow.access.masks import ABSENT, CLEAR
from dataflow.access.roles import Role
from dataflow.errors import AccessRefused
from dataflow.publish.segments import SEGMENTS as DECLARED
from dataflow.tables.published import CUSTOMER_360, SEGMENTS
from dataflow.ui.as_of import as_of
from dataflow.ui.errors import NotFound
from dataflow.ui.pages.page import Page
from dataflow.ui.visit import Visit, visit_of
from lakehouse.query import fetch_int, fetch_records
from lakehouse.table import column_list, literal

router = APIRouter()


def _sees_segments(role: Role) -> bool:
    return role.opens_lake or SEGMENTS.full_name in role.tables


PAGE = Page(
    name="segments",
    title="Segments",
    path="/segments",
    group="Business",
    door="ui-segments",
    is_for=_sees_segments,
    router=router,
)

_LATELY_DAYS = 28
_MEMBERS = 200
_OF_A_MEMBER = ("customer_id", "full_name", "company_name", "country_code", "lifecycle_stage", "order_count")
_SIZES = f"""
    SELECT segment_code, any_value(segment_name) AS segment_name, count(*) AS customers,
        count(*) FILTER (WHERE entered_at > (SELECT max(entered_at) FROM {SEGMENTS.sql_name})
            - INTERVAL {_LATELY_DAYS} DAY) AS entered
    FROM {SEGMENTS.sql_name} GROUP BY segment_code ORDER BY customers DESC, segment_code
"""
_OVERLAP = f"""
    SELECT a.segment_code AS one, b.segment_code AS other, count(*) AS customers
    FROM {SEGMENTS.sql_name} a JOIN {SEGMENTS.sql_name} b USING (customer_id) GROUP BY ALL
"""
# The view of groups: what a role without SQL has in the place of the tables.
_GROUPS = """
    SELECT segment_code, segment_name, customers, NULL AS entered FROM published.v_segment_sizes
    ORDER BY customers DESC, segment_code
"""


@router.get("/segments")
def segments(visit: Annotated[Visit, Depends(visit_of("segments"))]) -> Response:
    """Show the sizes, and to who may count customers how the segments overlap."""
    with visit.open() as door:
        published = as_of(door)
        if visit.role.sql:
            sizes, overlap = fetch_records(door.con, _SIZES), _matrix(door)
            customers: int | None = fetch_int(door.con, f"SELECT count(*) FROM {CUSTOMER_360.sql_name}")
        else:
            sizes, overlap, customers = fetch_records(door.con, _GROUPS), {}, None
    return visit.render(
        "segments.html.j2",
        sizes=sizes,
        has_members=visit.role.sql,
        overlap=overlap,
        customers=customers,
        meanings={segment.code: segment.meaning for segment in DECLARED.values()},
        lately=_LATELY_DAYS,
        published=published,
    )


@router.get("/segments/{code}")
def members(visit: Annotated[Visit, Depends(visit_of("segments"))], code: str) -> Response:
    """List who is in a segment, the newest members first, with what the role sees of them."""
    role = visit.role
    if code not in {segment.code for segment in DECLARED.values()}:
        raise NotFound("There is no segment of this code.")
    if not role.sql:
        raise AccessRefused(f"The role {role.name} sees groups, not who is in them.")
    shown = [name for name in _OF_A_MEMBER if role.treatment(CUSTOMER_360.full_name, name) != ABSENT]
    with visit.open() as door:
        published = as_of(door)
        found = fetch_records(
            door.con,
            f"SELECT entered_at, {column_list(shown)} FROM {SEGMENTS.sql_name} JOIN {CUSTOMER_360.sql_name}"
            f" USING (customer_id) WHERE segment_code = ? ORDER BY entered_at DESC, customer_id LIMIT {_MEMBERS}",
            [code],
        )
        total = fetch_int(door.con, f"SELECT count(*) FROM {SEGMENTS.sql_name} WHERE segment_code = {literal(code)}")
        is_clear = role.treatment(CUSTOMER_360.full_name, "customer_id") == CLEAR
        if is_clear:
            door.recorder.about([str(row["customer_id"]) for row in found])
    segment = next(one for one in DECLARED.values() if one.code == code)
    return visit.render(
        "segment.html.j2",
        segment=segment,
        members=found,
        columns=shown,
        total=total,
        has_pages=is_clear and any(page.name == "customers" for page in visit.pages),
        published=published,
    )


def _matrix(door: Door) -> dict[tuple[Any, Any], int]:
    return {(row["one"], row["other"]): int(row["customers"]) for row in fetch_records(door.con, _OVERLAP)}
