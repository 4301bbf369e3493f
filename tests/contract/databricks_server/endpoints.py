"""Serving endpoints as the platform keeps them: an active configuration, one pending one, and switches for faults."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from databricks.sdk.service.serving import (
    EndpointCoreConfigInput,
    EndpointCoreConfigOutput,
    EndpointCoreConfigSummary,
    EndpointPendingConfig,
    EndpointState,
    EndpointStateConfigUpdate,
    EndpointStateReady,
    EndpointTag,
    Route,
    ServedEntityInput,
    ServedEntityOutput,
    ServedEntitySpec,
    ServedModelState,
    ServedModelStateDeployment,
    ServingEndpoint,
    ServingEndpointDetailed,
    ServingEndpointDetailedPermissionLevel,
    TrafficConfig,
)

READY = ServedModelStateDeployment.DEPLOYMENT_READY
CREATING = ServedModelStateDeployment.DEPLOYMENT_CREATING
FAILED = ServedModelStateDeployment.DEPLOYMENT_FAILED


class Refused(Exception):  # noqa: N818
    """An error answer of the platform."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error_code": code, "message": message}
        self.headers = headers or {}


@dataclass
class Endpoint:
    name: str
    active: EndpointCoreConfigOutput | None = None
    pending: EndpointPendingConfig | None = None
    update: EndpointStateConfigUpdate = EndpointStateConfigUpdate.NOT_UPDATING
    polls_left: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    updates: list[dict[str, Any]] = field(default_factory=list)
    """Bodies of every accepted change of the configuration, in order."""
    invoked: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """(entity that answered, `routed` or `direct`, body)."""


@dataclass
class Endpoints:
    registered: set[tuple[str, str]] = field(default_factory=set)
    """(model, version) of Unity Catalog."""
    slow_polls: int = 1
    """Reads of an endpoint for which an update stays IN_PROGRESS."""
    failing: set[tuple[str, str]] = field(default_factory=set)
    """Versions whose deployment fails."""
    never_ready: set[tuple[str, str]] = field(default_factory=set)
    """Versions that stay DEPLOYMENT_CREATING although the update is over."""
    fail_updates: int = 0
    """So many of the next updates end as UPDATE_FAILED."""
    cancel_updates: int = 0
    broken: set[str] = field(default_factory=set)
    """Entities that answer each invocation with an error."""
    may: ServingEndpointDetailedPermissionLevel | None = ServingEndpointDetailedPermissionLevel.CAN_MANAGE
    """What whoever asks has on every endpoint; None is not told."""
    names_entity: bool = True
    """Whether answers carry the header served-model-name."""
    keeps_failed_pending: bool = True
    all: dict[str, Endpoint] = field(default_factory=dict)
    order: random.Random = field(default_factory=lambda: random.Random(5))

    def listed(self) -> list[dict[str, Any]]:
        found = [
            ServingEndpoint(
                name=item.name,
                state=self._state(item),
                config=EndpointCoreConfigSummary(
                    served_entities=[
                        ServedEntitySpec(
                            name=entity.name, entity_name=entity.entity_name, entity_version=entity.entity_version
                        )
                        for entity in self._entities(item)
                    ]
                ),
            ).as_dict()
            for item in self.all.values()
        ]
        self.order.shuffle(found)
        return found

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["name"]
        if name in self.all:
            raise Refused(400, "RESOURCE_ALREADY_EXISTS", f"Endpoint with name '{name}' already exists.")
        config = EndpointCoreConfigInput.from_dict(body["config"])
        made = Endpoint(name=name, tags={tag["key"]: tag.get("value", "") for tag in body.get("tags", [])})
        self.all[name] = made
        try:
            self._begin(made, config.served_entities or [], config.traffic_config, body["config"])
        except Refused:
            del self.all[name]
            raise
        return self.shown(made)

    def get(self, name: str) -> dict[str, Any]:
        found = self.find(name)
        self._advance(found)
        return self.shown(found)

    def update_config(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        found = self.find(name)
        if found.update is EndpointStateConfigUpdate.IN_PROGRESS:
            raise Refused(409, "RESOURCE_CONFLICT", f"Endpoint {name} is being updated. Wait until it is done.")
        entities = [ServedEntityInput.from_dict(item) for item in body.get("served_entities", [])]
        traffic = TrafficConfig.from_dict(body["traffic_config"]) if "traffic_config" in body else None
        _require_known_fields(body, entities, traffic)
        self._begin(found, entities, traffic, body)
        return self.shown(found)

    def patch_tags(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        found = self.find(name)
        for tag in [EndpointTag.from_dict(item) for item in body.get("add_tags", [])]:
            if not tag.value:
                raise Refused(400, "INVALID_PARAMETER_VALUE", f"Tag {tag.key} has no value.")
            found.tags[tag.key] = tag.value
        for key in body.get("delete_tags", []):
            if key not in found.tags:
                raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Tag {key} does not exist.")
            del found.tags[key]
        return {"tags": [EndpointTag(key=key, value=value).as_dict() for key, value in found.tags.items()]}

    def invoke(self, name: str, body: dict[str, Any], entity: str = "") -> tuple[str, dict[str, Any]]:
        found = self.find(name)
        ready = {item.name for item in self._entities(found) if item.state and item.state.deployment is READY}
        chosen = entity or self._split(found)
        if chosen not in {item.name for item in self._entities(found)}:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Served model {chosen} does not exist.")
        if chosen not in ready:
            raise Refused(503, "TEMPORARILY_UNAVAILABLE", "The served model is not ready.", {"Retry-After": "30"})
        found.invoked.append((chosen, "direct" if entity else "routed", body))
        if chosen in self.broken:
            raise Refused(400, "BAD_REQUEST", "Encountered an unexpected error while evaluating the model.")
        return chosen, {"predictions": [float(len(body.get("dataframe_records", [])))]}

    def move_by_hand(self, name: str, **shares: int) -> None:
        """Somebody changes the traffic in the workspace, at once."""
        found = self.find(name)
        assert found.active
        found.active.traffic_config = TrafficConfig(
            routes=[Route(served_model_name=key, traffic_percentage=value) for key, value in shares.items()]
        )
        found.active.config_version = (found.active.config_version or 0) + 1

    def settle(self, name: str) -> None:
        while self.find(name).update is EndpointStateConfigUpdate.IN_PROGRESS:
            self._advance(self.find(name))

    def find(self, name: str) -> Endpoint:
        if name not in self.all:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Endpoint with name '{name}' does not exist.")
        return self.all[name]

    def shown(self, found: Endpoint) -> dict[str, Any]:
        """Lists come back in another order than they were sent, as the platform does not promise any."""
        document = ServingEndpointDetailed(
            name=found.name,
            id=f"id-{found.name}",
            creator="somebody@example.com",
            state=self._state(found),
            permission_level=self.may,
            config=found.active,
            pending_config=found.pending,
            tags=[EndpointTag(key=key, value=value) for key, value in found.tags.items()],
        ).as_dict()
        for config in (document.get("config", {}), document.get("pending_config", {})):
            self.order.shuffle(config.get("served_entities", []))
            self.order.shuffle(config.get("traffic_config", {}).get("routes", []))
        return document

    # Inside ---------------------------------------------------------------------------------------------------

    def _begin(
        self,
        found: Endpoint,
        entities: list[ServedEntityInput],
        traffic: TrafficConfig | None,
        body: dict[str, Any],
    ) -> None:
        _require_possible(entities, traffic)
        for item in entities:
            if (item.entity_name, item.entity_version) not in self.registered:
                message = f"Model version {item.entity_name}/{item.entity_version} does not exist."
                raise Refused(400, "INVALID_PARAMETER_VALUE", message)
        before = {item.name: item for item in self._entities(found)}
        outputs = [self._output(item, before) for item in entities]
        version = (found.active.config_version or 0) + 1 if found.active else 1
        routes = [
            # The platform answers with the older of the two names of this field.
            Route(
                served_model_name=route.served_entity_name or route.served_model_name,
                traffic_percentage=route.traffic_percentage,
            )
            for route in traffic.routes or []
        ]
        found.pending = EndpointPendingConfig(
            config_version=version, served_entities=outputs, traffic_config=TrafficConfig(routes=routes)
        )
        found.update = EndpointStateConfigUpdate.IN_PROGRESS
        found.polls_left = self.slow_polls
        found.updates.append(body)

    def _output(self, item: ServedEntityInput, before: dict[str | None, ServedEntityOutput]) -> ServedEntityOutput:
        """Known entities keep their state; what was not said is filled in."""
        output = ServedEntityOutput.from_dict({"workload_type": "CPU", "workload_size": "Small", **item.as_dict()})
        output.creator = "somebody@example.com"
        output.creation_timestamp = 1_900_000_000_000
        known = before.get(item.name)
        same = known is not None and known.entity_version == item.entity_version
        output.state = known.state if known and same else ServedModelState(deployment=CREATING)
        return output

    def _advance(self, found: Endpoint) -> None:
        if found.update is not EndpointStateConfigUpdate.IN_PROGRESS:
            return
        if found.polls_left > 0:
            found.polls_left -= 1
            return
        self._finish(found)

    def _finish(self, found: Endpoint) -> None:
        pending = found.pending
        assert pending
        if self.cancel_updates:
            self.cancel_updates -= 1
            found.update, found.pending = EndpointStateConfigUpdate.UPDATE_CANCELED, None
            return
        failed = [item for item in pending.served_entities or [] if self._key(item) in self.failing]
        for item in failed:
            item.state = ServedModelState(deployment=FAILED, deployment_state_message="The container build failed.")
        if failed or self.fail_updates:
            self.fail_updates = max(0, self.fail_updates - 1)
            found.update = EndpointStateConfigUpdate.UPDATE_FAILED
            if not self.keeps_failed_pending:
                found.pending = None
            return
        for item in pending.served_entities or []:
            if self._key(item) not in self.never_ready:
                item.state = ServedModelState(deployment=READY)
        found.active = EndpointCoreConfigOutput(
            config_version=pending.config_version,
            served_entities=pending.served_entities,
            traffic_config=pending.traffic_config,
        )
        found.update, found.pending = EndpointStateConfigUpdate.NOT_UPDATING, None

    def _split(self, found: Endpoint) -> str:
        routes = (found.active.traffic_config.routes or []) if found.active and found.active.traffic_config else []
        if not routes:
            raise Refused(400, "INVALID_STATE", "The endpoint is not ready.")
        answered = Counter(name for name, how, _ in found.invoked if how == "routed")
        owed = {
            route.served_model_name: route.traffic_percentage * (answered.total() + 1) / 100
            - answered[route.served_model_name or ""]
            for route in routes
            if route.traffic_percentage
        }
        return max(owed, key=lambda name: owed[name]) or ""

    @staticmethod
    def _entities(found: Endpoint) -> list[ServedEntityOutput]:
        return (found.active.served_entities or []) if found.active else []

    @staticmethod
    def _key(item: ServedEntityOutput) -> tuple[str, str]:
        return item.entity_name or "", item.entity_version or ""

    @staticmethod
    def _state(found: Endpoint) -> EndpointState:
        ready = EndpointStateReady.READY if found.active else EndpointStateReady.NOT_READY
        return EndpointState(config_update=found.update, ready=ready)


def _require_possible(entities: list[ServedEntityInput], traffic: TrafficConfig | None) -> None:
    names = [item.name for item in entities]
    if not entities or len(entities) > 10 or len(set(names)) != len(names):
        raise Refused(400, "INVALID_PARAMETER_VALUE", "An endpoint has one to ten served entities of different names.")
    routes = (traffic.routes or []) if traffic else []
    if sum(route.traffic_percentage for route in routes) != 100:
        raise Refused(400, "INVALID_PARAMETER_VALUE", "Traffic percentages must sum to 100.")
    if not {route.served_entity_name or route.served_model_name for route in routes} <= set(names):
        raise Refused(400, "INVALID_PARAMETER_VALUE", "A route names no served entity.")


def _require_known_fields(
    body: dict[str, Any], entities: list[ServedEntityInput], traffic: TrafficConfig | None
) -> None:
    """What the SDK's types do not hold would be dropped in silence by the platform; here it is refused."""
    understood = {
        "served_entities": [item.as_dict() for item in entities],
        "traffic_config": traffic.as_dict() if traffic else {},
    }
    if body != understood:
        raise Refused(400, "MALFORMED_REQUEST", f"Unknown fields in {sorted(body)}.")
