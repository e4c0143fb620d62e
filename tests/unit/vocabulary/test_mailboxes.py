"""Which domains are free mail, by the list and by the rule for national domains, in Python and in SQL."""

import re

import duckdb
import pytest

from dataflow.vocabulary.mailboxes import FREE_MAIL, NATIONAL_FREE_MAIL, free_mail_sql

FREE = """
    gmail.com yahoo.fr yahoo.it yahoo.co.in yahoo.com.br yahoo.com.tr gmx.at gmx.ch gmx.net gmx.li tutanota.com
    tuta.io hotmail.com.tr hotmail.de hotmail.co.za live.nl live.co.uk live.com outlook.de outlook.com.au outlook.jp
    web.de orange.fr wanadoo.fr libero.it t-online.de posteo.de posteo.net pm.me protonmail.com protonmail.ch
    hey.com telus.net mail.ru bk.ru yandex.ru yandex.by ya.ru seznam.cz wp.pl uol.com.br naver.com hanmail.net
    qq.com vip.qq.com 163.com docomo.ne.jp bigpond.com btinternet.com sky.com aol.de msn.co.uk icloud.com me.com
    aon.at skynet.be ziggo.nl kpnmail.nl telia.com otenet.gr mynet.com rediffmail.com verizon.net arcor.de
    bluewin.ch rocketmail.com ymail.com zoho.com
"""
EMPLOYERS = """
    acme.example yahoo.acme.com myyahoo.it yahoo.it.acme.com gmx.acme.de live.tv livemail.example mail.acme.com
    outlookindia.com aol yahoo alibaba.com siemens.com telstra.com gmail.example orange.com sky.de
"""


@pytest.mark.parametrize(("domains", "expected"), [(FREE, True), (EMPLOYERS, False)], ids=["free mail", "employers"])
def test_whose_a_domain_is(domains: str, expected: bool) -> None:
    rows = duckdb.execute(
        f"SELECT domain, {free_mail_sql('domain')} FROM (SELECT unnest(?) AS domain)", [domains.split()]
    )
    assert [domain for domain, is_free in rows.fetchall() if is_free is not expected] == []


def test_no_domain_is_no_answer() -> None:
    assert duckdb.execute(f"SELECT {free_mail_sql('NULL::VARCHAR')}").fetchall() == [(None,)]


def test_the_file_is_sorted_and_holds_what_the_rule_does_not_say() -> None:
    domains = list(FREE_MAIL)
    assert domains == sorted(domains)
    assert [d for d in domains if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", d)] == []
    assert [d for d in domains if re.search(NATIONAL_FREE_MAIL, d)] == []
