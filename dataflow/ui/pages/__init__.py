"""The registry of pages: the one place to add one. Each is a module here, with its entry and its routes."""

from __future__ import annotations

from checks.registry import Registry
from dataflow.ui.pages import customers, explore, figures, home, quality, review, runs, segments
from dataflow.ui.pages.page import Page

PAGES: Registry[Page] = Registry(
    "page",
    tuple(module.PAGE for module in (home, customers, review, figures, segments, explore, quality, runs)),
    name=lambda page: page.name,
)
