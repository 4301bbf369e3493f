"""Validated configuration, read once from the environment (prefix COUNTERSIGN_); all faults are listed together.

Everything has a default that works on a laptop without an account: one folder, two ports. `profile` chooses the
systems behind the same screens; what a profile needs and does not have is a fault, as is what contradicts it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from services.kernel.errors import SettingsError
from services.kernel.identity import Role
from services.kernel.masking import Mask, secrets_of
from services.profile_rules import IN_APPS, RUNTIME, Profile, SignIn, Stated, contradictions

__all__ = ["PREFIX", "PULSE_FILE", "Profile", "Settings", "mask_of", "read_settings"]

PREFIX = "COUNTERSIGN_"
_SECRET = {"notify_urls", "database_url", "monitor_connections", "mlflow_uri", "serving_url", "notify_base_url"}
_Port = Annotated[int, Field(ge=1, le=65535)]
_MIRRORED = "(billing|serving|lineage|tags|audit)"
_SCHEMA = r"[^.,\s`]+\.[^.,\s`]+"
_Rate = Annotated[Decimal, Field(ge=0)]


PULSE_FILE = "COUNTERSIGN_WORKER_PULSE"
"""Environment variable: a file the worker touches with every heartbeat, for whoever supervises its process."""


class _Mapping(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_UnityName = Annotated[str, Field(pattern=r"^[^.\s`]+(\.[^.\s`]+){2}$")]
"""catalog.schema.table"""


class InferenceTable(_Mapping):
    """Columns of a table of predictions. Empty: there is no such column."""

    table: _UnityName
    time: str
    prediction: str
    label: str = ""
    arrived: str = ""
    """When the label of a row came. Empty: it is assumed to come as long after its prediction as the monitor states."""
    version: str = ""
    id: str = ""
    written: str = ""
    inputs: tuple[str, ...] = ()
    """Empty: every other number or text of the table."""
    reference_table: _UnityName | None = None
    reference_days: tuple[date, date] | None = None
    every_minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    """How often it is asked which days changed; each time wakes the warehouse."""

    @model_validator(mode="after")
    def _has_a_reference(self) -> Self:
        if (self.reference_table is None) == (self.reference_days is None):
            raise ValueError("name either reference_table or reference_days, which drift is compared with")
        return self


class ProfiledTable(_Mapping):
    """With data profiling; its metric tables are `<table>_drift_metrics` and `_profile_metrics` unless named."""

    table: _UnityName
    drift: _UnityName | None = None
    profile: _UnityName | None = None


class PayloadTable(_Mapping):
    """The inference table that AI Gateway writes for the endpoint of a model; its columns are the platform's."""

    table: _UnityName
    score: Annotated[str, Field(pattern=r"^(\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]{1,3}\])*$")] = ""
    """Where the score lies in one element of `predictions`: `.risk` or `[1]`; the element itself when empty."""
    late_minutes: Annotated[int, Field(ge=1, le=1440)] = 60
    """Rows are believed to be complete after so long."""
    every_minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    """How often reliability and value ask; each time wakes the warehouse."""
    failures_logged: bool = False
    """Somebody saw requests that failed with 429 and 500 in the table. Without it few errors are no good news."""


class MappedModel(_Mapping):
    inference: InferenceTable | None = None
    payload: PayloadTable | None = None
    profiling: ProfiledTable | None = None


class ServedHere(_Mapping):
    """How a model of Unity Catalog reaches its callers: an endpoint, or a job that scores in batches."""

    endpoint: str = ""
    probe: dict[str, Any] = {}
    """A request that every version can answer, for example `{"dataframe_records": [{"distance": 800.0}]}`."""
    workload_size: str = "Small"
    workload_type: str = "CPU"
    job: Annotated[int, Field(ge=0)] = 0
    parameter: str = "model_version"
    task: str = ""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if bool(self.endpoint) == bool(self.job):
            raise ValueError("name either an endpoint or a job")
        if self.endpoint and not self.probe:
            raise ValueError("an endpoint needs a probe: without one, ready would only mean that a container runs")
        return self


class Settings(BaseSettings):
    """Where things are and what they cost. Build it with `read_settings`, which speaks in sentences."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    home: Path = Path(".countersign")
    profile: Profile = Profile.EMBEDDED
    database_url: str = ""
    """Empty means SQLite in the home folder."""
    database_token: Annotated[
        str, Field(pattern=r"^$|^instance:[\w-]+$|^projects/[\w-]+/branches/[\w-]+/endpoints/[\w-]+$")
    ] = ""
    """Lakebase: the endpoint or `instance:NAME` that gives tokens, which take the place of a password."""
    database_pool: Annotated[int, Field(ge=1, le=100)] = 5
    """Connections to PostgreSQL that each process keeps."""
    database_pool_overflow: Annotated[int, Field(ge=0, le=100)] = 10
    """How many more it opens for a moment."""
    database_statement_seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """PostgreSQL ends a statement that takes longer."""
    database_lock_seconds: Annotated[int, Field(ge=3, le=120)] = 15
    """How long a writer waits for its turn before it says that nothing was recorded."""
    mlflow_uri: str = ""
    """Empty means the embedded MLflow store in the home folder."""
    artifact_root: Path | None = None
    """The only folder of this machine that model files are read from, where a tracking server's store is mounted."""
    serving_url: str = ""
    """Empty means the local endpoint on `serving_port`."""
    app_port: _Port = 8501
    serving_port: _Port = 8502
    policy_folder: Path = Path(__file__).parent / "policy" / "documents"
    access_file: Path | None = None
    """Who reads which input column; the rules of the embedded workspace when not set."""
    catalog_file: Path | None = None
    """Column lineage and feature tables; the embedded workspace's when not set."""
    databricks_warehouse: Annotated[str, Field(pattern=r"^[A-Za-z0-9]*$")] = ""
    """SQL warehouse that is asked for lineage and column tags of Unity Catalog; empty means the catalog file."""
    databricks_tables: Annotated[dict[str, MappedModel], NoDecode] = {}
    """Which tables of Unity Catalog hold the predictions of a model, what its endpoint answered, and the figures of the
    platform's own monitoring.

    A JSON object by model, or the path of a file with one: `{"model": {"inference": {...}, "payload": {...},
    "profiling": {...}}}`."""
    databricks_mirror: Annotated[str, Field(pattern=rf"^$|^{_MIRRORED}(,{_MIRRORED})*$")] = ""
    """System tables that are copied before they expire, separated by commas: `billing` (then cost is what was billed,
    not what was measured here), `serving`, `lineage`, `tags`, `audit`. Needs the SQL warehouse."""
    databricks_mirror_hours: Annotated[int, Field(ge=1, le=24)] = 6
    """How often they are copied; each time wakes the warehouse."""
    databricks_billing_file: Path | None = None
    """Which endpoints, jobs and tags belong to which model, and prices of the account; list prices and tags alone when
    not set."""
    databricks_schemas: Annotated[str, Field(pattern=rf"^$|^{_SCHEMA}(,{_SCHEMA})*$")] = ""
    """Schemas of Unity Catalog whose models are governed, `catalog.schema` separated by commas; all that the app's
    principal may see when empty."""
    databricks_reread_hours: Annotated[int, Field(ge=1, le=168)] = 6
    """A model that nothing is said to have happened to is read again after so long."""
    databricks_serving: Annotated[dict[_UnityName, ServedHere], NoDecode] = {}
    """Which endpoint or job serves a model. A JSON object by model, or the path of a file with one:
    `{"main.claims.score": {"endpoint": "claims-score", "probe": {...}}}`."""
    databricks_identity: Literal["", "headers"] = ""
    """`headers`: people are who the proxy of Databricks Apps says, after the workspace confirmed it."""
    databricks_deployment_jobs: bool = False
    """An approval sets the tag that a waiting deployment job asks for, and lets the job go on."""
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    rate_cpu_hour: _Rate = Decimal("0.048")
    rate_gb_month: _Rate = Decimal("0.023")
    serving_cpus: _Rate = Decimal(1)
    """Processors kept for each real-time endpoint around the clock; advice on size is held against it."""
    session_idle_minutes: Annotated[int, Field(ge=1, le=720)] = 30
    """A session without activity ends after this; the signer has to sign in again."""
    session_hours: Annotated[int, Field(ge=1, le=12)] = 12
    """A session ends this long after the login, whatever happens in it; at a provider, after the login there."""
    sign_in: SignIn = SignIn.DEMO
    """`oidc`: through the identity provider of the `[auth]` section of Streamlit's secrets."""
    oidc_issuer: str = ""
    """The provider as its tokens name it; logins of any other are refused."""
    oidc_client_id: str = ""
    """This application at the provider; logins made for another are refused."""
    oidc_name: Annotated[str, Field(max_length=60)] = "your organisation"
    """What the sign-in button calls the provider."""
    oidc_provider: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")] = ""
    """Name of its section, `[auth.NAME]`; empty where `[auth]` itself holds the client."""
    oidc_step_up: Annotated[str, Field(pattern=r"^[a-z0-9-]*$")] = ""
    """Section that asks for a fresh login, with `prompt = "login"` and `max_age = "0"`; empty: there is none."""
    oidc_people_by: Literal["subject", "email"] = "subject"
    """What administrators name people by: the subject of the token, or the verified address at the first sign-in."""
    oidc_groups_claim: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:/-]{1,200}$")] = "groups"
    oidc_roles: Annotated[dict[str, Role], NoDecode] = {}
    """JSON, group to role: without one of its groups a role cannot be used. Empty: groups are not asked for."""
    passkey_origin: Annotated[str, Field(pattern=r"^$|^https?://[^/\s]+$")] = ""
    """Where browsers reach this deployment, as they name it; passkeys sign for its host. The public address when empty,
    else the one Databricks Apps names, else this machine."""
    sketch_days: Annotated[int, Field(ge=0)] = 1100
    """Daily figures of monitoring older than this go; 0 keeps them. The facts they were made from are not ours."""
    alert_high_per_day: _Rate = Decimal(10000)
    """An alert has high business impact where its monitor states this much money a day, whatever the tier; in
    `currency`."""
    alert_medium_per_day: _Rate = Decimal(1000)
    worker_stale_seconds: Annotated[int, Field(ge=5)] = 60
    unattended_batch_tiers: Annotated[str, Field(pattern=r"^$|^[123](,[123])*$")] = "2,3"
    """Tiers whose first batch output of a new version is published without a person when every trigger is clear."""
    retention_profiles: Annotated[str, Field(pattern=r"^$|^(hipaa|eu|colorado)(,(hipaa|eu|colorado))*$")] = (
        "hipaa,colorado"
    )
    """Rules that lengthen how long records are kept: `hipaa`, `eu`, `colorado`, separated by commas."""

    notify_file: Path | None = None
    """Channels for notices; `notify.yaml` in the home folder when not set."""
    notify_urls: SecretStr = SecretStr("")
    """JSON: role or person to address, for deployments without that file."""
    notify_base_url: str = ""
    """Public address of this deployment, for links in messages."""
    monitor_roots: str = ""
    """Folders that imports may read from, separated as in PATH; `imports` in the home folder when empty."""
    monitor_connections: SecretStr = SecretStr("")
    """JSON: name to SQLAlchemy address. Monitors store the name only; nobody types an address on a screen."""
    narrator: Annotated[str, Field(pattern=r"^$|^[^#\s]+#[^#\s]+$")] = ""
    """A chat model that puts evaluation findings into words: `TARGET#ENDPOINT`, for example `databricks#chat`.

    Off when empty. It gets aggregated figures only, its text is marked, and nothing depends on it."""
    key_machine: str = ""
    """Where the next machine key is held: `URI` of a key service, or `URI#FILE` with its public key. Empty: a file."""
    key_service: str = ""
    """The same for the key that countersigns every entry."""
    key_log: str = ""
    """The same for the key of the checkpoints, which must be an Ed25519 key."""
    key_bundle: Annotated[str, Field(pattern=r"^$|^databricks-secret:[\w.@-]+/[\w.@-]+$|^file2:\S+$")] = ""
    """One secret with the key folder and the fingerprint of the first entry, put in place at each start; for processes
    whose disk does not last. `python -m services keys put` makes it."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Where the worker serves figures for Prometheus; 0 serves none."""
    metrics_app_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """The same for the app, which is a process of its own."""
    metrics_address: Annotated[str, Field(pattern=r"^[0-9A-Za-z.:-]+$")] = "127.0.0.1"
    """Where both listen. They ask nobody who he is: anything but this machine belongs behind a firewall."""
    log_format: Literal["json", "text"] = "json"
    """Log lines of app and worker: one JSON object each, or words."""
    test_panel: bool = False
    """Switches for testers: only in the embedded profile, and only when asked for."""

    @field_validator("databricks_tables", mode="before")
    @classmethod
    def _read_tables(cls, given: Any, info: ValidationInfo) -> Any:
        if not given:
            return {}
        if not info.data.get("databricks_warehouse"):
            raise ValueError(f"needs {PREFIX}DATABRICKS_WAREHOUSE, which names the SQL warehouse that is asked")
        return _json_of(given) if isinstance(given, str) else given

    @field_validator("oidc_roles", mode="before")
    @classmethod
    def _read_roles(cls, given: Any) -> Any:
        return (_json_of(given) if given else {}) if isinstance(given, str) else given

    @field_validator("databricks_serving", mode="before")
    @classmethod
    def _read_serving(cls, given: Any) -> Any:
        if not given:
            return {}
        return _json_of(given) if isinstance(given, str) else given

    @property
    def catalog_schemas(self) -> tuple[str, ...]:
        return tuple(name for name in self.databricks_schemas.split(",") if name)

    @property
    def has_test_panel(self) -> bool:
        return self.test_panel and self.profile is Profile.EMBEDDED

    @property
    def clock_file(self) -> Path:
        """How far the demonstration's clock was moved, in seconds; read only with the test panel."""
        return self.home / "run" / "clock-offset"

    @property
    def channels_file(self) -> Path:
        return self.notify_file or self.home / "notify.yaml"

    @property
    def monitor_folders(self) -> tuple[Path, ...]:
        named = tuple(Path(part) for part in self.monitor_roots.split(os.pathsep) if part.strip())
        return named or (self.home / "imports",)

    @property
    def mirrored(self) -> frozenset[str]:
        return frozenset(name for name in self.databricks_mirror.split(",") if name)

    @property
    def retention_profile_names(self) -> frozenset[str]:
        return frozenset(name for name in self.retention_profiles.split(",") if name)

    @property
    def governance_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home.resolve() / 'governance.db'}"

    @property
    def registry_uri(self) -> str:
        if self.profile is Profile.DATABRICKS:
            return "databricks-uc"
        return self.mlflow_uri or f"sqlite:///{self.home.resolve() / 'mlflow.db'}"

    @property
    def endpoint_url(self) -> str:
        return self.serving_url or f"http://127.0.0.1:{self.serving_port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port as a browser sends them."""
        stated = self.passkey_origin or "/".join((self.notify_base_url or _address_in_apps()).split("/")[:3])
        return stated or f"http://localhost:{self.app_port}"

    @property
    def keys_folder(self) -> Path:
        return self.home / "keys"

    @property
    def key_places(self) -> dict[str, str]:
        """Use to place, of those that are named."""
        places = {"machine": self.key_machine, "service": self.key_service, "log": self.key_log}
        return {use: place for use, place in places.items() if place}

    @property
    def anchors_folder(self) -> Path:
        return self.home / "anchors"

    @property
    def packs_folder(self) -> Path:
        return self.home / "packs"

    @property
    def inference_folder(self) -> Path:
        return self.home / "inference"

    @property
    def replayed_folder(self) -> Path:
        """Answers to logged requests that were sent again to a version in shadow: ids and scores."""
        return self.home / "replayed"

    @property
    def outputs_folder(self) -> Path:
        """Outputs of batch runs: kept apart under `runs`, read by consumers under `published`."""
        return self.home / "outputs"

    @property
    def artifacts_folder(self) -> Path:
        return self.artifact_root or self.home / "artifacts"

    @property
    def genesis_file(self) -> Path:
        """The fingerprint of the first entry, kept outside the database."""
        return self.home / "genesis"

    @property
    def serving_folder(self) -> Path:
        return self.home / "serving"

    @property
    def journal_folder(self) -> Path | None:
        """Where an endpoint of this project on this machine writes what it answers; None where none is connected."""
        ours = self.profile is Profile.EMBEDDED or (self.profile is Profile.MLFLOW and bool(self.serving_url))
        return self.serving_folder / "journal" if ours else None

    @property
    def logs_folder(self) -> Path:
        return self.home / "logs"

    @property
    def run_folder(self) -> Path:
        return self.home / "run"


def read_settings(**given: Any) -> Settings:
    """Settings from the environment; `given` wins. Raises SettingsError naming every fault at once, one a line."""
    try:
        settings, faults = Settings(**given), []
    except ValidationError as invalid:
        wrong = invalid.errors()
        faults = [f"{_place(fault)}: {fault['msg']}{_got(fault)}" for fault in wrong]
        settings = _without({str(fault["loc"][0]) for fault in wrong}, given)
    faults += [f"{PREFIX}{name.upper()}: {words}" for name, words in contradictions(_stated(settings))]
    if faults:
        # The cause is left out on purpose: pydantic repeats what was given, which may be a secret.
        raise SettingsError(
            "The configuration is not valid:\n" + "\n".join(f"- {fault}" for fault in dict.fromkeys(faults)),
            hint="\nCorrect these environment variables and start again.",
            faults=tuple(dict.fromkeys(faults)),
        ) from None
    return settings


def mask_of(settings: Settings, environment: Mapping[str, str]) -> Mask:
    """Takes every secret that this deployment was given out of a text."""
    addresses = (settings.database_url, settings.mlflow_uri, settings.serving_url, settings.notify_base_url)
    texts = (settings.notify_urls.get_secret_value(), settings.monitor_connections.get_secret_value())
    return Mask(secrets_of(addresses, texts, environment))


def _without(wrong: set[str], given: dict[str, Any]) -> Settings:
    """What is left when every value that cannot be read is taken away, so that the rules can still be asked."""
    defaults = {name: Settings.model_fields[name].default for name in wrong if name in Settings.model_fields}
    return Settings(**{**given, **defaults})


def _stated(settings: Settings) -> Stated:
    return Stated(
        profile=settings.profile,
        database_url=settings.database_url,
        database_token=settings.database_token,
        mlflow_uri=settings.mlflow_uri,
        serving_url=settings.serving_url,
        notify_base_url=settings.notify_base_url,
        json_texts=(
            ("notify_urls", settings.notify_urls.get_secret_value()),
            ("monitor_connections", settings.monitor_connections.get_secret_value()),
        ),
        app_port=settings.app_port,
        metrics_ports=(settings.metrics_port, settings.metrics_app_port),
        serving_port=settings.serving_port,
        test_panel=settings.test_panel,
        warehouse=settings.databricks_warehouse,
        sign_in=settings.sign_in,
        oidc_issuer=settings.oidc_issuer,
        oidc_client_id=settings.oidc_client_id,
        databricks=frozenset(name for name in (*DATABRICKS_SIGN_IN, *sorted(IN_APPS)) if os.environ.get(name)),
        only_databricks=tuple(name for name in _ONLY_DATABRICKS if getattr(settings, name)),
    )


DATABRICKS_SIGN_IN = (
    "DATABRICKS_HOST",
    "DATABRICKS_TOKEN",
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    RUNTIME,
)
"""Read by the Databricks SDK itself; named here to say which are missing."""
_ONLY_DATABRICKS = (
    "databricks_schemas",
    "databricks_serving",
    "databricks_identity",
    "databricks_deployment_jobs",
)


def _address_in_apps() -> str:
    """Where Databricks Apps says that browsers reach this app; empty anywhere else."""
    if not all(os.environ.get(name) for name in IN_APPS):
        return ""
    given = os.environ.get("DATABRICKS_APP_URL", "").strip()
    return given if not given or "://" in given else f"https://{given}"


def _json_of(text: str) -> Any:
    """A JSON object, or the file with it that a path names."""
    said = text.strip()
    try:
        if not said.startswith("{"):
            said = Path(said).read_text()
        found = json.loads(said)
    except OSError as absent:
        raise ValueError(f"is neither a JSON object nor a file that can be read ({absent.strerror})") from absent
    except ValueError as odd:
        raise ValueError(f"is not JSON: {odd}") from odd
    if not isinstance(found, dict):
        raise ValueError("is not a JSON object")  # noqa: TRY004 - pydantic reports ValueError with the others
    return found


def _place(fault: Any) -> str:
    """The variable, and where inside it."""
    name, *inside = (str(part) for part in fault["loc"])
    return f"{PREFIX}{name.upper()}{' at ' + '.'.join(inside) if inside else ''}"


def _got(fault: Any) -> str:
    """What was given, except where it may be a secret."""
    return "" if str(fault["loc"][0]) in _SECRET else f" (got {fault['input']!r})"
