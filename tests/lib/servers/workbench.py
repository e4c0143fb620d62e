"""The workbench over a published lake, served by a thread of the test process on a free port."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext

from dataflow.settings import Settings, load_settings
from dataflow.ui.server import listen, server_of
from dataflow.ui.site import Site
from dataflow.workspace.defects import place_of  # noqa: F401 (imported before the thread that answers errors)

_WAIT_MILLISECONDS = 120_000


@dataclass
class Workbench:
    """A running workbench. `said` are the lines for its terminal."""

    site: Site
    address: str
    said: list[str]

    @property
    def settings(self) -> Settings:
        return self.site.settings

    def sign_in_path(self) -> str:
        """A fresh one-time address, without the host."""
        return self.site.announce().removeprefix(self.address)

    @contextmanager
    def visitor(self, *, role: str = "", signed_in: bool = True) -> Iterator[Visitor]:
        """A client without a browser, signed in and in a role."""
        with httpx.Client(base_url=self.address, timeout=60) as client:
            visitor = Visitor(client)
            if signed_in:
                assert client.get(self.sign_in_path()).status_code == 303
                if role:
                    visitor.become(role)
            yield visitor

    def sign_in(self, context: BrowserContext) -> None:
        """Sign a browser's context in, and let its pages wait as long as a busy machine needs."""
        context.set_default_timeout(_WAIT_MILLISECONDS)
        page = context.new_page()
        page.goto(self.address + self.sign_in_path())
        page.close()


@dataclass
class Visitor:
    """A client with a session, which knows the secret of its forms."""

    client: httpx.Client

    def get(self, path: str, **named: str) -> httpx.Response:
        return self.client.get(path, params=named or None)

    def csrf(self) -> str:
        # The page of an error has the forms around its content, and reads nothing.
        found = re.search(r'name="csrf" value="([^"]+)"', self.client.get("/no-such-page").text)
        assert found
        return found[1]

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.client.post(path, data={"csrf": self.csrf(), **fields})

    def become(self, role: str) -> None:
        assert self.post("/role", role=role, back="/").status_code == 303


@contextmanager
def serving(settings: Settings) -> Iterator[Workbench]:
    """Serve the workbench of a home."""
    said: list[str] = []
    with closing(listen(0)) as listening:
        site = Site(settings=settings, port=listening.getsockname()[1], say=said.append)
        server = server_of(site)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="workbench")
        thread.start()
        try:
            yield Workbench(site, f"http://127.0.0.1:{site.port}", said)
        finally:
            server.should_exit = True
            thread.join(30)
            site.close()
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def workbench(tmp_path_factory: pytest.TempPathFactory, second_day: Path) -> Iterator[Workbench]:
    """One workbench for the session, over a copy of the lake of two days."""
    home = tmp_path_factory.mktemp("workbench") / "home"
    shutil.copytree(second_day, home)
    with serving(load_settings(home=home)) as running:
        yield running


@pytest.fixture
def signed_in(browser: Browser, workbench: Workbench) -> Iterator[BrowserContext]:
    """A browser's context that is signed in as an engineer."""
    with closing(browser.new_context(viewport={"width": 1280, "height": 900})) as context:
        workbench.sign_in(context)
        yield context
