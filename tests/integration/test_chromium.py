"""The browser fixture itself: it renders, it reports a page's errors, it lets nothing out."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.lib.servers.chromium import open_page


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def write(body: str) -> str:
        path = tmp_path / "page.html"
        path.write_text(f"<!doctype html><meta charset=utf-8><link rel=icon href='data:,'><title>t</title>{body}")
        return path.as_uri()

    return write


def test_a_page_is_rendered(browser: Browser, write: Callable[[str], str], screenshot: Callable[[Page], Path]) -> None:
    body = "<h1>Hello</h1><script>document.querySelector('h1').textContent += ' there'</script>"
    with open_page(browser, write(body)) as page:
        assert page.text_content("h1") == "Hello there"
        assert screenshot(page).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        ("<img src='https://example.org/a.png'>", "asked for the network"),
        ("<script>fetch('http://192.0.2.1/')</script>", "asked for the network"),
        ("<script>throw new Error('broken')</script>", "broken"),
        ("<script>console.error('noticed')</script>", "noticed"),
    ],
)
def test_a_page_at_fault_fails_the_test(
    browser: Browser, write: Callable[[str], str], body: str, reported: str
) -> None:
    with pytest.raises(AssertionError, match=reported), open_page(browser, write(body)):
        pass
