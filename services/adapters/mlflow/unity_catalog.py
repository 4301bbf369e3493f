"""Registered models of Unity Catalog over one cached client: one HTTP request a call, answers as MLflow's own values.

MLflow's client would ask the host for its configuration before each call and looks up a model before each change, and
its search answers leave tags and aliases out. So the same REST paths are asked here, and read with MLflow's messages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from services.adapters.mlflow.loading import load_mlflow
from services.adapters.mlflow.source import Workspace
from services.kernel.errors import InputError

_UC = "/api/2.0/mlflow/unity-catalog"
_TRACKING = "/api/2.0/mlflow"
_WITHIN_SCHEMA = 10_000
"""Models per page where a schema is named; without one the platform gives at most 1000."""
_EVERYWHERE = 1000
_VERSIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """A line of the platform's list: no tags, no aliases."""

    name: str
    changed: int
    """Milliseconds; what the platform says about its last change."""
    owner: str = ""


class Catalog:
    """`reading` may have patience; `writing` sends a change once."""

    def __init__(self, reading: Workspace, writing: Workspace) -> None:
        self._reading = reading
        self._writing = writing

    def models(self, schemas: tuple[str, ...] = ()) -> Iterator[ListedModel]:
        """Of these schemas (`catalog.schema`), of everything visible without any. In no order, and perhaps twice.

        Raises RegistryUnavailableError.
        """
        for schema in schemas or ("",):
            catalog, _, inner = schema.partition(".")
            where = {"catalog_name": catalog, "schema_name": inner} if schema else {}
            size = _WITHIN_SCHEMA if schema else _EVERYWHERE
            with self._reading.registry(f"the models of {schema or 'the catalog'}"):
                for item in self._reading.client.registered_models.list(max_results=size, **where):
                    if item.full_name and not item.browse_only:
                        changed = item.updated_at or item.created_at or 0
                        yield ListedModel(name=item.full_name, changed=changed, owner=item.owner or "")

    def model(self, name: str) -> Any:
        """A `RegisteredModel` of MLflow with tags, aliases and deployment job."""
        load_mlflow()
        from mlflow.protos.databricks_uc_registry_messages_pb2 import GetRegisteredModelResponse
        from mlflow.utils._unity_catalog_utils import registered_model_from_uc_proto

        found = self._get(f"{_UC}/registered-models/get", f"the model {name}", name=name)
        return registered_model_from_uc_proto(_read(found, GetRegisteredModelResponse()).registered_model)

    def version(self, name: str, version: str) -> Any:
        """A `ModelVersion` of MLflow with its tags, aliases and the state of its deployment job."""
        load_mlflow()
        from mlflow.protos.databricks_uc_registry_messages_pb2 import GetModelVersionResponse
        from mlflow.utils._unity_catalog_utils import model_version_from_uc_proto

        what = f"{name} version {version}"
        found = self._get(f"{_UC}/model-versions/get", what, name=name, version=version)
        return model_version_from_uc_proto(_read(found, GetModelVersionResponse()).model_version)

    def version_numbers(self, name: str) -> tuple[int, ...]:
        """Newest first. The list says nothing else that could be relied on."""
        if "'" in name:
            raise InputError(f"The name {name!r} holds a quote, which the registry's search cannot take.")
        load_mlflow()
        from mlflow.protos.databricks_uc_registry_messages_pb2 import SearchModelVersionsResponse

        found, token = set[int](), ""
        while True:
            given = {"filter": f"name='{name}'", "max_results": _VERSIONS} | ({"page_token": token} if token else {})
            answer = self._get(f"{_UC}/model-versions/search", f"the versions of {name}", **given)
            page = _read(answer, SearchModelVersionsResponse())
            found |= {int(item.version) for item in page.model_versions}
            token = page.next_page_token
            if not token:
                return tuple(sorted(found, reverse=True))

    def run(self, run_id: str) -> Any:
        """A `Run` of MLflow. Raises UnknownVersionError when this workspace has no such run."""
        load_mlflow()
        from mlflow.entities import Run
        from mlflow.protos.service_pb2 import GetRun

        found = self._get(f"{_TRACKING}/runs/get", f"run {run_id}", run_id=run_id)
        return Run.from_proto(_read(found, GetRun.Response()).run)

    def set_alias(self, name: str, alias: str, version: str) -> None:
        body = {"name": name, "alias": alias, "version": version}
        self._send("POST", f"{_UC}/registered-models/alias", f"the alias {alias} of {name}", body)

    def delete_alias(self, name: str, alias: str) -> None:
        body = {"name": name, "alias": alias}
        self._send("DELETE", f"{_UC}/registered-models/alias", f"the alias {alias} of {name}", body)

    def set_version_tag(self, name: str, version: str, key: str, value: str) -> None:
        body = {"name": name, "version": version, "key": key, "value": value}
        self._send("POST", f"{_UC}/model-versions/set-tag", f"{name} version {version}", body)

    def delete_version_tag(self, name: str, version: str, key: str) -> None:
        body = {"name": name, "version": version, "key": key}
        self._send("DELETE", f"{_UC}/model-versions/delete-tag", f"{name} version {version}", body)

    def set_model_tag(self, name: str, key: str, value: str) -> None:
        body = {"name": name, "key": key, "value": value}
        self._send("POST", f"{_UC}/registered-models/set-tag", f"the model {name}", body)

    def _get(self, path: str, what: str, **query: Any) -> dict[str, Any]:
        with self._reading.registry(what):
            answer = self._reading.client.api_client.do("GET", path, query=query)
        return answer if isinstance(answer, dict) else {}

    def _send(self, method: str, path: str, what: str, body: dict[str, str]) -> None:
        with self._writing.registry(what):
            self._writing.client.api_client.do(method, path, body=body)


def _read(document: dict[str, Any], message: Any) -> Any:
    """The answer as MLflow's message; fields it does not know yet are left out."""
    from mlflow.utils.proto_json_utils import parse_dict

    parse_dict(document, message)  # type: ignore[no-untyped-call]
    return message
