"""A webhook as Slack has it, which Mattermost and others take too; its address is the secret."""

from __future__ import annotations

from collections.abc import Sequence

from dataflow.alerts.channels.channel import Notification
from dataflow.alerts.channels.posting import Poster
from dataflow.settings import AlertSettings

# Of a text, these alone have a meaning of their own.
# Source: https://docs.slack.dev/messaging/formatting-message-text
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


class Slack:
    """The webhook whose address is the secret."""

    def __init__(self, declared: AlertSettings, *, setting: str) -> None:
        assert declared.secret is not None
        self._poster = Poster(declared, declared.secret.get_secret_value(), setting=setting, names="secret")

    def send(self, notifications: Sequence[Notification]) -> None:
        self._poster.post({"text": "\n\n".join(_escaped(one.text) for one in notifications)})

    def close(self) -> None:
        self._poster.close()


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)


open_channel = Slack
