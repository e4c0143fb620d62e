"""What people do in the workbench beside reading: each action is a form answered by 303, refused to other roles."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pyarrow.parquet as pq
import pytest

from dataflow.access.inbox import read_inbox
from dataflow.access.lake import reading_location
from dataflow.access.pipeline import open_published
from dataflow.access.tokens import list_tokens
from dataflow.ui import commands
from dataflow.ui.saved_queries import queries_folder
from dataflow.validate.dead_letter_decisions import KIND
from dataflow.workspace.incident_events import EVENT_MESSAGE, IncidentEvent, Outbox
from tests.lib.servers.workbench import Visitor, Workbench


@pytest.fixture
def engineer(workbench: Workbench) -> Iterator[Visitor]:
    with workbench.visitor() as visitor:
        yield visitor


@pytest.fixture
def officer(workbench: Workbench) -> Iterator[Visitor]:
    """Opens the lake, and changes nothing of the pipeline."""
    with workbench.visitor(role="privacy_officer") as visitor:
        yield visitor


def follow(visitor: Visitor, answer: httpx.Response) -> str:
    assert answer.status_code == 303, answer.text
    return visitor.get(answer.headers["location"].partition("#")[0]).text


def test_an_incident_is_acknowledged_once(workbench: Workbench, engineer: Visitor) -> None:
    event = IncidentEvent(
        event_id="",
        incident_key="feed0123feed0123",
        kind="opened",
        rule="completeness",
        object="crm.contact",
        cause="check",
        severity="error",
        owner="engineer",
        summary="raw lacks <b>3</b> rows",
        occurred_at=datetime.now(UTC),
    )
    Outbox(workbench.settings).write(EVENT_MESSAGE, author="run", body=event.body(), now=event.occurred_at)
    listed = engineer.get("/incidents").text
    assert "raw lacks &lt;b&gt;3&lt;/b&gt; rows" in listed
    shown = follow(engineer, engineer.post("/incidents/feed0123feed0123/acknowledge"))
    assert "Acknowledged: it is yours." in shown
    again = follow(engineer, engineer.post("/incidents/feed0123feed0123/acknowledge"))
    assert "acknowledged already" in again
    assert again.count("chip-plain") == 2
    assert engineer.get("/incidents/0000").status_code == 400


class TestAccess:
    def test_the_log_is_verified_and_an_entry_proved(self, engineer: Visitor) -> None:
        shown = follow(engineer, engineer.post("/access/verify"))
        assert "chip-good" in shown.split('id="log"')[1].split("<form class")[0]
        name = shown.split('href="/access/proof/')[1].split('"')[0]
        assert engineer.get(f"/access/proof/{name}").text.startswith("c2sp.org/tlog-proof@v1")

    def test_entries_are_filtered_and_reading_them_is_one(self, engineer: Visitor) -> None:
        engineer.get("/access", door="ui-access")
        shown = engineer.get("/access", door="ui-access").text
        assert "<td>ui-access</td>" in shown
        assert "<td>ui-home</td>" not in shown

    def test_a_token_is_shown_once_and_revoked(self, workbench: Workbench, engineer: Visitor) -> None:
        shown = follow(engineer, engineer.post("/access/tokens", role="marketing", days="7"))
        [token] = [one for one in list_tokens(workbench.settings) if one.token_id in shown]
        assert f"dft_{token.token_id}_" in shown
        assert f"dft_{token.token_id}_" not in engineer.get("/access").text
        assert "is revoked" in follow(engineer, engineer.post("/access/tokens/revoke", token=token.token_id))
        assert engineer.post("/access/tokens", role="marketing", days="4000").status_code == 400
        assert engineer.post("/access/tokens", role="marketing", days="x").status_code == 400

    def test_only_an_engineer_has_tokens(self, workbench: Workbench, officer: Visitor) -> None:
        before = len(list_tokens(workbench.settings))
        assert officer.post("/access/tokens", role="marketing", days="7").status_code == 403
        assert officer.post("/access/tokens/revoke", token="x").status_code == 403
        assert len(list_tokens(workbench.settings)) == before


class TestQuality:
    def cause(self, workbench: Workbench) -> dict[str, str]:
        with open_published(workbench.settings) as con:
            row = con.execute(
                "SELECT _source, _object, rule FROM ops.dead_letters WHERE status = 'open' ORDER BY ALL LIMIT 1"
            ).fetchone()
        assert row is not None
        return dict(zip(("source", "object", "rule"), row, strict=True))

    def decided(self, workbench: Workbench) -> list[str]:
        waiting = read_inbox(reading_location(workbench.settings))
        return [str(one.body["decision"]) for one in waiting.of_kind(KIND)]

    def test_a_replay_is_counted_then_decided_and_taken_back(self, workbench: Workbench, engineer: Visitor) -> None:
        cause, before = self.cause(workbench), self.decided(workbench)
        assert "would validate" in follow(engineer, engineer.post("/quality/replay", dry="1", **cause))
        assert self.decided(workbench) == before
        assert "The next run validates" in follow(engineer, engineer.post("/quality/replay", **cause))
        assert len(self.decided(workbench)) > len(before)

    def test_what_is_not_chosen_or_not_explained_is_not_decided(self, workbench: Workbench, engineer: Visitor) -> None:
        before = self.decided(workbench)
        assert engineer.post("/quality/replay", source="x").status_code == 400
        assert engineer.post("/quality/discard", why="", **self.cause(workbench)).status_code == 400
        assert self.decided(workbench) == before

    def test_the_configuration_is_changed_by_an_engineer(self, officer: Visitor) -> None:
        answer = officer.post("/quality/drift/accept", source="crm", object="contact", field="x")
        assert answer.status_code == 403


class TestRuns:
    def test_a_run_is_started_once_and_its_failure_shown(
        self, workbench: Workbench, engineer: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[tuple[str, ...]] = []

        def line(_: object, *arguments: str) -> list[str]:
            asked.append(arguments)
            return [sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit('Error: <i>no disk</i>')"]

        monkeypatch.setattr(commands, "command_line", line)
        assert engineer.post("/runs/start", kind="rm -rf").status_code == 400
        assert engineer.post("/runs/start", kind="backfill", to="2026-01-01").status_code == 400
        days = {"from": "2026-01-01", "to": "2026-01-02"}
        assert "Started" in follow(engineer, engineer.post("/runs/start", kind="backfill", **days))
        assert asked == [("backfill", "--from=2026-01-01", "--to=2026-01-02")]
        started = workbench.site.starter.last
        assert started is not None
        started.process.wait(60)
        assert "failed: &lt;i&gt;no disk&lt;/i&gt;" in engineer.get("/runs").text

    def test_another_run_waits_for_the_first(
        self, workbench: Workbench, engineer: Visitor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
            started = commands.Started("run", process, process.stdin)  # type: ignore[arg-type]
            monkeypatch.setattr(workbench.site.starter, "last", started)
            assert engineer.post("/runs/start", kind="run").status_code == 400
            assert "A run is going on" in engineer.get("/runs").text
            process.terminate()

    def test_the_state_of_runs_is_streamed(self, engineer: Visitor) -> None:
        with engineer.client.stream("GET", "/runs/live") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert next(answer.iter_lines()) in ("data: idle", "data: ended")

    def test_a_run_is_started_by_an_engineer(self, officer: Visitor) -> None:
        for path in ("/runs/start", "/runs/plan"):
            assert officer.post(path, kind="run").status_code == 403


class TestClusters:
    def cluster(self, workbench: Workbench) -> str:
        """A customer of several records, no link of which is judged."""
        with open_published(workbench.settings) as con:
            [(customer_id,)] = con.execute(
                "SELECT max(customer_id) FROM published.customer_360 WHERE record_count BETWEEN 3 AND 6"
            ).fetchall()
        return str(customer_id)

    def judgements(self, workbench: Workbench) -> list[str]:
        waiting = read_inbox(reading_location(workbench.settings))
        return [str(one.body["verdict"]) for one in waiting.of_kind("judgement")]

    def test_a_split_is_shown_then_decided_and_undone_link_by_link(
        self, workbench: Workbench, engineer: Visitor
    ) -> None:
        path, before = f"/review/cluster/{self.cluster(workbench)}", self.judgements(workbench)
        page = engineer.get(path).text
        assert page.count('type="checkbox" name="record-') >= 3
        shown = follow(engineer, engineer.post(f"{path}/split", **{"record-0": "1", "dry": "1"}))
        assert "become separate customers" in shown
        assert self.judgements(workbench) == before
        shown = follow(engineer, engineer.post(f"{path}/split", **{"record-0": "1"}))
        assert "On record" in shown
        made = self.judgements(workbench)[len(before) :]
        assert made
        assert set(made) == {"different"}
        follow(engineer, engineer.post("/review/undo"))
        assert self.judgements(workbench)[-1] == "withdrawn"

    def test_several_links_are_judged_by_one_form(self, workbench: Workbench, engineer: Visitor) -> None:
        path, before = f"/review/cluster/{self.cluster(workbench)}", self.judgements(workbench)
        names = [part.split('"')[0] for part in engineer.get(path).text.split('name="pair-')[1:]][:2]
        chosen = {f"pair-{name}": "1" for name in names}
        follow(engineer, engineer.post(f"{path}/links", verdict="unsure", **chosen))
        assert self.judgements(workbench)[len(before) :] == ["unsure"] * len(names)
        assert engineer.post(f"{path}/links", verdict="same").status_code == 400
        assert engineer.post(f"{path}/links", verdict="maybe", **chosen).status_code == 400

    def test_customers_are_joined_by_a_record_of_each(self, workbench: Workbench, engineer: Visitor) -> None:
        path, before = f"/review/cluster/{self.cluster(workbench)}", self.judgements(workbench)
        with open_published(workbench.settings) as con:
            [(kind,)] = con.execute(
                "SELECT entity_type FROM published.customer_360 WHERE customer_id = ?", [path.rpartition("/")[2]]
            ).fetchall()
            [(other,)] = con.execute(
                "SELECT min(customer_id) FROM published.customer_360 WHERE entity_type = ?", [kind]
            ).fetchall()
        follow(engineer, engineer.post(f"{path}/merge", other=str(other)))
        assert self.judgements(workbench)[len(before) :] == ["same"]
        for wrong, status in ((path.rpartition("/")[2], 400), ("no-such-customer", 404)):
            assert engineer.post(f"{path}/merge", other=wrong).status_code == status

    def test_what_is_not_there_or_not_chosen_is_refused(self, workbench: Workbench, engineer: Visitor) -> None:
        assert engineer.get("/review/cluster/no-such-customer").status_code == 404
        assert engineer.post(f"/review/cluster/{self.cluster(workbench)}/split").status_code == 400


class TestExplore:
    def test_an_answer_is_downloaded_as_parquet(self, engineer: Visitor) -> None:
        sql = "select 1 as n, '=1+1' as text, [1, 2] as list, null as nothing, 1.50::decimal(9, 2) as amount"
        answer = engineer.get("/explore/answer.parquet", sql=sql)
        [row] = pq.read_table(io.BytesIO(answer.content)).to_pylist()
        assert row == {"n": 1, "text": "=1+1", "list": [1, 2], "nothing": None, "amount": Decimal("1.50")}

    def test_a_query_is_saved_once_as_a_file_and_opened_by_others(
        self, workbench: Workbench, engineer: Visitor, officer: Visitor
    ) -> None:
        sql = "select 6 * 7 as answer"
        assert sql in follow(engineer, engineer.post("/explore/save", name="answers", sql=sql))
        assert (queries_folder(workbench.settings) / "answers.sql").read_text() == f"{sql}\n"
        shown = officer.get("/explore", saved="answers").text
        assert sql in shown
        assert "<td>42</td>" not in shown
        for name in ("answers", "../evil", "a.b", ""):
            assert engineer.post("/explore/save", name=name, sql=sql).status_code == 400
        with workbench.visitor(role="analyst") as analyst:
            assert "answers" in analyst.get("/explore").text
            assert analyst.post("/explore/save", name="mine", sql=sql).status_code == 403
            assert analyst.get("/explore", sql="select 1", as_of="1").status_code == 403

    def test_an_older_snapshot_is_asked(self, workbench: Workbench, engineer: Visitor) -> None:
        sql = "select count(*) as runs from ops.run"
        newest = engineer.get("/explore", sql=sql).text.split("<tbody>")[1].split("</td>")[0]
        with open_published(workbench.settings) as con:
            [(first,)] = con.execute("SELECT min(snapshot_id) FROM lake.snapshots() WHERE snapshot_id > 1").fetchall()
        older = engineer.get("/explore", sql=sql, as_of=str(first)).text
        assert newest not in older
        assert engineer.get("/explore", sql=sql, as_of="yesterday").status_code == 400
        assert engineer.get("/explore", sql=sql, as_of="99999").status_code == 400


def test_the_sheet_of_key_figures_needs_nothing_else(workbench: Workbench) -> None:
    with workbench.visitor(role="executive") as visitor:
        answer = visitor.get("/figures/sheet.html", days="91")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert '"Segoe UI"' in answer.text
    assert [one for one in ("src=", "href=", "url(", "<script", "@import", "&#34;") if one in answer.text] == []
    assert "Who came back" not in answer.text


def test_members_of_a_segment_are_for_who_may_see_persons(workbench: Workbench, engineer: Visitor) -> None:
    code = engineer.get("/segments").text.split('href="/segments/')[1].split('"')[0]
    assert "/customers/" in engineer.get(f"/segments/{code}").text
    with workbench.visitor(role="analyst") as analyst:
        shown = analyst.get(f"/segments/{code}")
        assert shown.status_code == 200
        assert "/customers/" not in shown.text
        assert "full name" not in shown.text
    with workbench.visitor(role="executive") as executive:
        assert executive.get(f"/segments/{code}").status_code == 403
    assert engineer.get("/segments/none").status_code == 404
