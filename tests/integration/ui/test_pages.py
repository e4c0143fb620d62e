"""Every page in a real browser: with JavaScript and without, narrow and wide, accessible, asking no other host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from dataflow.ui.pages import PAGES
from tests.lib.axe import serious_violations
from tests.lib.servers.workbench import Workbench

PATHS = tuple(page.path for page in PAGES.values())


@contextmanager
def watched(context: BrowserContext, workbench: Workbench) -> Iterator[Page]:
    """A page that must report no error and ask no other host."""
    page, found = context.new_page(), list[str]()

    def note(request: Request) -> None:
        if not request.url.startswith(workbench.address + "/"):
            found.append(f"asked {request.url}")

    page.on("request", note)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("console", lambda message: found.append(message.text) if message.type in ("error", "warning") else None)
    try:
        yield page
    finally:
        page.close()
    assert found == []


def overflow(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("path", PATHS)
def test_a_page_is_whole_and_accessible(signed_in: BrowserContext, workbench: Workbench, path: str) -> None:
    with watched(signed_in, workbench) as page:
        answer = page.goto(workbench.address + path)
        assert answer is not None
        assert answer.status == 200
        assert page.locator("main h1").count() == 1
        assert page.locator('nav a[aria-current="page"]').get_attribute("href") == path
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert serious_violations(page) == [], scheme
        for width in (320, 3840):
            page.set_viewport_size({"width": width, "height": 900})
            assert overflow(page) <= 0, width


@pytest.fixture
def without_javascript(browser: Browser, workbench: Workbench) -> Iterator[BrowserContext]:
    with closing(browser.new_context(java_script_enabled=False)) as context:
        workbench.sign_in(context)
        yield context


def test_pages_work_without_javascript(without_javascript: BrowserContext, workbench: Workbench) -> None:
    with watched(without_javascript, workbench) as page:
        page.goto(workbench.address)
        for path in PATHS:
            page.click(f'nav a[href="{path}"]')
            assert page.url == workbench.address + path
            assert page.locator("main h1").count() == 1


def test_a_role_is_previewed_without_javascript(without_javascript: BrowserContext, workbench: Workbench) -> None:
    with watched(without_javascript, workbench) as page:
        page.goto(workbench.address + "/runs")
        page.select_option("#role", "executive")
        page.click("form.role button")
        assert page.url == workbench.address + "/"
        assert "executive" in page.inner_text(".banner")
        assert page.locator("nav a", has_text="Runs").count() == 0
        assert page.locator(".figure").count() > 0


def test_the_theme_is_chosen_by_hand(without_javascript: BrowserContext, workbench: Workbench) -> None:
    with watched(without_javascript, workbench) as page:
        page.goto(workbench.address + "/runs")
        seen = []
        for _ in range(3):
            page.click('button[name="theme"]')
            assert page.url == workbench.address + "/runs"
            seen.append(page.locator("html").get_attribute("data-theme"))
        assert seen == ["dark", "light", None]


def test_the_token_is_in_neither_history_nor_referer(browser: Browser, workbench: Workbench) -> None:
    with closing(browser.new_context()) as context:
        asked: list[tuple[str, str]] = []
        context.on("request", lambda one: asked.append((one.url, one.headers.get("referer", ""))))
        page = context.new_page()
        path = workbench.sign_in_path()
        page.goto(workbench.address + path)
        assert page.url == workbench.address + "/"
        page.click('nav a[href="/runs"]')
        page.go_back()
        assert page.url == workbench.address + "/"
        page.go_back()
        assert page.url == "about:blank"
        assert path in asked[0][0]
        assert all("token" not in url for url, _ in asked[1:])
        assert {referer for _, referer in asked} == {""}


def test_numbers_are_in_the_language_of_the_reader(browser: Browser, workbench: Workbench) -> None:
    with closing(browser.new_context(locale="de-DE")) as context:
        workbench.sign_in(context)
        page = context.new_page()
        page.goto(workbench.address)
        assert page.locator("html").get_attribute("lang") == "de"
        assert re.search(r"\b\d\d\.\d\d\.\d{4}\b", page.inner_text(".as-of"))


def test_a_run_leads_to_its_report(signed_in: BrowserContext, workbench: Workbench) -> None:
    with watched(signed_in, workbench) as page:
        page.goto(workbench.address + "/runs")
        page.click("main tbody a")
        assert page.locator("main tbody tr").count() > 5
        answer = page.request.get(page.url + "/report")
        assert answer.status in (200, 404)
        assert "sandbox" in answer.headers["content-security-policy"] or answer.status == 404
