"""The application: routes of the pages, signing in and out, what is the same on all pages, and errors."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles

from dataflow.access.roles import find_role
from dataflow.errors import AccessRefused, DataFlowError
from dataflow.ui.errors import NotFound, Problem, problem_of
from dataflow.ui.guard import App, Guard
from dataflow.ui.locales import choose_locale
from dataflow.ui.pages import PAGES
from dataflow.ui.rendering import render
from dataflow.ui.sessions import ABSOLUTE, Session
from dataflow.ui.site import Busy, Site
from dataflow.ui.visit import Forged, Form, SignInNeeded, local_path, pages_for, session_of, shared_values, site_of
from dataflow.workspace.defects import place_of
from lakehouse import LakeError

_SIGN_IN = Problem(
    401,
    "Sign in",
    "The workbench opens with the address that `dataflow ui` printed in the terminal. It works once.",
    "Open the newest address, or ask the terminal for another one.",
)
_SAME_SITE = ("same-origin", "none")

router = APIRouter()


def make_app(site: Site) -> App:
    """Return the workbench as an ASGI application."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.state.pages = tuple(PAGES.values())
    app.mount("/static", StaticFiles(directory=str(files("dataflow.ui").joinpath("static"))))
    app.include_router(router)
    for page in PAGES.values():
        app.include_router(page.router)
    app.add_exception_handler(SignInNeeded, _answer_sign_in)
    app.add_exception_handler(Forged, _answer_forged)
    for kind in (NotFound, Busy, DataFlowError, LakeError, Exception):
        app.add_exception_handler(kind, _answer_error)
    app.add_exception_handler(404, _answer_missing)
    app.add_exception_handler(405, _answer_missing)
    return Guard(app, hosts=site.hosts)


@router.get("/sign-in")
def sign_in(request: Request, token: str = "") -> Response:
    """Exchange the one-time token for a cookie, and leave the address that holds it."""
    site = site_of(request)
    now = site.now()
    if site.token.is_blocked(now):
        return _answer(request, Problem(429, "Too many attempts", "Wrong tokens came in.", "Wait a minute."))
    if not token:
        return _answer(request, _SIGN_IN)
    if not site.token.exchange(token, now=now):
        return _answer(request, Problem(401, "This address was used", _SIGN_IN.sentence, _SIGN_IN.next_move))
    site.sessions.end(request.cookies.get(site.cookie, ""))
    who, roles = site.reader()
    session = site.sessions.begin(who, roles, now=now)
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(
        site.cookie,
        session.session_id,
        max_age=int(ABSOLUTE.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/sign-in")
def ask_for_token(request: Request) -> Response:
    """Print another address in the terminal, for a visitor whose session has ended."""
    site = site_of(request)
    if request.headers.get("sec-fetch-site", "same-origin") not in _SAME_SITE:
        raise Forged
    site.announce()
    return RedirectResponse("/sign-in", status_code=303)


@router.post("/sign-out")
def sign_out(request: Request, _: Form, session: Annotated[Session, Depends(session_of)]) -> Response:
    """End the session."""
    site = site_of(request)
    site.sessions.end(session.session_id)
    answer = RedirectResponse("/sign-in", status_code=303)
    answer.delete_cookie(site.cookie)
    return answer


@router.post("/role")
def choose_role(request: Request, form: Form, session: Annotated[Session, Depends(session_of)]) -> Response:
    """Show the workbench as another of the reader's roles sees it. Raises: AccessRefused."""
    role = form.get("role", "")
    if role not in session.roles:
        raise AccessRefused("This role is not one of yours.")
    session.role = role
    chosen = find_role(role, site_of(request).settings)
    back = local_path(form.get("back", "/"))
    is_open = any(back == page.path for page in pages_for(chosen, request))
    return RedirectResponse(back if is_open else "/", status_code=303)


@router.post("/theme")
def choose_theme(form: Form, session: Annotated[Session, Depends(session_of)]) -> Response:
    """Choose light or dark, or "" for what the system says."""
    theme = form.get("theme", "")
    session.theme = theme if theme in ("light", "dark") else ""
    return RedirectResponse(local_path(form.get("back", "/")), status_code=303)


def _answer_sign_in(request: Request, _: Exception) -> Response:
    return _answer(request, _SIGN_IN)


def _answer_forged(request: Request, _: Exception) -> Response:
    return _answer(
        request,
        Problem(403, "The form was not sent from here", "Nothing was changed.", "Load the page again, and repeat."),
    )


def _answer_missing(request: Request, error: Exception) -> Response:
    if getattr(error, "status_code", 404) == 405:
        return _answer(request, Problem(405, "Not this way", "This address is not asked like that."))
    return _answer(request, Problem(404, "Not found", "There is no page at this address."))


def _answer_error(request: Request, error: Exception) -> Response:
    problem = problem_of(error)
    if problem.status == 500:
        where = f"{place_of(error)}, on {request.method} {_route(request)}"
        site_of(request).say(f"Error: {type(error).__name__} at {where}")
    return _answer(request, problem)


def _route(request: Request) -> str:
    """Return the pattern of the route, as its address can hold a value."""
    return str(getattr(request.scope.get("route"), "path", "?"))


def _answer(request: Request, problem: Problem) -> Response:
    """Answer with the page of an error; to a visitor without a session it names no page."""
    try:
        session = session_of(request)
        pages = pages_for(find_role(session.role, site_of(request).settings), request)
    except (SignInNeeded, DataFlowError):
        session, pages = None, ()
    values = shared_values(session, None, pages, request) | {"problem": problem}
    locale = choose_locale(request.headers.get("accept-language", ""))
    return HTMLResponse(render("problem.html.j2", values, locale=locale), status_code=problem.status)
