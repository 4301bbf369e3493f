"""One change of one endpoint: look, keep a snapshot, claim, look again, send once, read back.

The platform has no precondition to send with a change. What stands in for it: the claim is written before the
change and read again right before it, the platform refuses a second update while one runs, and afterwards the
configuration is compared with what was sent. Between the second look and the change a gap remains; who falls into
it is told so by the read-back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from databricks.sdk.errors import NotFound, PermissionDenied, TooManyRequests, Unauthenticated
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.serving import EndpointCoreConfigInput, EndpointTag

from services.adapters.databricks import endpoint
from services.adapters.databricks.client import Workspace
from services.adapters.databricks.endpoint import Config, Found
from services.adapters.databricks.errors import WaitRefusedError
from services.adapters.databricks.marks import Marks
from services.kernel.errors import ConflictError, InputError, UpdateInProgressError
from services.rollout.serving_ports import ConfigSnapshot, ConfigSnapshots, ServedEntity

_ABOUT_US = (Unauthenticated, PermissionDenied, TooManyRequests)
"""Answers to an invocation that say something about our access, not about the version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """Which endpoint serves which model of Unity Catalog, and a request that every version of it can answer."""

    endpoint: str
    model: str
    """`catalog.schema.model`."""
    probe: dict[str, Any]
    """Body of a valid request, for example `{"dataframe_records": [{"dep_delay": 1.0}]}`."""
    workload_size: str = "Small"
    """Only for the first version of a new endpoint; later ones are as large as the one that serves."""
    workload_type: str = "CPU"


class Endpoints:
    """Reads and changes endpoints; decides nothing about who may serve."""

    def __init__(self, workspace: Workspace, snapshots: ConfigSnapshots, now: Callable[[], datetime]) -> None:
        self._workspace = workspace
        self._snapshots = snapshots
        self._now = now

    def names(self) -> frozenset[str]:
        with self._workspace.asking("The endpoints cannot be listed"):
            return frozenset(item.name or "" for item in self._workspace.client.serving_endpoints.list())

    def served(self) -> tuple[ServedEntity, ...]:
        """What every endpoint of the workspace serves, in one request. Raises ServingUnavailableError."""
        with self._workspace.asking("The endpoints cannot be listed"):
            listed = list(self._workspace.client.serving_endpoints.list())
        return tuple(
            ServedEntity(endpoint=item.name or "", model=entity.entity_name, version=entity.entity_version)
            for item in listed
            for entity in (item.config.served_entities if item.config else None) or ()
            if entity.entity_name and entity.entity_version
        )

    def find(self, target: ServedModel) -> Found | None:
        """None when the endpoint does not exist. Raises ServingUnavailableError."""
        with self._workspace.asking(f"Endpoint {target.endpoint} cannot be read"):
            try:
                found = self._workspace.client.serving_endpoints.get(target.endpoint)
            except NotFound:
                return None
        return endpoint.read(found, model=target.model)

    def create(self, target: ServedModel, first: Config, marks: Marks) -> None:
        """A new endpoint gives its only version everything: there is no endpoint without traffic."""
        config = EndpointCoreConfigInput(
            name=target.endpoint, served_entities=first.inputs(), traffic_config=first.traffic()
        )
        with self._workspace.changing(f"Endpoint {target.endpoint} cannot be created"):
            self._workspace.client.serving_endpoints.create(target.endpoint, config=config, tags=_tags(marks))

    def claim(self, target: ServedModel, seen: Found, marks: Marks) -> Found:
        """Writes the marks and looks again. Raises ConflictError when anything else changed meanwhile."""
        tags = _tags(marks)
        kept = {tag.key for tag in tags}
        present = {tag["key"] for tag in seen.document.get("tags", ())}
        gone = sorted(key for key in marks.as_tags() if key not in kept and key in present)
        with self._workspace.changing(f"Endpoint {target.endpoint} cannot be claimed for the change"):
            self._workspace.client.serving_endpoints.patch(target.endpoint, add_tags=tags, delete_tags=gone or None)
        again = self._must_find(target)
        if again.marks != marks or again.config_version != seen.config_version:
            raise ConflictError(
                f"Endpoint {target.endpoint} was changed by somebody else at the same moment; nothing was sent.",
                hint="Read the current state and try again.",
            )
        return again

    def send(self, target: ServedModel, seen: Found, wanted: Config, *, deployment: str, op: str) -> Found:
        """Sends one complete configuration, once, and reads back. Raises ConflictError when something else is there."""
        if seen.update == "running":
            raise busy(target)
        self._keep(deployment, seen, op)
        with self._workspace.changing(f"Endpoint {target.endpoint} was not changed"):
            self._workspace.client.serving_endpoints.update_config(
                target.endpoint, served_entities=wanted.inputs(), traffic_config=wanted.traffic()
            )
        back = self._must_find(target)
        there = [config for config in (back.pending, back.active) if config is not None]
        given_up = back.update in {"failed", "cancelled"} and back.config_version == seen.config_version
        if back.marks != seen.marks or not (given_up or any(config.carries(wanted) for config in there)):
            raise ConflictError(
                f"Endpoint {target.endpoint} reads back as something else than what was sent: somebody changed it too.",
                hint="Look at the endpoint in the workspace; what is served is shown as it was read.",
            )
        return back

    def invoke(self, target: ServedModel, body: dict[str, Any], *, entity: str = "") -> tuple[str, dict[str, Any]]:
        """(name of the entity that answered, answer); along the routes, or straight to one entity.

        Raises InvocationFailed when the endpoint or the model answered with an error.
        """
        path = f"/serving-endpoints/{target.endpoint}/invocations"
        if entity:
            path = f"/serving-endpoints/{target.endpoint}/served-models/{entity}/invocations"
        with self._workspace.asking(f"Endpoint {target.endpoint} cannot be called"):
            try:
                answer = self._workspace.client.api_client.do(
                    "POST", path, body=body, response_headers=["served-model-name"]
                )
            except (DatabricksError, WaitRefusedError) as refused:
                cause = refused.__context__ if isinstance(refused, WaitRefusedError) else refused
                if isinstance(cause, DatabricksError) and not isinstance(cause, _ABOUT_US):
                    # Not its text: what a model says about a request may repeat what was in it.
                    raise InvocationFailed(cause.error_code or type(cause).__name__) from self._workspace.cleaned(cause)
                raise
        document = answer if isinstance(answer, dict) else {"predictions": answer}
        return str(document.pop("served-model-name", None) or ""), document

    def _must_find(self, target: ServedModel) -> Found:
        found = self.find(target)
        if found is None:
            raise ConflictError(f"Endpoint {target.endpoint} was deleted meanwhile.", hint="Create it again.")
        return found

    def _keep(self, deployment: str, seen: Found, op: str) -> None:
        self._snapshots.keep(
            ConfigSnapshot(
                deployment=deployment,
                endpoint=seen.name,
                config_version=seen.config_version,
                op=op,
                taken_at=self._now(),
                document=seen.document,
                restore=seen.active.body(),
            )
        )


class InvocationFailed(Exception):  # noqa: N818 - an answer, not a fault of ours
    """The endpoint answered a request with an error; the text is the platform's code for it."""


def busy(target: ServedModel) -> UpdateInProgressError:
    return UpdateInProgressError(
        f"Endpoint {target.endpoint} is still carrying out another update, and takes one at a time.",
        hint="Ours is sent as soon as that one is done; until then the configuration before it serves.",
    )


def unknown(deployment: str) -> InputError:
    return InputError(f"There is no deployment named {deployment}.")


def _tags(marks: Marks) -> list[EndpointTag]:
    return [EndpointTag(key=key, value=value) for key, value in marks.as_tags().items() if value]
