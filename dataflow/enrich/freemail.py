"""Domains at which anybody can have a mailbox: they say nothing about an employer."""

FREEMAIL_DOMAINS = frozenset(
    """
    126.com 163.com aol.com aol.de arcor.de bigpond.com bluewin.ch bol.com.br btinternet.com comcast.net daum.net
    fastmail.com foxmail.com free.fr freenet.de gmail.com gmx.at gmx.ch gmx.com gmx.de gmx.net googlemail.com
    hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de hotmail.es hotmail.fr hotmail.it icloud.com interia.pl
    laposte.net libero.it live.co.uk live.com live.de live.fr mac.com mail.com mail.ru me.com msn.com naver.com o2.pl
    onet.pl orange.fr outlook.com outlook.de outlook.es outlook.fr outlook.jp pm.me proton.me protonmail.com qq.com
    rediffmail.com rocketmail.com sbcglobal.net seznam.cz sfr.fr sina.com sky.com t-online.de telus.net terra.com.br
    tutanota.com uol.com.br verizon.net virgilio.it wanadoo.fr web.de wp.pl yahoo.ca yahoo.co.in yahoo.co.jp
    yahoo.co.uk yahoo.com yahoo.com.br yahoo.de yahoo.es yahoo.fr yahoo.it yandex.ru ymail.com zoho.com
    """.split()  # noqa: SIM905 (words read better than eighty quoted ones)
)
