"""Registered models of Unity Catalog: lists without tags and aliases, pages in no order, files below /Models.

Requests and answers go through MLflow's own messages and the SDK's own types, so that a field neither has is refused.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from databricks.sdk.service.catalog import (
    EffectivePermissionsList,
    EffectivePrivilege,
    EffectivePrivilegeAssignment,
    Privilege,
    RegisteredModelInfo,
)
from databricks.sdk.service.files import DirectoryEntry
from mlflow.protos import databricks_uc_registry_messages_pb2 as uc
from mlflow.utils.proto_json_utils import message_to_json, parse_dict

from tests.contract.databricks_server.endpoints import Refused

_RESERVED = set(",.:/-= ")


@dataclass
class Version:
    number: int
    created: int
    run_id: str = ""
    source: str = ""
    model_id: str = ""
    description: str = ""
    user_id: str = "somebody@example.com"
    tags: dict[str, str] = field(default_factory=dict)
    files: Path | dict[str, bytes] = field(default_factory=dict)
    job: dict[str, str] = field(default_factory=dict)
    """`job_id`, `run_id`, `run_state`, `current_task_name` of the deployment job."""

    def read(self, name: str) -> bytes | None:
        if isinstance(self.files, dict):
            return self.files.get(name)
        file = self.files / name
        return file.read_bytes() if file.is_file() else None

    def names(self) -> list[str]:
        if isinstance(self.files, dict):
            return sorted(self.files)
        return sorted(str(file.relative_to(self.files)) for file in self.files.rglob("*") if file.is_file())


@dataclass
class Model:
    name: str
    changed: int = 1_900_000_000_000
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    versions: dict[int, Version] = field(default_factory=dict)
    deployment_job: str = ""
    owner: str = "owner@example.com"
    granted: dict[str, set[str]] = field(default_factory=dict)
    """Privileges by principal, inherited ones among them."""


@dataclass
class Models:
    all: dict[str, Model] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    run_files: dict[str, Path] = field(default_factory=dict)
    page: int = 2
    """Lines per page, whatever the caller asks for: the platform may give fewer at any time."""
    twice: bool = True
    """Pages overlap: a line comes again."""
    empty_pages: bool = True
    """A page may hold nothing and still have a successor."""
    says_aliases: bool = False
    """Whether setting an alias or a tag counts as a change of the model; nobody documents it."""
    order: random.Random = field(default_factory=lambda: random.Random(7))
    clock: int = 1_900_000_000_000

    # What tests do --------------------------------------------------------------------------------------------

    def add(self, name: str, *versions: int, **changes: Any) -> Model:
        model = self.all.setdefault(name, Model(name=name))
        for number in versions:
            self.clock += 1000
            model.versions[number] = Version(number=number, created=self.clock, **changes)
        self.touch(name)
        return model

    def touch(self, name: str) -> None:
        self.clock += 1000
        self.all[name].changed = self.clock

    # Listing --------------------------------------------------------------------------------------------------

    def listed(self, query: dict[str, str]) -> dict[str, Any]:
        where = f"{query.get('catalog_name', '')}.{query.get('schema_name', '')}."
        if ("catalog_name" in query) != ("schema_name" in query):
            raise Refused(400, "INVALID_PARAMETER_VALUE", "Both catalog and schema, or neither.")
        limit = 10_000 if "catalog_name" in query else 1000
        if int(query.get("max_results", "100")) > limit:
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"max_results must be at most {limit}.")
        names = [name for name in self.all if where == ".." or name.startswith(where)]
        # A token names the rest, so that what is created meanwhile neither shifts nor repeats a line by itself.
        chosen, token = self._page(names, query.get("page_token", ""), int(query.get("max_results", "100")))
        shown = [self.described(name) for name in chosen]
        return {"registered_models": shown} | ({"next_page_token": token} if token else {})

    def described(self, name: str) -> dict[str, Any]:
        if name not in self.all:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Registered model '{name}' does not exist.")
        catalog, schema, last = name.split(".")
        return RegisteredModelInfo(
            full_name=name, name=last, catalog_name=catalog, schema_name=schema, owner=self.all[name].owner,
            updated_at=self.all[name].changed,
        ).as_dict()  # fmt: skip

    def effective(self, name: str, query: dict[str, str]) -> dict[str, Any]:
        """One principal a page; the first page is empty and has a successor, as the platform may answer."""
        self.described(name)
        assigned = [
            EffectivePrivilegeAssignment(
                principal=principal,
                privileges=[EffectivePrivilege(privilege=Privilege(one)) for one in sorted(privileges)],
            )
            for principal, privileges in self.all[name].granted.items()
        ]
        if "page_token" not in query:
            return EffectivePermissionsList(next_page_token="0", privilege_assignments=[]).as_dict()
        at = int(query["page_token"])
        following = str(at + 1) if at + 1 < len(assigned) else None
        return EffectivePermissionsList(
            next_page_token=following, privilege_assignments=assigned[at : at + 1]
        ).as_dict()

    def _page(self, names: list[str], token: str, wanted: int) -> tuple[list[str], str]:
        start = int(token or "0")
        if self.empty_pages and start == 0 and not token:
            return [], "0"
        size = min(self.page, wanted)
        chosen = names[max(0, start - 1 if self.twice and start else start) : start + size]
        self.order.shuffle(chosen)
        rest = start + size
        return chosen, str(rest) if rest < len(names) else ""

    # The MLflow dialect ---------------------------------------------------------------------------------------

    def get_model(self, name: str) -> dict[str, Any]:
        model = self.find(name)
        answer = uc.GetRegisteredModelResponse()
        shown = answer.registered_model
        shown.name, shown.creation_timestamp, shown.last_updated_timestamp = name, model.changed, model.changed
        shown.deployment_job_id = model.deployment_job
        for alias, version in model.aliases.items():
            shown.aliases.add(alias=alias, version=version)
        for key, value in model.tags.items():
            shown.tags.add(key=key, value=value)
        return _json(answer)

    def search_models(self, query: dict[str, str]) -> dict[str, Any]:
        """MLflow's own list: names and times, without tags and aliases."""
        wanted = int(query.get("max_results", "100"))
        if wanted > 1000:
            raise Refused(400, "INVALID_PARAMETER_VALUE", "max_results must be at most 1000.")
        chosen, token = self._page(list(self.all), query.get("page_token", ""), wanted)
        answer = uc.SearchRegisteredModelsResponse(next_page_token=token)
        for name in chosen:
            changed = self.all[name].changed
            answer.registered_models.add(name=name, creation_timestamp=changed, last_updated_timestamp=changed)
        return _json(answer)

    def get_version(self, name: str, version: str) -> dict[str, Any]:
        answer = uc.GetModelVersionResponse()
        found = self.version(name, version)
        self._fill(answer.model_version, name, found)
        for key, value in found.tags.items():
            answer.model_version.tags.add(key=key, value=value)
        for alias, target in self.all[name].aliases.items():
            if target == version:
                answer.model_version.aliases.add(alias=alias, version=version)
        answer.model_version.model_id = found.model_id
        return _json(answer)

    def search_versions(self, query: dict[str, str]) -> dict[str, Any]:
        given = query.get("filter", "")
        if not (given.startswith("name='") and given.endswith("'") and given.count("'") == 2):
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"Unsupported filter {given!r}.")
        name = given[6:-1]
        found = (
            {str(number): version for number, version in self.all[name].versions.items()} if name in self.all else {}
        )
        chosen, token = self._page(list(found), query.get("page_token", ""), int(query.get("max_results", "100")))
        answer = uc.SearchModelVersionsResponse(next_page_token=token)
        for number in chosen:
            self._fill(answer.model_versions.add(), name, found[number])
        return _json(answer)

    def _fill(self, shown: Any, name: str, found: Version) -> None:
        shown.name, shown.version, shown.creation_timestamp = name, str(found.number), found.created
        shown.user_id, shown.description, shown.source, shown.run_id = (
            found.user_id, found.description, found.source, found.run_id,
        )  # fmt: skip
        shown.status = uc.READY
        if found.job:
            parse_dict(found.job, shown.deployment_job_state)

    def set_alias(self, body: dict[str, Any]) -> dict[str, Any]:
        given = _parsed(body, uc.SetRegisteredModelAliasRequest())
        self.version(given.name, given.version)
        self.find(given.name).aliases[given.alias] = given.version
        return self._changed(given.name)

    def delete_alias(self, body: dict[str, Any]) -> dict[str, Any]:
        given = _parsed(body, uc.DeleteRegisteredModelAliasRequest())
        self.find(given.name).aliases.pop(given.alias, None)
        return self._changed(given.name)

    def set_tag(self, body: dict[str, Any], *, of_version: bool) -> dict[str, Any]:
        message = uc.SetModelVersionTagRequest() if of_version else uc.SetRegisteredModelTagRequest()
        given: Any = _parsed(body, message)
        if not given.key or _RESERVED & set(given.key) or len(given.key) > 255 or len(given.value) > 1000:
            raise Refused(400, "INVALID_PARAMETER_VALUE", f"Tag key {given.key} is not allowed.")
        where = self.version(given.name, given.version).tags if of_version else self.find(given.name).tags
        where[given.key] = given.value
        return self._changed(given.name)

    def delete_tag(self, body: dict[str, Any]) -> dict[str, Any]:
        given = _parsed(body, uc.DeleteModelVersionTagRequest())
        self.version(given.name, given.version).tags.pop(given.key, None)
        return self._changed(given.name)

    def _changed(self, name: str) -> dict[str, Any]:
        if self.says_aliases:
            self.touch(name)
        return {}

    def find(self, name: str) -> Model:
        if name not in self.all:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Registered model '{name}' does not exist.")
        return self.all[name]

    def version(self, name: str, version: str) -> Version:
        found = self.find(name).versions.get(int(version))
        if found is None:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Version {version} of '{name}' does not exist.")
        return found

    # Files and runs -------------------------------------------------------------------------------------------

    def directory(self, path: str) -> dict[str, Any]:
        version, inner = self._place(path)
        below = f"{inner}/" if inner else ""
        inside = [name.removeprefix(below) for name in version.names() if name.startswith(below)]
        if not inside:
            raise Refused(404, "NOT_FOUND", "The directory being accessed is not found.")
        entries = {name.partition("/")[0]: "/" in name for name in inside}
        shown = [
            DirectoryEntry(path=f"{path}/{name}", name=name, is_directory=folder).as_dict()
            for name, folder in entries.items()
        ]
        self.order.shuffle(shown)
        return {"contents": shown}

    def file(self, path: str) -> bytes:
        version, inner = self._place(path)
        data = version.read(inner)
        if data is None:
            raise Refused(404, "NOT_FOUND", "The file being accessed is not found.")
        return data

    def _place(self, path: str) -> tuple[Version, str]:
        _, _, catalog, schema, model, number, *inner = path.split("/")
        return self.version(f"{catalog}.{schema}.{model}", number), "/".join(inner)

    def run(self, run_id: str) -> dict[str, Any]:
        if run_id not in self.runs:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Run '{run_id}' not found.")
        return {"run": self.runs[run_id]}

    def artifacts(self, query: dict[str, str]) -> dict[str, Any]:
        self.run(query["run_id"])
        root = self.run_files.get(query["run_id"])
        folder = root / query.get("path", "") if root else None
        found = list(_below(folder, root)) if folder and root and folder.is_dir() else []
        uri = self.runs[query["run_id"]]["info"]["artifact_uri"]
        return {"root_uri": uri, "files": found}

    def keep_file(self, run_id: str, path: str, content: bytes) -> dict[str, Any]:
        file = self.run_files[run_id] / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return {}

    def load(self, client: Any, names: dict[str, str]) -> None:
        """Takes over models of a real MLflow store, under their new names."""
        for old, new in names.items():
            registered = client.get_registered_model(old)
            model = self.all.setdefault(new, Model(name=new))
            model.tags = {key.replace(".", "_"): value for key, value in registered.tags.items()}
            model.aliases = {alias: str(version) for alias, version in dict(registered.aliases).items()}
            for entry in client.search_model_versions(f"name='{old}'"):
                place = client.get_model_version_download_uri(old, entry.version)
                if place.startswith("models:/m-"):
                    place = client.get_logged_model(place.removeprefix("models:/")).artifact_location
                model.versions[int(entry.version)] = Version(
                    number=int(entry.version), created=entry.creation_timestamp, run_id=entry.run_id,
                    source=entry.source, description=entry.description or "", user_id=entry.user_id or "",
                    tags={key.replace(".", "_"): value for key, value in entry.tags.items()}, files=Path(place.removeprefix("file://")),
                )  # fmt: skip
                run = client.get_run(entry.run_id)
                self.run_files[entry.run_id] = Path(run.info.artifact_uri.removeprefix("file://"))
                document = json.loads(message_to_json(run.to_proto()))
                document["info"]["artifact_uri"] = f"dbfs:/databricks/mlflow-tracking/1/{entry.run_id}/artifacts"
                self.runs[entry.run_id] = document


def _below(folder: Path, root: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.iterdir()):
        size = {} if file.is_dir() else {"file_size": str(file.stat().st_size)}
        yield {"path": str(file.relative_to(root)), "is_dir": file.is_dir(), **size}


def _parsed(body: dict[str, Any], message: Any) -> Any:
    parse_dict(body, message)
    if json.loads(message_to_json(message)) != body:
        raise Refused(400, "MALFORMED_REQUEST", f"Unknown fields in {sorted(body)}.")
    return message


def _json(message: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(message_to_json(message))
    return document
