"""The registry of pages: the one place to add one. Each is a module here, with its entry and its routes."""

from __future__ import annotations

from checks.registry import Registry
from dataflow.ui.pages import (
    access,
    customers,
    explore,
    figures,
    home,
    incidents,
    quality,
    review,
    rules,
    runs,
    segments,
    setup,
)
from dataflow.ui.pages.page import Page

PAGES: Registry[Page] = Registry(
    "page",
    tuple(
        module.PAGE
        for module in (
            *(home, customers, review),
            *(figures, segments, explore),
            *(runs, quality, incidents, rules),
            *(access, setup),
        )
    ),
    name=lambda page: page.name,
)
