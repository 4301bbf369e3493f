"""An identity provider on this machine: the one of PyPI, made to remember when somebody last typed a password."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
import oidc_provider_mock
from oidc_provider_mock import User
from oidc_provider_mock._server import _threaded_server  # the public one takes no application of ours

CLIENT = "countersign"


@dataclass
class Provider:
    """It remembers when each person last typed a password there; asking with `max_age=0` makes that now."""

    issuer: str
    people: dict[str, dict[str, Any]]
    asked: list[dict[str, str]] = field(default_factory=list)
    """The parameters of every request to log in."""
    obeys: bool = True
    """False: it answers a demand for a fresh login from its old session, as a stripped address would."""

    def was_here(self, subject: str, *, seconds_ago: int) -> None:
        self.people[subject]["auth_time"] = int(time.time()) - seconds_ago

    def put_into(self, subject: str, *groups: str) -> None:
        self.people[subject]["groups"] = list(groups)


@contextmanager
def a_provider(people: dict[str, dict[str, Any]]) -> Iterator[Provider]:
    """Starts it on a free port of localhost, and stops it."""
    known = {subject: dict(claims) for subject, claims in people.items()}
    app = oidc_provider_mock.app(
        require_nonce=True, user_claims=[User(sub=subject, claims=claims) for subject, claims in known.items()]
    )
    provider = Provider(issuer="", people=known)

    def remember() -> None:
        if flask.request.path != "/oauth2/authorize":
            return
        if flask.request.method == "GET":
            provider.asked.append(dict(flask.request.args))
        subject = flask.request.form.get("sub", "")
        if subject in known and flask.request.args.get("max_age") == "0" and provider.obeys:
            known[subject]["auth_time"] = int(time.time())

    app.before_request(remember)
    with _threaded_server(app) as server:
        provider.issuer = f"http://localhost:{server.server_port}"
        for subject in known:
            provider.was_here(subject, seconds_ago=2400)
        yield provider


def secrets_of(provider: Provider, app: str) -> str:
    """Streamlit's secrets for this provider, with the section that asks for a fresh login."""
    client = f'client_id = "{CLIENT}"\nclient_secret = "not-a-secret"\n'
    where = f'server_metadata_url = "{provider.issuer}/.well-known/openid-configuration"\n'
    return (
        f'[auth]\nredirect_uri = "{app}/oauth2callback"\ncookie_secret = "{secrets.token_urlsafe(48)}"\n'
        f'expose_tokens = "id"\n{client}{where}'
        f'\n[auth.again]\n{client}{where}client_kwargs = {{ prompt = "login", scope = "openid email profile" }}\n'
        'authorize_params = { max_age = "0" }\n'
    )
