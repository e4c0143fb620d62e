"""E-mail by SMTP, over TLS 1.3 alone."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from dataflow.alerts.channels.channel import Notification, headline
from dataflow.connect.tls import tls_context
from dataflow.errors import ConfigurationError
from dataflow.settings import AlertSettings
from dataflow.sinks.events.channel import NotTaken
from dataflow.sinks.events.https import not_reached

_TLS_FROM_THE_START = 465
_TEMPORARY = range(400, 500)


class Mail:
    """The mail server of `server`; each message is one connection."""

    def __init__(self, declared: AlertSettings, *, setting: str) -> None:
        self._declared, self._setting = declared, setting
        self._context = tls_context(declared.ca_file, setting=f"{setting}.ca_file")
        host, _, port = declared.server.rpartition(":")
        if not 0 < int(port) < 65_536:
            raise ConfigurationError(f"{setting}.server has no port: {port} is not one.")
        self._host, self._port = host.strip("[]"), int(port)

    def send(self, notifications: Sequence[Notification]) -> None:
        to = [address.strip() for address in self._declared.to.split(",")]
        mail = EmailMessage()
        mail["Subject"] = headline(notifications)
        mail["From"], mail["To"] = self._declared.sender or to[0], ", ".join(to)
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain="dataflow.invalid")
        mail.set_content("\n\n".join(one.text for one in notifications))
        try:
            with self._connected() as server:
                server.send_message(mail)
        except smtplib.SMTPNotSupportedError:
            raise self._refused("it does not offer STARTTLS or a login", can_pass=False) from None
        except smtplib.SMTPResponseException as error:
            code = error.smtp_code
            raise self._refused(f"it answered {code}", can_pass=code in _TEMPORARY) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            raise self._refused(
                f"it refused the recipients with {', '.join(map(str, codes))}",
                can_pass=all(code in _TEMPORARY for code in codes),
            ) from None
        except smtplib.SMTPServerDisconnected:
            raise self._refused("it closed the connection", can_pass=True) from None
        except OSError as error:
            raise not_reached(error, setting=self._setting) from None

    def close(self) -> None:
        """Do nothing: each message has had its connection."""

    def _connected(self) -> smtplib.SMTP:
        seconds = self._declared.timeout_seconds
        if self._port == _TLS_FROM_THE_START:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=seconds, context=self._context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=seconds)
        try:
            if self._port != _TLS_FROM_THE_START:
                server.starttls(context=self._context)
            if self._declared.user and self._declared.secret is not None:
                server.login(self._declared.user, self._declared.secret.get_secret_value())
        except BaseException:
            server.close()
            raise
        return server

    def _refused(self, found: str, *, can_pass: bool) -> NotTaken:
        return NotTaken(found, next_move=f"Correct {self._setting}, or the mail server", can_pass=can_pass)


open_channel = Mail
