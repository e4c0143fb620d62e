"""A real browser on a page of ours, with no way out to the network."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

INSTALL = (
    "no Chromium found. Debian: sudo apt-get install -y chromium fonts-liberation; "
    "elsewhere: .venv/bin/playwright install --with-deps --only-shell chromium"
)
# Names on PATH, then where macOS puts applications. A snap cannot open pages in /tmp, so it does not count.
NAMES = ("chromium", "google-chrome-stable", "google-chrome", "chromium-browser")
APPLICATIONS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
LOCAL_SCHEMES = ("file:", "data:", "blob:", "about:")
LOCAL_HOSTS = ("http://127.0.0.1:", "http://localhost:")


class Blocked(list[str]):
    """Addresses a page asked for and did not get."""


def installed_browser() -> Path | None:
    """Find a browser of the system; None when there is none."""
    on_path = (Path(found) for name in NAMES if (found := shutil.which(name)))
    for candidate in (*on_path, *map(Path, APPLICATIONS)):
        if candidate.exists() and not _is_snap(candidate):
            return candidate
    return None


def _is_snap(executable: Path) -> bool:
    if "/snap/" in str(executable.resolve()):
        return True
    # Ubuntu's chromium-browser is a small shell script that calls the snap.
    with executable.open("rb") as file:
        head = file.read(2048)
    return head.startswith(b"#!") and b"/snap/" in head


def playwright_browser() -> Path | None:
    """Find the browser that `playwright install` put in its cache; None when there is none."""
    root = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or _playwright_cache())
    names = ("headless_shell", "chrome-headless-shell")
    found = (path for name in names for path in root.glob(f"chromium_headless_shell-*/*/{name}"))
    return max(found, default=None)


def _playwright_cache() -> Path:
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "ms-playwright"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless browser for one module: while it lives, this thread runs Playwright's event loop and no other."""
    executable = installed_browser() or playwright_browser()
    if executable is None:
        pytest.fail(INSTALL)
    with sync_playwright() as playwright:
        # --no-sandbox: the sandbox needs user namespaces, which containers and root lack.
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def open_page(browser: Browser, address: str, *, width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Open `address`, local only; on leaving, fail if the page threw, logged an error or asked for the network."""
    context = browser.new_context(viewport={"width": width, "height": height})
    blocked, errors = Blocked(), list[str]()

    def guard(route: Route) -> None:
        if route.request.url.startswith(LOCAL_SCHEMES + LOCAL_HOSTS):
            route.continue_()
        else:
            blocked.append(route.request.url)
            route.abort()

    context.route("**/*", guard)
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    try:
        page.goto(address, wait_until="load")
        yield page
        page.wait_for_load_state("networkidle")
        assert not blocked, f"the page asked for the network: {blocked}"
        assert not errors, f"the page reported errors: {errors}"
    finally:
        context.close()


@pytest.fixture
def screenshot(tmp_path: Path) -> Callable[[Page], Path]:
    """Return a function that saves the whole page as PNG and gives its path."""

    def take(page: Page) -> Path:
        path = tmp_path / "page.png"
        page.screenshot(path=path, full_page=True)
        return path

    return take


if __name__ == "__main__":  # deployments/bootstrap.sh asks whether a browser is here
    sys.exit(not (installed_browser() or playwright_browser()))
