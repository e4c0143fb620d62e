"""Sessions expire, ids are never taken over, a token works once."""

from datetime import UTC, datetime, timedelta

from dataflow.access.who import Who
from dataflow.ui.sessions import ABSOLUTE, IDLE, OneTimeToken, Sessions

NOW = datetime(2026, 1, 3, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_a_session_is_found_by_its_id_until_it_ends() -> None:
    sessions = Sessions()
    session = sessions.begin(Who("ada"), ("engineer",), now=NOW)
    assert sessions.find(session.session_id, now=NOW) is session
    assert sessions.find("another", now=NOW) is None
    sessions.end(session.session_id)
    assert sessions.find(session.session_id, now=NOW) is None


def test_a_session_ends_when_it_is_idle() -> None:
    sessions = Sessions()
    session = sessions.begin(Who("ada"), ("engineer",), now=NOW)
    assert sessions.find(session.session_id, now=NOW + IDLE)
    assert sessions.find(session.session_id, now=NOW + 2 * IDLE)
    assert sessions.find(session.session_id, now=NOW + 3 * IDLE + SECOND) is None


def test_a_session_in_use_ends_as_well() -> None:
    sessions = Sessions()
    session = sessions.begin(Who("ada"), ("engineer",), now=NOW)
    at = NOW
    while at + IDLE <= NOW + ABSOLUTE:
        at += IDLE
        assert sessions.find(session.session_id, now=at)
    assert sessions.find(session.session_id, now=NOW + ABSOLUTE + SECOND) is None


def test_each_session_has_an_id_and_a_secret_of_its_own() -> None:
    sessions = Sessions()
    first, second = (sessions.begin(Who("ada"), ("engineer",), now=NOW) for _ in range(2))
    assert len({first.session_id, second.session_id, first.csrf, second.csrf}) == 4
    assert min(map(len, (first.session_id, first.csrf))) >= 43


def test_the_oldest_of_too_many_sessions_ends() -> None:
    sessions = Sessions()
    first = sessions.begin(Who("ada"), ("engineer",), now=NOW)
    for _ in range(1_000):
        newest = sessions.begin(Who("ada"), ("engineer",), now=NOW)
    assert sessions.find(first.session_id, now=NOW) is None
    assert sessions.find(newest.session_id, now=NOW) is newest


def test_a_token_works_once() -> None:
    token = OneTimeToken()
    assert not token.exchange("", now=NOW)
    secret = token.issue()
    assert not token.exchange(secret + "x", now=NOW)
    assert token.exchange(secret, now=NOW)
    assert not token.exchange(secret, now=NOW)
    assert not token.exchange("", now=NOW)


def test_a_new_token_voids_the_one_before() -> None:
    token = OneTimeToken()
    former, newest = token.issue(), token.issue()
    assert not token.exchange(former, now=NOW)
    assert token.exchange(newest, now=NOW)


def test_many_wrong_tokens_block_for_a_minute() -> None:
    token = OneTimeToken()
    for _ in range(20):
        assert not token.is_blocked(NOW)
        token.exchange("wrong", now=NOW)
    assert token.is_blocked(NOW + timedelta(seconds=59))
    assert not token.is_blocked(NOW + timedelta(seconds=60))


def test_notices_are_shown_once() -> None:
    session = Sessions().begin(Who("ada"), ("engineer",), now=NOW)
    session.notices.append("done")
    assert session.take_notices() == ["done"]
    assert session.take_notices() == []
