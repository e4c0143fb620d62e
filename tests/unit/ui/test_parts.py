"""The small parts: paths that stay here, drawings, what errors say, escaping."""

from datetime import UTC, datetime

import duckdb
import jinja2
import pytest

from dataflow.errors import AccessRefused, SinkError, UsageError
from dataflow.ui.drawing import bar_width, line_points
from dataflow.ui.errors import NotFound, problem_of
from dataflow.ui.locales import LOCALES
from dataflow.ui.rendering import age, render, time_element
from dataflow.ui.visit import local_path

ENGLISH = LOCALES["en"]


@pytest.mark.parametrize("path", ["/", "/runs", "/customers?q=a", "/customers/c-1#events"])
def test_a_path_of_this_site_stays(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)"),
        *("evil.example", "/a\r\nSet-Cookie: x=1", "/\t/evil.example", "/\u2028", "/ä"),
    ],
)
def test_every_other_leads_home(path: str) -> None:
    assert local_path(path) == "/"


def test_a_line_goes_from_left_to_right_and_zero_is_below() -> None:
    assert line_points([0.0, 1.0, 2.0], 106, 56) == [(3.0, 53.0), (53.0, 28.0), (103.0, 3.0)]
    assert line_points([5.0], 106, 56) == [(3.0, 3.0), (103.0, 3.0)]
    assert line_points([]) == []
    assert {y for _, y in line_points([0.0, 0.0], 106, 56)} == {53.0}
    assert line_points([-1.0, 1.0], 106, 56) == [(3.0, 53.0), (103.0, 3.0)]


def test_a_bar_is_seen_unless_it_is_nothing() -> None:
    assert [bar_width(*pair) for pair in ((50, 100), (1, 100_000), (0, 10), (0, 0))] == [50.0, 0.5, 0.0, 0.0]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (AccessRefused("no"), 403),
        (NotFound("gone"), 404),
        (UsageError("bad"), 400),
        (SinkError("down"), 500),
        (duckdb.InterruptException("x"), 504),
        (ValueError("a customer's value"), 500),
    ],
)
def test_each_error_has_a_status(error: Exception, status: int) -> None:
    assert problem_of(error).status == status


def test_an_unexpected_error_says_nothing_of_its_message() -> None:
    assert "customer's value" not in str(problem_of(ValueError("a customer's value")))


def test_a_page_is_escaped_and_strict() -> None:
    session = {"session": None, "page": None, "pages": (), "here": "/", "notices": []}
    hostile = "<script>alert(1)</script>\x1b[2J\u202e"
    problem = problem_of(UsageError(hostile))
    text = render("problem.html.j2", session | {"problem": problem}, locale=ENGLISH)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\x1b[2J\\u202e" in text
    with pytest.raises(jinja2.UndefinedError):
        render("problem.html.j2", session, locale=ENGLISH)


@pytest.mark.parametrize(
    ("hours", "text"), [(None, "–"), (0.2, "under an hour"), (-3.0, "under an hour"), (5.4, "5 h"), (72.0, "3 days")]
)
def test_ages(hours: float | None, text: str) -> None:
    assert age(hours) == text


def test_times_are_elements_that_programs_read() -> None:
    shown = time_element(datetime(2026, 1, 2, 3, 4, tzinfo=UTC), ENGLISH)
    assert shown.startswith('<time datetime="2026-01-02T03:04:00+00:00"')
    assert time_element(None, ENGLISH) == "–"
