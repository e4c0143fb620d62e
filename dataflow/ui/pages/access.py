"""Access: what each role sees, who read what and the proof of it, and the tokens of tools."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response

from dataflow.access.identify import record_refusal
from dataflow.access.log.history import Choice, entries_in, prove
from dataflow.access.log.place import log_root
from dataflow.access.masks import ABSENT, CLEAR
from dataflow.access.roles import Role, find_role, role_names
from dataflow.access.tokens import issue_token, list_tokens, revoke_token
from dataflow.errors import AccessRefused, UsageError
from dataflow.govern.audit import known_anchors, references_of, verify_log
from dataflow.settings.roles import ENGINEER
from dataflow.tables.columns import CLASSIFICATIONS
from dataflow.tables.registry import STATIC
from dataflow.ui.pages.page import Page, reads_whole
from dataflow.ui.visit import Form, Visit, visit_of

router = APIRouter()
PAGE = Page(
    name="access",
    title="Access",
    path="/access",
    group="Administration",
    door="ui-access",
    is_for=reads_whole(None),
    router=router,
)

_SHOWN = 100
_DAYS = (7, 30, 90, 365)

Visiting = Annotated[Visit, Depends(visit_of("access"))]


@router.get("/access")
def access(visit: Visiting, who: str = "", door: str = "", customer: str = "") -> Response:
    """Show the matrix of roles, the newest entries of the log that fit, and the tokens."""
    settings, now = visit.site.settings, visit.site.now()
    roles = [find_role(name, settings) for name in role_names(settings)]
    subjects = references_of(settings, customer) if customer else None
    found = deque(maxlen=_SHOWN)  # type: ignore[var-annotated]
    with visit.open(None) as opened:
        # The log says what others read: reading it is an entry too, of the table that the runs anchor it in.
        opened.recorder.own_statement("ops.access_anchor")
        entries = entries_in(log_root(settings), Choice(who=who or None, subjects=subjects))
        found.extend(one for one in entries if not door or one.entry.door == door)
    return visit.render(
        "access.html.j2",
        roles=roles,
        users={role.name: _users(visit, role.name) for role in roles},
        matrix=_matrix(roles),
        entries=list(reversed(found)),
        asked={"who": who, "door": door, "customer": customer},
        limit=_SHOWN,
        verified=visit.site.verified,
        tokens=[{"token": token, "state": token.state(now)} for token in reversed(list_tokens(settings))],
        days=_DAYS,
        may_issue=visit.role.name == ENGINEER,
    )


@router.get("/access/proof/{name:path}")
def proof(visit: Visiting, name: str) -> Response:
    """Answer with the proof that an entry is in the log, for who has the public key."""
    return PlainTextResponse(
        prove(log_root(visit.site.settings), name),
        headers={"content-disposition": 'attachment; filename="read.tlog-proof"'},
    )


@router.post("/access/verify")
def verify(visit: Visiting, _: Form) -> Response:
    """Verify the whole log against its signed heads and those that runs anchored in the lake."""
    settings = visit.site.settings
    with visit.site.place():
        anchors, notes = known_anchors(settings)
        reports, lost = verify_log(log_root(settings), anchors=anchors, keys=())
    findings = [finding for report in reports for finding in report.findings] + list(lost)
    entries = sum(report.entries for report in reports)
    visit.site.verified = {"at": visit.site.now(), "entries": entries, "findings": findings, "notes": notes}
    return visit.redirect("/access#log")


@router.post("/access/tokens")
def issue(visit: Visiting, form: Form) -> Response:
    """Issue a token, and show it once."""
    _require_engineer(visit)
    settings, days = visit.site.settings, form.get("days", "")
    if not days.isdecimal():
        raise UsageError("Choose for how many days the token is valid.")
    role = find_role(form.get("role", ""), settings).name
    token, secret = issue_token(
        settings, role=role, days=int(days), issued_by=visit.session.who.name, now=visit.site.now()
    )
    notice = f"Token {token.token_id} of the role {role}, shown this once: {secret}"
    return visit.redirect("/access#tokens", notice=notice)


@router.post("/access/tokens/revoke")
def revoke(visit: Visiting, form: Form) -> Response:
    """Revoke a token."""
    _require_engineer(visit)
    token = revoke_token(visit.site.settings, form.get("token", ""), now=visit.site.now())
    return visit.redirect("/access#tokens", notice=f"Token {token.token_id} is revoked.")


def _require_engineer(visit: Visit) -> None:
    """Refuse to another role, and record it. Raises: AccessRefused."""
    if visit.role.name != ENGINEER:
        record_refusal(visit.site.settings, visit.who, door=PAGE.door, detail="token")
        raise AccessRefused("Tokens are issued and revoked by an engineer.")


def _users(visit: Visit, role: str) -> list[str]:
    return [user for user, roles in visit.site.settings.access.users.items() if role in roles]


def _matrix(roles: list[Role]) -> list[dict[str, Any]]:
    """Return for each class of personal data how each role sees its columns, over all tables."""
    by_class: dict[str, list[tuple[str, str]]] = {}
    for table in STATIC:
        for column in table.columns:
            by_class.setdefault(column.classification, []).append((table.full_name, column.name))
    return [
        {"class": name, "columns": len(by_class[name]), "seen": [_seen(role, by_class[name]) for role in roles]}
        for name in CLASSIFICATIONS
        if name in by_class
    ]


def _seen(role: Role, columns: list[tuple[str, str]]) -> str:
    """Return how a role sees columns of the tables that it has: one word for all, or the words."""
    if role.opens_lake:
        return CLEAR
    seen = {role.treatment(table, column) for table, column in columns if table in role.tables}
    return ", ".join(sorted(seen, key=lambda how: (how != CLEAR, how == ABSENT, how))) or ABSENT
