"""One request for a page: who asks, in which role, through which door, and what is answered."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from dataflow.access.door import Door, open_for, open_to_decide
from dataflow.access.doors import DOORS
from dataflow.access.identify import Reads, record_refusal
from dataflow.access.log.recorder import RecordedConnection
from dataflow.access.roles import Role, find_role
from dataflow.access.who import Who
from dataflow.errors import AccessRefused, UsageError
from dataflow.govern.renew_mart import renewing_mart
from dataflow.ui.locales import choose_locale
from dataflow.ui.pages.page import GROUPS, Page
from dataflow.ui.rendering import render
from dataflow.ui.sessions import Session
from dataflow.ui.site import Site
from lakehouse import Inbox
from lakehouse.connect import interrupted_after

PAGE_SECONDS = 30.0
"""How long a page may read; a person waits no longer."""


class SignInNeeded(Exception):
    """The visitor has no session."""


class Forged(Exception):
    """A form did not come from a page of this session."""


def site_of(request: Request) -> Site:
    return cast(Site, request.app.state.site)


def session_of(request: Request) -> Session:
    """Return the visitor's session. Raises: SignInNeeded."""
    site = site_of(request)
    session = site.sessions.find(request.cookies.get(site.cookie, ""), now=site.now())
    if session is None:
        raise SignInNeeded
    return session


async def form_of(request: Request) -> dict[str, str]:
    """Return the fields of the form; of several of one name the last."""
    body = await request.body()
    try:
        return dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=200))
    except ValueError as error:
        raise UsageError("The form cannot be read.") from error


def checked_form(
    request: Request,
    session: Annotated[Session, Depends(session_of)],
    form: Annotated[dict[str, str], Depends(form_of)],
) -> dict[str, str]:
    """Return the form of an action, which must come from a page of this session. Raises: Forged.

    Browsers send Origin as null under the referrer policy, but always say whether the page was of the same site.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forged
    if not hmac.compare_digest(form.get("csrf", "").encode(), session.csrf.encode()):
        raise Forged
    return form


Form = Annotated[dict[str, str], Depends(checked_form)]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A request for a page that the reader's role may see."""

    request: Request
    site: Site
    session: Session
    page: Page
    role: Role
    pages: tuple[Page, ...]

    @property
    def who(self) -> Who:
        """Return who reads, in the role that is shown."""
        return Who(self.session.who.name, self.role.name, self.session.who.authenticated)

    @contextmanager
    def open(self, reads: Reads = (), *, as_of: datetime | int | None = None) -> Iterator[Door]:
        """Open the page's door, and interrupt what reads for too long. Raises: as `open_for`; Busy."""
        purpose, settings = DOORS.find(self.page.door).purpose, self.site.settings
        with ExitStack() as stack:
            stack.enter_context(self.site.place())
            door = stack.enter_context(
                renewing_mart(
                    lambda: open_for(
                        self.who,
                        purpose,
                        door=self.page.door,
                        settings=settings,
                        as_of=as_of,
                        reads=reads,
                        pool=self.site.pool,
                    ),
                    self.who,
                    settings,
                )
            )
            stack.enter_context(_timed(door))
            yield door

    @contextmanager
    def open_to_decide(self, reads: Reads = ()) -> Iterator[tuple[Door, Inbox]]:
        """Open the page's door and the inbox. Raises: as `open_to_decide` of the door; Busy."""
        settings = self.site.settings
        with ExitStack() as stack:
            stack.enter_context(self.site.place())
            door, inbox = stack.enter_context(
                renewing_mart(
                    lambda: open_to_decide(
                        self.who, door=self.page.door, settings=settings, reads=reads, pool=self.site.pool
                    ),
                    self.who,
                    settings,
                )
            )
            stack.enter_context(_timed(door))
            yield door, inbox

    def render(self, template: str, **values: Any) -> Response:
        """Answer with a page."""
        locale = choose_locale(self.request.headers.get("accept-language", ""))
        shared = shared_values(self.session, self.page, self.pages, self.request)
        return HTMLResponse(render(template, shared | values, locale=locale))

    def redirect(self, path: str, *, notice: str = "") -> Response:
        """Answer an action: the next page is fetched by GET, with a message on top."""
        if notice:
            self.session.notices.append(notice)
        return RedirectResponse(local_path(path), status_code=303)


def shared_values(
    session: Session | None, page: Page | None, pages: tuple[Page, ...], request: Request
) -> dict[str, Any]:
    """Return what every page shows around its content."""
    return {
        "session": session,
        "page": page,
        "pages": pages,
        "groups": [(group, found) for group in GROUPS if (found := [one for one in pages if one.group == group])],
        "here": request.url.path,
        "notices": session.take_notices() if session and not request.headers.get("x-fetched-ahead") else [],
    }


def visit_of(name: str) -> Callable[..., Visit]:
    """Return the dependency that answers for a page: signed in, and in a role that the page is for.

    Raises: SignInNeeded; AccessRefused, which is an entry of the access log.
    """

    def visit(request: Request, session: Annotated[Session, Depends(session_of)]) -> Visit:
        site = site_of(request)
        role = find_role(session.role, site.settings)
        page = next(one for one in request.app.state.pages if one.name == name)
        if not page.is_for(role):
            who = Who(session.who.name, role.name, session.who.authenticated)
            record_refusal(site.settings, who, door=page.door, detail="page")
            raise AccessRefused(f"The page {page.title} is not for the role {role.name}.")
        return Visit(request=request, site=site, session=session, page=page, role=role, pages=pages_for(role, request))

    return visit


def pages_for(role: Role, request: Request) -> tuple[Page, ...]:
    """Return the pages of the navigation of a role."""
    return tuple(one for one in request.app.state.pages if one.is_for(role))


def local_path(path: str) -> str:
    r"""Return a path of this site; the home page for anything else: //host, \\host and https: lead elsewhere."""
    is_local = path.startswith("/") and not path.startswith("//") and path.isprintable() and "\\" not in path
    return path if is_local and path.isascii() else "/"


@contextmanager
def _timed(door: Door) -> Iterator[None]:
    with interrupted_after(cast(RecordedConnection, door.con).unrecorded, seconds=PAGE_SECONDS):
        yield
