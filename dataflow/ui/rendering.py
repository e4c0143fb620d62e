"""Render templates: escaped, strict about names, with the numbers and times of the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from dataflow.observe.visible import visible
from dataflow.ui.drawing import bar_width, line_points
from dataflow.ui.locales import Locale


def render(template: str, values: Mapping[str, Any], *, locale: Locale) -> str:
    """Return a page. Raises: jinja2.UndefinedError for a name that the template uses and nothing gives."""
    formats = {
        name: getattr(locale, name) for name in ("count", "amount", "share", "change", "on")
    }  # of the reader's language, so not filters of the shared environment
    return _environment().get_template(template).render(
        **formats, at=lambda when: time_element(when, locale), language=locale.language.partition("-")[0], **values
    )  # fmt: skip


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dataflow.ui", "templates"),
        autoescape=True,
        finalize=_as_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"spaced": _spaced, "age": age, "line_points": line_points, "bar_width": bar_width}
    return environment


def _as_shown(value: Any) -> Any:
    """Return the value of an expression, with control characters of texts escaped."""
    return visible(value) if type(value) is str else value


def time_element(when: datetime | date | None, locale: Locale) -> Markup | str:
    """Write a time as an element that programs can read."""
    if when is None:
        return "–"
    text = locale.at(when) if isinstance(when, datetime) else locale.on(when)
    exact = when.astimezone(UTC).isoformat(timespec="seconds") if isinstance(when, datetime) else when.isoformat()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, text)


def _spaced(name: str) -> str:
    """Return a column's name as words."""
    return name.replace("_", " ").strip()


def age(hours: float | None) -> str:
    """Write a number of hours in the largest fitting unit."""
    if hours is None:
        return "–"
    if hours < 1:
        return "under an hour"
    return f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
