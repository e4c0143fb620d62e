"""Events to a Pub/Sub topic, by its REST API: one call needs no client library of its own."""

from __future__ import annotations

import base64
import json
from typing import Any

from dataflow.errors import ConfigurationError
from dataflow.settings import EventSettings
from dataflow.sinks.events.channel import NotTaken
from dataflow.sinks.events.event import EVENT_TYPE, PublicationEvent
from dataflow.sinks.events.https import not_reached, open_session, post, require_private

_GOOGLE = "https://pubsub.googleapis.com"
_SCOPES = ("https://www.googleapis.com/auth/pubsub",)


class PubSubTopic:
    """The topic `projects/PROJECT/topics/TOPIC` in `to`."""

    def __init__(self, endpoint: EventSettings, *, name: str) -> None:
        base = endpoint.endpoint or _GOOGLE
        require_private(base, setting=f"events.{name}.endpoint")
        self._url = f"{base.rstrip('/')}/v1/{endpoint.to}:publish"
        self._endpoint, self._setting = endpoint, f"events.{name}"
        self._session = open_session(endpoint.ca_file, setting=self._setting)
        # An emulator on this machine has no accounts.
        self._credentials = None if base.startswith("http://") else _credentials(endpoint, name=name)

    def send(self, event: PublicationEvent) -> None:
        message = {
            "data": base64.b64encode(event.body()).decode(),
            "attributes": {"id": event.event_id, "type": EVENT_TYPE},
            "orderingKey": event.lake_id,
        }
        headers = {"Authorization": f"Bearer {self._token()}"} if self._credentials else {}
        body, seconds = json.dumps({"messages": [message]}).encode(), self._endpoint.timeout_seconds
        post(self._session, self._url, body, headers=headers, timeout=seconds, setting=self._setting)

    def close(self) -> None:
        self._session.close()

    def _token(self) -> str:
        from google.auth.exceptions import RefreshError, TransportError
        from google.auth.transport.requests import Request

        assert self._credentials is not None
        # The address of the machine's own credentials is plain HTTP on a link-local address: google-auth's own session.
        session = self._session if self._endpoint.credentials else None
        try:
            if not self._credentials.valid:
                self._credentials.refresh(Request(session=session))
        except TransportError as error:
            raise not_reached(error, setting=self._setting) from None
        except RefreshError:
            raise NotTaken(
                "Google gave no token for its credentials",
                next_move=f"Correct {self._setting}.credentials, or the account that it names",
                can_pass=False,
            ) from None
        return str(self._credentials.token)


def _credentials(endpoint: EventSettings, *, name: str) -> Any:
    """Return the credentials of the key file, or those of the environment. Raises: ConfigurationError."""
    try:
        import google.auth
        from google.auth.exceptions import GoogleAuthError
        from google.oauth2 import service_account
    except ImportError:
        raise ConfigurationError(
            "The package google-auth is not installed.", next_move="`pip install 'dataflow[gcp]'` installs it."
        ) from None
    try:
        if endpoint.credentials:
            return service_account.Credentials.from_service_account_file(  # type: ignore[no-untyped-call]
                endpoint.credentials, scopes=_SCOPES
            )
        credentials, _ = google.auth.default(scopes=_SCOPES)
        return credentials
    except (OSError, ValueError, GoogleAuthError) as error:
        raise ConfigurationError(
            f"events.{name} has no credentials of Google: {type(error).__name__}.",
            next_move=f"Name the key file of a service account in events.{name}.credentials.",
        ) from None
