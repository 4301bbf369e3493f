"""What each profile needs, and what contradicts it. Pure: text in, sentences out, no value of a setting in any of them.

embedded     everything in one folder on this machine; nothing to state
mlflow       any MLflow tracking server over HTTP, governance on PostgreSQL
databricks   a workspace, Unity Catalog, governance on PostgreSQL (Lakebase)
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

Fault = tuple[str, str]
"""(name of the setting in lower case, what is wrong and what to do)."""

_POSTGRES = ("postgresql", "postgres")
_DATABRICKS = ("databricks", "databricks-uc", "uc")


class Profile(StrEnum):
    EMBEDDED = "embedded"
    MLFLOW = "mlflow"
    DATABRICKS = "databricks"


class SignIn(StrEnum):
    DEMO = "demo"
    """By choosing a person of the embedded demonstration; elsewhere nobody can sign in."""
    OIDC = "oidc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """The settings that rules look at. `databricks` are the names of the SDK's own variables that have a value."""

    profile: Profile = Profile.EMBEDDED
    database_url: str = ""
    database_token: str = ""
    mlflow_uri: str = ""
    serving_url: str = ""
    notify_base_url: str = ""
    json_texts: tuple[tuple[str, str], ...] = ()
    app_port: int = 8501
    serving_port: int = 8502
    metrics_ports: tuple[int, int] = (0, 0)
    """Of worker and app; 0 is none."""
    test_panel: bool = False
    warehouse: str = ""
    narrator: str = ""
    sign_in: SignIn = SignIn.DEMO
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    databricks: frozenset[str] = frozenset()
    only_databricks: tuple[str, ...] = ()
    """Settings that have a value and mean something in the profile databricks only."""


def contradictions(stated: Stated) -> tuple[Fault, ...]:
    """Everything that is missing or does not go together, in the order of the settings."""
    of_profile = {
        Profile.EMBEDDED: _embedded,
        Profile.MLFLOW: _mlflow,
        Profile.DATABRICKS: _databricks,
    }
    return (*of_profile[stated.profile](stated), *_misplaced(stated), *_everywhere(stated))


def _misplaced(stated: Stated) -> Iterator[Fault]:
    if stated.profile is not Profile.DATABRICKS:
        for name in stated.only_databricks:
            yield name, "belongs to the profile databricks; unset it."


def _embedded(stated: Stated) -> Iterator[Fault]:
    if not stated.serving_url and stated.app_port == stated.serving_port:
        yield "serving_port", "is the port of the app as well; choose two different ones."


def _mlflow(stated: Stated) -> Iterator[Fault]:
    yield from _on_postgres(stated)
    scheme = _scheme(stated.mlflow_uri)
    if not stated.mlflow_uri:
        yield "mlflow_uri", "is missing; the profile mlflow needs the address of a tracking server, https://..."
    elif scheme in _DATABRICKS or stated.mlflow_uri in _DATABRICKS:
        yield "mlflow_uri", "names Databricks; choose COUNTERSIGN_PROFILE=databricks for that."
    elif scheme not in {"http", "https"}:
        yield "mlflow_uri", "must be http:// or https://; a store in a file is read by the profile embedded only."
    if stated.warehouse:
        yield "databricks_warehouse", "belongs to the profile databricks; unset it."


def _databricks(stated: Stated) -> Iterator[Fault]:
    yield from _on_postgres(stated)
    if stated.mlflow_uri and stated.mlflow_uri not in _DATABRICKS and _scheme(stated.mlflow_uri) not in _DATABRICKS:
        yield "mlflow_uri", "names another registry than Unity Catalog; unset it, or choose the profile mlflow."
    if "DATABRICKS_HOST" not in stated.databricks:
        yield "profile", "databricks needs DATABRICKS_HOST, the address of the workspace."
    principal = {"DATABRICKS_CLIENT_ID", "DATABRICKS_CLIENT_SECRET"}
    if not stated.databricks & {"DATABRICKS_TOKEN", RUNTIME} and not principal <= stated.databricks:
        yield (
            "profile",
            "databricks needs credentials: DATABRICKS_CLIENT_ID with DATABRICKS_CLIENT_SECRET, or DATABRICKS_TOKEN.",
        )

    if "databricks_identity" in stated.only_databricks and not stated.databricks >= IN_APPS:
        yield "databricks_identity", _NO_PROXY
    if "databricks_identity" in stated.only_databricks and stated.sign_in is SignIn.OIDC:
        yield "databricks_identity", "and COUNTERSIGN_SIGN_IN=oidc both say who people are; choose one of them."


IN_APPS = frozenset({"DATABRICKS_APP_NAME", "DATABRICKS_APP_PORT"})
"""Set by Databricks Apps: only there its proxy stands in front."""
RUNTIME = "DATABRICKS_RUNTIME_VERSION"
"""Set in jobs of the platform, whose runtime gives the principal of the run a token by itself."""
_NO_PROXY = (
    "believes headers, and only the proxy of Databricks Apps may be believed: DATABRICKS_APP_NAME and "
    "DATABRICKS_APP_PORT are not set, so this is not an app there. Unset it."
)


def _on_postgres(stated: Stated) -> Iterator[Fault]:
    if not stated.database_url:
        yield "database_url", f"is missing; the profile {stated.profile} keeps its decisions in PostgreSQL."
    elif _scheme(stated.database_url).partition("+")[0] not in _POSTGRES:
        words = f"must be postgresql://...; the profile {stated.profile} keeps no decisions in a file of one machine."
        yield "database_url", words


def _everywhere(stated: Stated) -> Iterator[Fault]:
    for name, text in (("serving_url", stated.serving_url), ("notify_base_url", stated.notify_base_url)):
        if text and _scheme(text) not in {"http", "https"}:
            yield name, "must be an address that begins with http:// or https://."
    if stated.sign_in is SignIn.OIDC:
        yield from _provider(stated)
    for name, text in (("mlflow_uri", stated.mlflow_uri), ("serving_url", stated.serving_url)):
        if _has_password(text):
            yield name, "holds a password, and addresses are shown on screens; " + _ELSEWHERE[name]
    for name, text in stated.json_texts:
        if text.strip() and not _is_names_and_texts(text):
            yield name, 'must be JSON, an object of names and addresses: {"name": "address"}.'
    yield from _ports(stated)
    yield from _tokens(stated)
    if stated.test_panel and stated.profile is not Profile.EMBEDDED:
        yield "test_panel", "exists in the embedded demonstration only; unset it."


def _provider(stated: Stated) -> Iterator[Fault]:
    parts = _parts(stated.oidc_issuer)
    if not stated.oidc_issuer:
        yield "oidc_issuer", "is missing; signing in with a provider needs the name its tokens carry, https://..."
    elif not parts or parts.scheme not in {"https", "http"} or not parts.hostname:
        yield "oidc_issuer", "must be an address that begins with https://."
    elif parts.scheme == "http" and parts.hostname not in {"localhost", "127.0.0.1"}:
        yield "oidc_issuer", "must begin with https://; without it anybody on the way can sign in as anybody."
    if not stated.oidc_client_id:
        yield "oidc_client_id", "is missing; logins made for another application could not be told apart."


def _ports(stated: Stated) -> Iterator[Fault]:
    for name, port in zip(("metrics_port", "metrics_app_port"), stated.metrics_ports, strict=True):
        if port and port in {stated.app_port, *stated.metrics_ports[: name == "metrics_app_port"]}:
            yield name, "is the port of something else as well; choose another one."


def _tokens(stated: Stated) -> Iterator[Fault]:
    if not stated.database_token:
        return
    if _scheme(stated.database_url).partition("+")[0] not in _POSTGRES:
        yield "database_token", "is for PostgreSQL; set COUNTERSIGN_DATABASE_URL to the address of Lakebase."
    elif _has_password(stated.database_url):
        yield "database_token", "takes the place of a password; take the one in COUNTERSIGN_DATABASE_URL out."
    if "DATABRICKS_HOST" not in stated.databricks:
        yield "database_token", "needs DATABRICKS_HOST, the workspace that gives the tokens."


_ELSEWHERE = {
    "mlflow_uri": "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead.",
    "serving_url": "the endpoint's key is read from keys/gateway.token.",
}


def _parts(text: str) -> SplitResult | None:
    try:
        return urlsplit(text)
    except ValueError:
        return None


def _scheme(text: str) -> str:
    parts = _parts(text)
    return parts.scheme if parts else ""


def _has_password(text: str) -> bool:
    parts = _parts(text)
    return bool(parts and parts.password)


def _is_names_and_texts(text: str) -> bool:
    try:
        found = json.loads(text)
    except ValueError:
        return False
    return isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
