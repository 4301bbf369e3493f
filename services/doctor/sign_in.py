"""Signing in through a provider: Streamlit's secrets, the provider they name, and the way to a fresh login.

The app starts without any of this being right, and then nobody gets in: so it is looked at before. Nothing that is
secret is part of a sentence here; of a file that cannot be read only the line is named.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from services.doctor import provider
from services.doctor.models import Result, State
from services.doctor.provider import Ask
from services.doctor.streamlit_files import UnreadableError, read_toml, secrets_files, trusts_headers
from services.profile_rules import SignIn
from services.settings import Settings

_CALLBACK = "/oauth2callback"
_SHORTEST, _FEWEST = 32, 10
_SAMPLES = ("<", "xxx", "changeme", "change-me", "your-", "your_")
_CLIENT = ("client_id", "client_secret")
_OTHERS = 0o077
_DOCS = "See docs/operations.md, Sign-in."
_FRESH = "fresh login"
_FILE = "sign-in secrets"

Section = Mapping[str, Any]


def sign_in(
    settings: Settings, environment: Mapping[str, str], *, folder: Path | None = None, ask: Ask = provider.ask
) -> Iterator[Result]:
    """`folder` is where the app is started. Nothing is asked of the provider but its public description."""
    if settings.sign_in is not SignIn.OIDC:
        yield Result(name="sign-in", state=State.UNUSED, found="People do not come through an identity provider.")
        return
    folder = folder or Path.cwd()
    if trusts_headers(environment, folder):
        yield _fault(
            "sign-in",
            "The option server.trustedUserHeaders is on: whoever reaches the port could be anybody, so nobody gets in.",
            "Take it out of Streamlit's configuration.",
        )
    results, auth = _read(environment, folder)
    yield from results
    if auth is None:
        return
    yield _cookie(auth.get("cookie_secret"))
    yield _address(auth.get("redirect_uri"), settings)
    yield _tokens(auth.get("expose_tokens"))
    own, where = _section(auth, settings.oidc_provider), _named(settings.oidc_provider)
    yield _client(own, settings, name="sign-in client", where=where)
    if own is not None and own.get("server_metadata_url"):
        yield provider.described(own["server_metadata_url"], settings, ask, name="provider", where=where)
    yield from _again(auth, settings, ask)


def _read(environment: Mapping[str, str], folder: Path) -> tuple[list[Result], Section | None]:
    """What is to be said of the files, and the section [auth]. The last file that has one wins, as in Streamlit."""
    places = secrets_files(environment, folder)
    results: list[Result] = []
    found, of = None, folder
    for file in (place for place in places if place.exists()):
        if file.is_dir():
            words = f"{file} is a folder; the section of the provider is not looked at there."
            fix = "Use one file in TOML: a section inside a section has no place in a folder."
            return [*results, Result(name=_FILE, state=State.UNKNOWN, found=words, fix=fix)], None
        if stat.S_IMODE(file.stat().st_mode) & _OTHERS:
            words = f"Other accounts of this machine can read {file}: whoever knows cookie_secret makes up logins."
            results.append(_fault(_FILE, words, f"chmod 600 {file}; write another cookie_secret if others had access."))
        try:
            said = read_toml(file)
        except UnreadableError as odd:
            return [*results, _fault(_FILE, f"{file} {odd}, so nobody can sign in.", "Correct the file.")], None
        if "auth" in said:
            found, of = said["auth"], file
    if isinstance(found, Mapping) and found:
        results.append(Result(name=_FILE, state=State.OK, found=f"Section [auth] of {of}."))
        return results, found
    words = f"There is no section [auth] in {' or '.join(str(place) for place in places)}, so nobody can sign in."
    fix = f"Write it, or name the file that has it in STREAMLIT_SECRETS_FILES. {_DOCS}"
    return [*results, _fault(_FILE, words, fix)], None


# what every section shares


def _cookie(secret: Any) -> Result:
    name, fix = "cookie secret", "python -c 'import secrets; print(secrets.token_urlsafe(48))' makes one."
    if not isinstance(secret, str) or not secret:
        return _fault(name, "cookie_secret is missing in [auth].", fix)
    if _is_sample(secret):
        return _fault(name, "cookie_secret is the text of an example: anybody can make up a login with it.", fix)
    if len(secret) < _SHORTEST:
        return _fault(name, f"cookie_secret has fewer than {_SHORTEST} characters and could be guessed.", fix)
    if len(set(secret)) < _FEWEST:
        return _fault(name, f"cookie_secret has fewer than {_FEWEST} different characters: not random.", fix)
    return Result(name=name, state=State.OK, found=f"At least {_SHORTEST} characters, and not those of an example.")


def _address(uri: Any, settings: Settings) -> Result:
    name = "redirect address"
    fix = f"Set redirect_uri to {settings.origin}{_CALLBACK}, and register the same at the provider."
    if not uri:
        return _fault(name, "redirect_uri is missing in [auth].", fix)
    at = provider.address(str(uri).replace("{port}", str(settings.app_port)))
    if at is None:
        return _fault(name, "redirect_uri is not an address.", fix)
    if not at.path.endswith(_CALLBACK):
        return _fault(name, f"redirect_uri does not end with {_CALLBACK}: nobody would come back signed in.", fix)
    if at.in_clear:
        return _fault(name, "redirect_uri begins with http://: logins would cross the network readably.", fix)
    if at.origin != settings.origin:
        return Result(
            name=name,
            state=State.WARNING,
            found=f"redirect_uri leads to {at.origin}, and by its settings this deployment is reached at "
            f"{settings.origin}: passkeys are asked for there, and would be refused here.",
            fix="Correct one of both: redirect_uri, or COUNTERSIGN_NOTIFY_BASE_URL (COUNTERSIGN_PASSKEY_ORIGIN).",
        )
    return Result(name=name, state=State.OK, found=f"Logins come back to {at.origin}.")


def _tokens(asked: Any) -> Result:
    name, fix = "exposed tokens", 'Write expose_tokens = "id" in [auth].'
    listed = {asked} if isinstance(asked, str) else set(map(str, asked)) if isinstance(asked, list) else set()
    if listed - {"id", "access"}:
        return _fault(name, 'expose_tokens names something else than "id" and "access"; Streamlit refuses that.', fix)
    if "access" in listed:
        words = "The access token is within reach of the app, which needs it for nothing."
        return Result(name=name, state=State.WARNING, found=words, fix=fix)
    if "id" not in listed:
        words = "expose_tokens is not set: no signed statement names the digest of the login's token."
        return Result(name=name, state=State.WARNING, found=words, fix=fix)
    return Result(name=name, state=State.OK, found="Signed statements name the digest of the login's token.")


# one section


def _section(auth: Section, name: str) -> Section | None:
    found = auth.get(name) if name else auth
    return found if isinstance(found, Mapping) else None


def _named(name: str) -> str:
    return f"[auth.{name}]" if name else "[auth]"


def _client(own: Section | None, settings: Settings, *, name: str, where: str) -> Result:
    if own is None:
        return _fault(name, f"There is no section {where} in Streamlit's secrets.", f"Write it. {_DOCS}")
    missing = [key for key in (*_CLIENT, "server_metadata_url") if not own.get(key)]
    samples = [key for key in _CLIENT if own.get(key) and _is_sample(str(own[key]))]
    if missing or samples:
        words = "; ".join(
            f"{', '.join(keys)} of {where}: {why}"
            for keys, why in ((missing, "missing"), (samples, "still the text of the example"))
            if keys
        )
        return _fault(name, f"{words}.", f"Write what the provider gave you. {_DOCS}")
    if own["client_id"] != settings.oidc_client_id:
        return _fault(
            name,
            f"client_id of {where} is another one than COUNTERSIGN_OIDC_CLIENT_ID: every login would be refused.",
            "Set both to the client that is registered at the provider.",
        )
    return Result(name=name, state=State.OK, found=f"{where} names the client {settings.oidc_client_id}.")


def _again(auth: Section, settings: Settings, ask: Ask) -> Iterator[Result]:
    """The way to a fresh login: the same provider and client, asked with `max_age` 0 (OpenID Connect Core, 3.1.2.1)."""
    if not settings.oidc_step_up:
        yield Result(
            name=_FRESH,
            state=State.WARNING,
            found="No way to a fresh login is set up: what a policy wants signed after one cannot be signed.",
            fix=f"Write a section for it and name it in COUNTERSIGN_OIDC_STEP_UP. {_DOCS}",
        )
        return
    own, where = _section(auth, settings.oidc_step_up), _named(settings.oidc_step_up)
    client = _client(own, settings, name=_FRESH, where=where)
    if own is None or client.state is not State.OK:
        yield client
        return
    url = own["server_metadata_url"]
    if url != (_section(auth, settings.oidc_provider) or {}).get("server_metadata_url"):
        yield provider.described(url, settings, ask, name=f"{_FRESH}, provider", where=where)
    yield _asks(own, where)


def _asks(own: Section, where: str) -> Result:
    params, kwargs = own.get("authorize_params"), own.get("client_kwargs")
    age = params.get("max_age") if isinstance(params, Mapping) else None
    if isinstance(age, bool) or str(age) != "0":
        words = f"{where} does not ask with max_age 0: the provider may answer from an old login, which is refused."
        return _fault(_FRESH, words, f'Write authorize_params = {{ max_age = "0" }} in {where}.')
    if not isinstance(kwargs, Mapping) or kwargs.get("prompt") != "login":
        return Result(
            name=_FRESH,
            state=State.WARNING,
            found=f"{where} does not ask with prompt=login as well; some providers obey only that.",
            fix=f'Write client_kwargs = {{ prompt = "login", scope = "openid email profile" }} in {where}.',
        )
    return Result(name=_FRESH, state=State.OK, found=f"{where} asks the provider for a login that is new.")


def _fault(name: str, found: str, fix: str) -> Result:
    return Result(name=name, state=State.FAULT, found=found, fix=fix)


def _is_sample(text: str) -> bool:
    return text.strip().lower().startswith(_SAMPLES)
