"""Who is let in, what is refused, what an answer forbids: over real sockets, without a browser."""

from __future__ import annotations

import hashlib
import socket
from importlib.resources import files

import pytest
from duckdb import DuckDBPyConnection

from dataflow.access.lake import open_lake
from dataflow.access.log.entry import ReadEnding
from dataflow.access.log.history import entries_in
from dataflow.access.log.place import log_root
from dataflow.access.pipeline import open_published
from dataflow.access.roles import find_role, role_names
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.published import CUSTOMER_360
from dataflow.ui.guard import HEADERS, MOST_BODY_BYTES
from dataflow.ui.pages import PAGES
from dataflow.ui.pages.page import GROUPS
from lakehouse.table import literal
from tests.lib.attacks import ATTACKS
from tests.lib.role_attacks import ROLE_ATTACKS
from tests.lib.role_lakes import files_below
from tests.lib.servers.workbench import Workbench

FORBIDDEN_HOSTS = ("evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", "[::1]:80", "")


def raw(workbench: Workbench, request: bytes) -> bytes:
    """The answer to the bytes of a request."""
    with socket.create_connection(("127.0.0.1", workbench.site.port), timeout=20) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer


class TestSigningIn:
    def test_nothing_is_answered_without_a_session(self, workbench: Workbench) -> None:
        with workbench.visitor(signed_in=False) as visitor:
            for path in (*(page.path for page in PAGES.values()), "/no-such-page"):
                answer = visitor.get(path)
                assert answer.status_code in (401, 404), path
                assert "csrf" not in answer.text
                assert all(f'href="{page.path}"' not in answer.text for page in PAGES.values() if page.path != "/")

    def test_the_token_is_exchanged_once_and_leaves_the_address(self, workbench: Workbench) -> None:
        path = workbench.sign_in_path()
        with workbench.visitor(signed_in=False) as first, workbench.visitor(signed_in=False) as second:
            answer = first.get(path)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
            [cookie] = answer.headers.get_list("set-cookie")
            assert "httponly" in cookie.lower()
            assert "samesite=lax" in cookie.lower()
            assert first.get("/sign-in").status_code == 401  # the page itself, for who wants another token
            assert second.get(path).status_code == 401
            assert second.get("/runs").status_code == 401

    def test_a_session_that_a_visitor_brings_is_not_taken_over(self, workbench: Workbench) -> None:
        with workbench.visitor(signed_in=False) as visitor:
            visitor.client.cookies.set(workbench.site.cookie, "chosen-by-another")
            assert visitor.get(workbench.sign_in_path()).status_code == 303
            values = [one.value for one in visitor.client.cookies.jar if one.name == workbench.site.cookie]
            assert "chosen-by-another" not in values[-1:]
            before = workbench.site.sessions.find(str(values[-1]), now=workbench.site.now())
            assert before is not None
            assert visitor.get(workbench.sign_in_path()).status_code == 303
            assert workbench.site.sessions.find(before.session_id, now=workbench.site.now()) is None

    def test_signing_out_ends_the_session(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor:
            assert visitor.post("/sign-out").status_code == 303
            assert visitor.get("/runs").status_code == 401

    def test_another_address_is_printed_on_request(self, workbench: Workbench) -> None:
        with workbench.visitor(signed_in=False) as visitor:
            before = len(workbench.said)
            assert visitor.client.post("/sign-in", headers={"sec-fetch-site": "cross-site"}).status_code == 403
            assert len(workbench.said) == before
            assert visitor.client.post("/sign-in").status_code == 303
            assert visitor.get(workbench.said[-1].removeprefix(workbench.address)).status_code == 303

    def test_guessing_is_stopped(self, workbench: Workbench) -> None:
        path = workbench.sign_in_path()
        with workbench.visitor(signed_in=False) as visitor:
            codes = [visitor.get("/sign-in", token=f"guess-{number}").status_code for number in range(22)]
            assert codes[0] == 401
            assert codes[-1] == 429
            assert visitor.get(path).status_code == 429
            workbench.site.token._failures.clear()  # the minute is over
            assert visitor.get(path).status_code == 303


class TestForms:
    def test_a_form_needs_the_secret_of_the_session(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor, workbench.visitor() as other:
            for fields in ({}, {"csrf": ""}, {"csrf": "x"}, {"csrf": other.csrf()}):
                answer = visitor.client.post("/role", data={**fields, "role": "marketing"})
                assert answer.status_code == 403
            assert '<option value="engineer" selected>' in visitor.get("/no-such-page").text

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_a_form_of_another_site_is_refused_with_the_secret_too(self, workbench: Workbench, site: str) -> None:
        with workbench.visitor() as visitor:
            data = {"csrf": visitor.csrf(), "role": "marketing"}
            assert visitor.client.post("/role", data=data, headers={"sec-fetch-site": site}).status_code == 403

    def test_actions_are_not_done_by_get(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor:
            for path in ("/role", "/theme", "/sign-out"):
                assert visitor.get(path).status_code == 405
            assert visitor.get("/no-such-page").status_code == 404

    @pytest.mark.parametrize(
        "back", ["//evil.example/", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"]
    )
    def test_an_action_leads_to_this_site_only(self, workbench: Workbench, back: str) -> None:
        with workbench.visitor() as visitor:
            for path in ("/theme", "/role"):
                answer = visitor.post(path, theme="dark", role="engineer", back=back)
                assert (answer.status_code, answer.headers["location"]) == (303, "/")

    def test_a_role_that_is_not_ones_own_is_refused(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor:
            assert visitor.post("/role", role="owner").status_code == 403
            assert visitor.post("/role", role="").status_code == 403


class TestRequests:
    @pytest.mark.parametrize("host", FORBIDDEN_HOSTS)
    def test_another_host_is_not_answered(self, workbench: Workbench, host: str) -> None:
        for path in ("/", "/static/app.css", "/sign-in"):
            answer = raw(workbench, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 421 "), answer[:200]

    def test_two_hosts_are_not_answered(self, workbench: Workbench) -> None:
        own = workbench.address.removeprefix("http://")
        request = f"GET / HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        assert raw(workbench, request.encode()).split(b" ")[1] in (b"400", b"421")

    def test_a_large_body_is_refused_declared_or_not(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor:
            large = b"a" * (MOST_BODY_BYTES + 1)
            assert visitor.client.post("/role", content=large).status_code == 413
            assert visitor.client.post("/role", content=iter([large[:40_000], large[40_000:]])).status_code == 413
            assert visitor.client.post("/role", content=large[:-1]).status_code == 403

    def test_a_client_that_sends_nothing_is_left(self, workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dataflow.ui.guard.BODY_SECONDS", 0.2)
        own = workbench.address.removeprefix("http://")
        request = f"POST /theme HTTP/1.1\r\nHost: {own}\r\nContent-Length: 10\r\n\r\nth"
        assert raw(workbench, request.encode()).startswith(b"HTTP/1.1 408 ")

    def test_every_answer_has_the_headers(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor:
            for path in ("/", "/runs", "/no-such-page", "/static/app.css", "/sign-in"):
                found = visitor.get(path).headers
                assert {name.decode(): found.get(name.decode()) for name in HEADERS} == {
                    name.decode(): value.decode() for name, value in HEADERS.items()
                }, path
                assert "server" not in found

    def test_a_parameter_is_not_a_template_or_a_header(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor:
            answer = visitor.get("/runs/{{7*7}}%0d%0aX-Evil:%201")
            assert answer.status_code == 404
            assert "49" not in answer.text
            assert "x-evil" not in answer.headers

    def test_files_beside_the_static_ones_are_not_answered(self, workbench: Workbench) -> None:
        own = workbench.address.removeprefix("http://")
        for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/..%2fsite.py"):
            answer = raw(workbench, f"GET {path} HTTP/1.1\r\nHost: {own}\r\nConnection: close\r\n\r\n".encode())
            assert answer.split(b" ")[1] in (b"404", b"400"), path


class TestRoles:
    def test_each_page_is_for_the_roles_that_may_read_it(self, workbench: Workbench) -> None:
        """The matrix of pages and roles: what a role may not see is 403, and not in its navigation."""
        for name in role_names(workbench.settings):
            role = find_role(name, workbench.settings)
            with workbench.visitor(role=name) as visitor:
                navigation = visitor.get("/no-such-page").text
                for page in PAGES.values():
                    is_for = page.is_for(role)
                    assert (f'<a href="{page.path}"' in navigation) == is_for, (name, page.name)
                    if not is_for:
                        assert visitor.get(page.path).status_code == 403, (name, page.name)

    def test_a_refusal_and_a_page_are_entries_of_the_access_log(self, workbench: Workbench) -> None:
        with workbench.visitor(role="analyst") as visitor:
            assert visitor.get("/runs").status_code == 403
            assert visitor.get("/").status_code == 200
        entries = [one.entry for one in entries_in(log_root(workbench.settings))][-2:]
        assert [(one.door, one.role, one.outcome) for one in entries] == [
            ("ui-runs", "analyst", ReadEnding.REFUSED),
            ("ui-home", "analyst", ReadEnding.ANSWERED),
        ]
        assert "published.kpi_daily" in entries[1].tables

    def test_each_page_has_a_group_and_a_door_of_its_own(self) -> None:
        assert {page.group for page in PAGES.values()} <= set(GROUPS)
        assert len({page.door for page in PAGES.values()}) == len({page.path for page in PAGES.values()}) == len(PAGES)


class TestExplore:
    def test_no_attack_shows_or_changes_what_the_role_may_not(self, workbench: Workbench) -> None:
        """The statements that `query --role` is attacked with; an analyst sees neither addresses nor numbers."""
        home, marts = workbench.settings.home, workbench.settings.access.folder
        known = {"home": home, "mart": f"{marts}/analyst.duckdb", "other": f"{marts}/steward.duckdb", "outside": home}
        known |= {"data": f"{home}/lake/data/", "catalogue": f"{home}/lake/catalogue.ducklake"}
        with open_published(workbench.settings) as con:
            found = con.execute("SELECT DISTINCT unnest([email, phone]) FROM published.customer_360").fetchall()
        hidden = [str(value) for (value,) in found if value]
        with workbench.visitor(role="analyst") as visitor:
            assert visitor.get("/explore", sql="select 1 as one").status_code == 200
            before = files_below(home)
            for statement in (*ROLE_ATTACKS, *ATTACKS[::8]):
                answer = visitor.get("/explore", sql=statement.format(**known, secret=f"{home}/access/key"))
                assert answer.status_code in (200, 400), statement
                assert [value for value in hidden if value in answer.text] == [], statement
        assert files_below(home) == before
        assert len(hidden) > 50

    def test_a_role_without_sql_reads_views_only(self, workbench: Workbench) -> None:
        with workbench.visitor(role="executive") as visitor:
            assert visitor.get("/explore", sql="from published.v_segment_sizes").status_code == 200
            assert visitor.get("/explore", sql="select count(*) from published.kpi_daily").status_code == 400

    def test_a_link_from_elsewhere_runs_nothing(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor:
            for path in ("/explore", "/explore/answer.csv"):
                answer = visitor.client.get(
                    path, params={"sql": "select 6 * 7 as x"}, headers={"sec-fetch-site": "cross-site"}
                )
                assert "<td>42</td>" not in answer.text
                assert "x\r\n42" not in answer.text
            assert "<td>42</td>" in visitor.get("/explore", sql="select 6 * 7 as x").text

    def test_a_download_holds_no_formula(self, workbench: Workbench) -> None:
        sql = "select '=1+1' as a, '+1' as b, '-1' as c, '@x' as d, -1 as e, 'x' as f, chr(9) || '=1' as g, null as h"
        with workbench.visitor(role="analyst") as visitor:
            answer = visitor.get("/explore/answer.csv", sql=sql)
        assert answer.text == "a,b,c,d,e,f,g,h\r\n'=1+1,'+1,'-1,'@x,-1,x,'\t=1,\r\n"
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"

    def test_what_is_wrong_with_a_query_is_a_sentence(self, workbench: Workbench) -> None:
        with workbench.visitor() as visitor:
            answer = visitor.get("/explore", sql="select '<b>x</b>' from nothing")
            assert answer.status_code == 400
            assert "<b>x</b>" not in answer.text
            assert visitor.get("/explore", sql="x" * 7_000).status_code == 400


SCRIPT = """'><script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"""


class TestStoredScripts:
    def test_no_personal_value_is_markup_or_a_template(self, workbench: Workbench) -> None:
        """A record brings a script in every text that is a person's; the page after the commit shows it as text."""

        def poison(con: DuckDBPyConnection) -> None:
            for table, where in (
                (CUSTOMER_360, f"customer_id = {literal(customer_id)}"),
                (CUSTOMER_RECORD, f"record_id = {literal(record_id)}"),
            ):
                texts = [
                    column.name
                    for column in table.columns
                    if column.type == "VARCHAR" and column.classification != "none" and not column.name.endswith("_id")
                ]
                assert len(texts) > 10
                values = ", ".join(f"{name} = {literal(SCRIPT)}" for name in texts if name != "record_id")
                con.execute(f"UPDATE {table.in_lake} SET {values} WHERE {where}")

        with open_published(workbench.settings) as con:
            [(customer_id, record_id)] = con.execute(
                "SELECT max(customer_id), max(record_id) FROM resolved.xref WHERE customer_id ="
                " (SELECT max(customer_id) FROM published.customer_360 WHERE record_count = 1)"
            ).fetchall()
        with workbench.visitor() as visitor:
            assert SCRIPT not in visitor.get(f"/customers/{customer_id}").text
            with open_lake(workbench.settings, purpose="tests") as lake:
                lake.transact(poison, author="tests", run_id="tests/poison", message="scripts")
            for path, named in (
                (f"/customers/{customer_id}", {}),
                ("/customers", {"q": customer_id}),
                (f"/review/cluster/{customer_id}", {}),
                ("/explore", {"sql": f"from published.customer_360 where customer_id = '{customer_id}'"}),
            ):
                text = visitor.get(path, **named).text
                assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text, path
                assert "<script>alert" not in text, path
                assert "<img src=x" not in text, path
                assert "{{7*7}}" in text, path


def test_vendored_htmx_is_the_file_of_its_package() -> None:
    static = files("dataflow.ui").joinpath("static")
    digest = hashlib.sha256(static.joinpath("htmx.min.js").read_bytes()).hexdigest()
    assert digest in static.joinpath("htmx.LICENSE.txt").read_text(encoding="utf-8")


def test_our_own_script_is_short() -> None:
    script = files("dataflow.ui").joinpath("static", "keys.js").read_text(encoding="utf-8")
    assert 0 < len(script.splitlines()) <= 200
    assert not {"eval(", "innerHTML", "document.write", "new Function"} & set(script.split())
