"""The registry of pages: the one place to add one. Each is a module here, with its entry and its routes."""

from __future__ import annotations

from checks.registry import Registry
from dataflow.ui.pages import customers, home, review, runs
from dataflow.ui.pages.page import Page

PAGES: Registry[Page] = Registry(
    "page", (home.PAGE, customers.PAGE, review.PAGE, runs.PAGE), name=lambda page: page.name
)
