"""Every page in a real browser: with JavaScript and without, narrow and wide, accessible, asking no other host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request

from dataflow.access.inbox import read_inbox
from dataflow.access.lake import reading_location
from dataflow.access.pipeline import open_published
from dataflow.ui.pages import PAGES
from lakehouse.query import fetch_records
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
            assert page.url.startswith(workbench.address + path)
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


def customer_with(workbench: Workbench, condition: str) -> str:
    """The id of a customer for whom a condition holds."""
    with open_published(workbench.settings) as con:
        row = con.execute(f"SELECT min(customer_id) FROM published.customer_360 WHERE {condition}").fetchone()
    assert row is not None
    return str(row[0])


def values_of(workbench: Workbench, customer_id: str) -> dict[str, object]:
    with open_published(workbench.settings) as con:
        [found] = fetch_records(con, "FROM published.customer_360 WHERE customer_id = ?", [customer_id])
    return found


def test_a_customer_is_found_by_whatever_is_known(without_javascript: BrowserContext, workbench: Workbench) -> None:
    customer_id = customer_with(
        workbench, "email IS NOT NULL AND phone IS NOT NULL AND length(surname) > 5 AND ascii(surname) < 128"
    )
    values = values_of(workbench, customer_id)
    with open_published(workbench.settings) as con:
        [record] = fetch_records(con, "FROM published.xref WHERE customer_id = ? LIMIT 1", [customer_id])
    surname = str(values["surname"])
    with watched(without_javascript, workbench) as page:
        page.goto(workbench.address + "/customers")
        for asked in (
            customer_id,
            str(values["email"]).upper(),
            str(values["phone"]),
            str(record["record_key"]),
            f"{record['source']}.{record['object']}:{record['record_key']}",
            str(values["full_name"]).upper(),
            surname[0] + surname[2] + surname[1] + surname[3:],
        ):
            page.fill("#q", asked)
            page.press("#q", "Enter")
            page.wait_for_url("**q=*")
            links = page.locator(f'.person a[href="/customers/{customer_id}"]')
            assert links.count() == 1, asked
        page.fill("#q", "no such person anywhere")
        page.press("#q", "Enter")
        page.wait_for_load_state()
        assert page.locator(".empty").count() == 1


def test_typing_searches(signed_in: BrowserContext, workbench: Workbench) -> None:
    email = str(values_of(workbench, customer_with(workbench, "email IS NOT NULL"))["email"])
    with watched(signed_in, workbench) as page:
        page.goto(workbench.address + "/runs")
        page.goto(workbench.address + "/customers")
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        page.keyboard.type(email)
        page.wait_for_selector(".person")
        assert email in page.inner_text(".person")


def test_the_page_of_a_customer_has_sources_timeline_and_readers(
    signed_in: BrowserContext, workbench: Workbench
) -> None:
    customer_id = customer_with(workbench, "order_count > 0 AND ticket_count > 0 AND record_count > 2")
    with watched(signed_in, workbench) as page:
        page.goto(f"{workbench.address}/customers/{customer_id}")
        page.reload()
        assert page.locator(".event-order").count() > 0
        assert page.locator(".event-ticket").count() > 0
        assert "ui-customers" in page.inner_text('section[aria-labelledby="readers"]')
        assert page.locator('section[aria-labelledby="golden"] tbody td small').count() > 3
        assert serious_violations(page) == []
        for width in (320, 3840):
            page.set_viewport_size({"width": width, "height": 900})
            assert overflow(page) <= 0, width


def test_a_role_sees_of_a_customer_what_its_mart_holds(browser: Browser, workbench: Workbench) -> None:
    email = str(values_of(workbench, customer_with(workbench, "email IS NOT NULL AND order_count > 0"))["email"])
    with closing(browser.new_context(java_script_enabled=False)) as context:
        workbench.sign_in(context)
        with watched(context, workbench) as page:
            page.goto(workbench.address)
            page.select_option("#role", "marketing")
            page.click("form.role button")
            page.goto(f"{workbench.address}/customers?q={email}")
            page.click(".person a")
            assert email in page.inner_text(".who")
            assert page.locator("#readers").count() == 0
            assert page.locator('section[aria-labelledby="golden"] thead th').count() == 2


def review_state(workbench: Workbench) -> list[tuple[str, str]]:
    """The judgements that wait in the inbox, oldest first: verdict and reason."""
    waiting = read_inbox(reading_location(workbench.settings))
    return [(str(one.body["verdict"]), str(one.body["reason"])) for one in waiting.of_kind("judgement")]


def test_pairs_are_decided_by_keys(signed_in: BrowserContext, workbench: Workbench) -> None:
    before = len(review_state(workbench))
    with watched(signed_in, workbench) as page:
        page.goto(workbench.address + "/review")
        seen = []
        for key in ("k", "s", "d", "u"):
            pair = page.locator(".review").get_attribute("data-pair")
            seen.append(pair)
            assert page.locator("section.score").count() == 0
            page.keyboard.press(key)
            page.wait_for_selector(f'.review:not([data-pair="{pair}"])')
        page.wait_for_load_state("networkidle")
        assert len(set(seen)) == 4
        assert [verdict for verdict, _ in review_state(workbench)[before:]] == ["same", "different", "unsure"]
        assert page.evaluate("document.activeElement.tagName") == "H1"
        page.keyboard.press("e")
        page.wait_for_selector("section.score")
        assert serious_violations(page) == []
        page.keyboard.press("z")
        page.wait_for_selector(".notice")
        assert page.locator(".review").get_attribute("data-pair") == seen[-1]
        assert review_state(workbench)[-1] == ("withdrawn", "Undone in the workbench")


def test_pairs_are_decided_without_javascript(without_javascript: BrowserContext, workbench: Workbench) -> None:
    before = len(review_state(workbench))
    with watched(without_javascript, workbench) as page:
        page.goto(workbench.address + "/review")
        first = page.locator(".review").get_attribute("data-pair")
        page.select_option("#reason", "namesake")
        page.fill("#note", "<script>alert(1)</script>")
        page.click('button[value="different"]')
        assert page.locator(".review").get_attribute("data-pair") not in (None, first)
        assert review_state(workbench)[before:] == [
            ("different", "Same name, another person: <script>alert(1)</script>")
        ]
        page.goto(f"{workbench.address}/review/{first}")
        assert "<script>alert(1)</script>" in page.inner_text('section[aria-labelledby="past"]')
        assert "waiting for the next run" in page.inner_text('section[aria-labelledby="past"]')
