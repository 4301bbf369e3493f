"""What an endpoint serves and what it is told to serve, as values: reading and composing, no requests.

The platform replaces the whole configuration with each update: what is not sent is thrown away. So a new
configuration is always the observed one with one thing changed, never a fresh one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from databricks.sdk.service.serving import (
    EndpointCoreConfigOutput,
    EndpointPendingConfig,
    Route,
    ServedEntityInput,
    ServedEntityOutput,
    ServedModelStateDeployment,
    ServingEndpointDetailed,
    TrafficConfig,
)

from services.adapters.databricks import marks
from services.adapters.databricks.marks import Marks
from services.kernel.errors import InputError

MAX_ENTITIES = 10
_UPDATES = {
    "NOT_UPDATING": "idle",
    "IN_PROGRESS": "running",
    "UPDATE_FAILED": "failed",
    "UPDATE_CANCELED": "cancelled",
}
_BROKEN = {ServedModelStateDeployment.DEPLOYMENT_FAILED, ServedModelStateDeployment.DEPLOYMENT_ABORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One served version. `settings` are all fields the platform takes back."""

    name: str
    version: str
    settings: Mapping[str, Any]
    is_ready: bool = False
    is_broken: bool = False
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Complete entities, and a share for each of them."""

    entities: tuple[Entity, ...] = ()
    shares: Mapping[str, int]
    """By name of the entity; the ones kept warm have 0."""

    @property
    def essence(self) -> str:
        """Digest of which versions there are and what share each has: what the platform adds by itself is left out."""
        rows = sorted(
            [item.name, item.settings.get("entity_name"), item.version, self.shares.get(item.name, 0)]
            for item in self.entities
        )
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:32]

    def entity(self, version: str) -> Entity | None:
        """The one with the largest share, where a version is served twice."""
        same = [item for item in self.entities if item.version == version]
        return max(same, key=lambda item: self.shares.get(item.name, 0), default=None)

    def version_of(self, name: str) -> str:
        return next((item.version for item in self.entities if item.name == name), name)

    @property
    def routes(self) -> tuple[tuple[str, int], ...]:
        """Live shares by version, without the ones kept warm."""
        total: dict[str, int] = {}
        for item in self.entities:
            total[item.version] = total.get(item.version, 0) + self.shares.get(item.name, 0)
        return tuple((version, share) for version, share in sorted(total.items()) if share)

    def routed(self, routes: tuple[tuple[str, int], ...]) -> Config:
        """The same entities with other shares. Raises InputError for a version that is not served ready here."""
        shares = dict.fromkeys((item.name for item in self.entities), 0)
        for version, share in routes:
            if not share:
                continue
            entity = self.entity(version)
            if entity is None or not entity.is_ready:
                raise InputError(
                    f"Version {version} is not loaded on this endpoint.", hint="Load it before it gets traffic."
                )
            shares[entity.name] = share
        return replace(self, shares=shares)

    def with_version(self, version: str, model: str, defaults: Mapping[str, Any]) -> Config:
        """One more entity at 0 %, as large as the one that answers most; nobody who answers callers falls asleep."""
        warm = tuple(
            replace(item, settings={**item.settings, "scale_to_zero_enabled": False})
            if self.shares.get(item.name, 0)
            else item
            for item in self.entities
        )
        pattern = max(warm, key=lambda item: self.shares.get(item.name, 0), default=None)
        taken = {item.name for item in self.entities}
        name = f"v{version}"
        settings = {
            **(pattern.settings if pattern else defaults),
            "name": name if name not in taken else f"{name}-countersign",
            "entity_name": model,
            "entity_version": version,
            "scale_to_zero_enabled": False,
        }
        added = Entity(name=str(settings["name"]), version=version, settings=settings)
        share = 0 if self.entities else 100
        return Config(entities=(*warm, added), shares={**self.shares, added.name: share})

    def inputs(self) -> list[ServedEntityInput]:
        return [ServedEntityInput.from_dict(dict(item.settings)) for item in self.entities]

    def traffic(self) -> TrafficConfig:
        """Never without routes: the SDK leaves an empty list out, and the platform would keep the old shares."""
        if not self.entities:
            raise InputError("An endpoint without a version has no traffic to set.")
        # The documented name of the field; the platform takes both and may answer with either.
        routes = [
            Route(served_model_name=item.name, traffic_percentage=self.shares.get(item.name, 0))
            for item in self.entities
        ]
        return TrafficConfig(routes=routes)

    def body(self) -> dict[str, Any]:
        return {
            "served_entities": [item.as_dict() for item in self.inputs()],
            "traffic_config": self.traffic().as_dict(),
        }

    def carries(self, sent: Config) -> bool:
        """Whether this, as read back, is what was sent; fields the platform filled in do not count."""
        if self.essence != sent.essence:
            return False
        mine = {item.name: item.settings for item in self.entities}
        return all(mine[item.name].get(key) == value for item in sent.entities for key, value in item.settings.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """An endpoint as it was read."""

    name: str
    config_version: int
    active: Config
    pending: Config | None
    update: str
    """`idle`, `running`, `failed` or `cancelled`."""
    marks: Marks
    document: Mapping[str, Any]

    @property
    def generation(self) -> int:
        """Grows with everybody's change of the configuration, and with each operation of ours that needed none."""
        return self.config_version + self.marks.accepted


NOTHING = Config(shares={})


def read(endpoint: ServingEndpointDetailed, *, model: str) -> Found:
    """Raises InputError for an endpoint this adapter must not touch."""
    name = endpoint.name or ""
    if endpoint.route_optimized:
        raise InputError(
            f"Endpoint {name} is route-optimised, which is not supported.",
            hint="Use an endpoint without route optimisation.",
        )
    config = endpoint.config or EndpointCoreConfigOutput()
    if config.served_models and not config.served_entities:
        raise InputError(f"Endpoint {name} is described in the retired form served_models.", hint="Update it once.")
    state = endpoint.state.config_update if endpoint.state else None
    pending = endpoint.pending_config
    return Found(
        name=name,
        config_version=config.config_version or 0,
        active=_config(config, model=model),
        pending=_config(pending, model=model) if pending else None,
        # A state the SDK does not know reads as None: until it is known that nothing runs, nothing is sent.
        update=_UPDATES.get(state.value if state else "", "running"),
        marks=marks.read({tag.key: tag.value or "" for tag in endpoint.tags or ()}),
        document=endpoint.as_dict(),
    )


def _config(config: EndpointCoreConfigOutput | EndpointPendingConfig, *, model: str) -> Config:
    # The platform promises no order, so ours does not depend on it: shorter version numbers first.
    served = sorted(
        config.served_entities or (), key=lambda item: (len(item.entity_version or ""), item.entity_version or "")
    )
    entities = tuple(_entity(item, model=model) for item in served)
    routes = config.traffic_config.routes if config.traffic_config else None
    if not routes and len(entities) == 1:
        return Config(entities=entities, shares={entities[0].name: 100})
    shares = {
        str(route.served_entity_name or route.served_model_name): int(route.traffic_percentage)
        for route in routes or ()
    }
    return Config(entities=entities, shares={item.name: shares.get(item.name, 0) for item in entities})


def _entity(served: ServedEntityOutput, *, model: str) -> Entity:
    settings = ServedEntityInput.from_dict(served.as_dict()).as_dict()
    other = f"{served.entity_name or 'something'}/{served.entity_version or '?'}"
    deployment = served.state.deployment if served.state else None
    return Entity(
        name=served.name or "",
        # A version of another model keeps its full name: nobody signed it, and it must not look like one of ours.
        version=served.entity_version or "?" if served.entity_name == model else other,
        settings=settings,
        is_ready=deployment is ServedModelStateDeployment.DEPLOYMENT_READY,
        is_broken=deployment in _BROKEN,
        message=(served.state.deployment_state_message or "") if served.state else "",
    )
