"""The workspace behind real HTTP: sign-in by token or client secret, throttling, lost answers, and a log of calls.

with a_workspace() as platform:
    platform.endpoints.registered.add(("main.claims.score", "1"))
    Workspace(platform.connection())
"""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlparse

from services.adapters.databricks.client import Connection
from services.kernel.secret import Secret
from tests.contract.databricks_server.endpoints import Endpoints, Refused
from tests.contract.databricks_server.jobs import Jobs
from tests.contract.databricks_server.models import Models

TOKEN = "dapi0123456789abcdef0123456789abcdef"
CLIENT = ("11111111-2222-3333-4444-555555555555", "dose00112233445566778899aabbccddee")
_ISSUED = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhcHAifQ.c2ln"

Answer = tuple[dict[str, Any] | bytes, dict[str, str]]


@dataclass
class Platform:
    """State a test may read and change between calls."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    jobs: Jobs = field(default_factory=Jobs)
    models: Models = field(default_factory=Models)
    scopes: dict[str, dict[str, str]] = field(default_factory=dict)
    """Secret scopes: name to key to text."""
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Token of a person to what the platform says about them."""
    slow_seconds: float = 0.0
    """Answers come this much later: all of them, or those of `slow_paths`."""
    slow_paths: str = ""
    """Pattern of the paths that are slow."""
    before_waiting: Callable[[str, str], None] = lambda _method, _path: None
    """Called with each request as it arrives, before a slow one waits."""
    tokens: set[str] = field(default_factory=lambda: {TOKEN, _ISSUED})
    throttle: int = 0
    """So many of the next calls are answered 429."""
    retry_after: str = "30"
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    """(method, pattern of the path) the caller has no permission for."""
    broken: set[tuple[str, str]] = field(default_factory=set)
    """(method, pattern of the path) that answer 500 with a page nobody can parse."""
    lose: set[tuple[str, str]] = field(default_factory=set)
    """(method, pattern of the path) that are carried out once, and whose answer is lost."""
    before: Callable[[str, str], None] = lambda _method, _path: None
    """Called before each request is looked at: the place for somebody else's hand."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    caller: str = ""
    """Token of the request at hand."""
    url: str = ""
    lock: threading.RLock = field(default_factory=threading.RLock)

    def connection(self, **changes: Any) -> Connection:
        return Connection(**({"host": self.url, "token": Secret(TOKEN), "timeout_seconds": 5.0} | changes))

    def sent(self, method: str, pattern: str = "") -> int:
        return sum(verb == method and re.search(pattern, path) is not None for verb, path in self.calls)

    def answer(self, method: str, path: str, query: dict[str, str], body: dict[str, Any]) -> Answer:
        parts = [unquote(part) for part in path.strip("/").split("/")]
        match method, parts:
            case "GET", ["api", "2.0", "serving-endpoints"]:
                return {"endpoints": self.endpoints.listed()}, {}
            case "POST", ["api", "2.0", "serving-endpoints"]:
                return self.endpoints.create(body), {}
            case "GET", ["api", "2.0", "serving-endpoints", name]:
                return self.endpoints.get(name), {}
            case "PUT", ["api", "2.0", "serving-endpoints", name, "config"]:
                return self.endpoints.update_config(name, body), {}
            case "PATCH", ["api", "2.0", "serving-endpoints", name, "tags"]:
                return self.endpoints.patch_tags(name, body), {}
            case "POST", ["serving-endpoints", name, "invocations"]:
                return self._invoked(*self.endpoints.invoke(name, body))
            case "POST", ["serving-endpoints", name, "served-models", entity, "invocations"]:
                return self._invoked(*self.endpoints.invoke(name, body, entity))
            case "GET", ["api", "2.2", "jobs", "get"]:
                return self.jobs.get(int(query["job_id"]), query.get("page_token", "")), {}
            case "POST", ["api", "2.2", "jobs", "update"]:
                return self.jobs.update(body), {}
            case "GET", ["api", "2.2", "jobs", "runs", "get"]:
                return self.jobs.get_run(int(query["run_id"]), history=query.get("include_history") == "true"), {}
            case "POST", ["api", "2.2", "jobs", "runs", "repair"]:
                return self.jobs.repair(body, self.models), {}
            case "GET", ["api", "2.1", "unity-catalog", "models"]:
                return self.models.listed(query), {}
            case "GET", ["api", "2.1", "unity-catalog", "models", name]:
                return self.models.described(name), {}
            case "GET", ["api", "2.1", "unity-catalog", "effective-permissions", "FUNCTION", name]:
                return self.models.effective(name, query), {}
            case _, ["api", "2.0", "mlflow", "unity-catalog", thing, action]:
                return self._registry(method, thing, action, query, body), {}
            case "POST", ["api", "2.0", "secrets", "put"]:
                return self._put_secret(body), {}
            case "GET", ["api", "2.0", "secrets", "get"]:
                return self._secret(query["scope"], query["key"]), {}
            case "GET", ["api", "2.0", "preview", "scim", "v2", "Me"]:
                return self._me(), {}
            case "GET", ["api", "2.0", "mlflow", "runs", "get"]:
                return self.models.run(query["run_id"]), {}
            case "GET", ["api", "2.0", "mlflow", "artifacts", "list"]:
                return self.models.artifacts(query), {}
            case "POST", ["api", "2.0", "mlflow", "logged-models", "search"]:
                return {"models": []}, {}
            case _, ["api", "2.0", "mlflow", "artifacts", "credentials-for-read" | "credentials-for-write"]:
                return self._signed(query | body), {}
            case "GET", ["signed", run_id, *inner]:
                return (self.models.run_files[run_id] / "/".join(inner)).read_bytes(), {}
            case "PUT", ["signed", run_id, *inner]:
                return self.models.keep_file(run_id, "/".join(inner), body["content"]), {}
            case "GET", ["api", "2.0", "fs", "directories", *inner]:
                return self.models.directory("/" + "/".join(inner)), {}
            case "GET", ["api", "2.0", "fs", "files", *inner]:
                return self.models.file("/" + "/".join(inner)), {}
        raise Refused(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {path}'")

    def _put_secret(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["scope"] not in self.scopes:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Scope {body['scope']} does not exist!")
        if len(body["string_value"]) > 128 * 1024:
            raise Refused(400, "MAX_SECRET_SIZE_EXCEEDED", "The secret is larger than 128 KB.")
        self.scopes[body["scope"]][body["key"]] = body["string_value"]
        return {}

    def _secret(self, scope: str, key: str) -> dict[str, Any]:
        text = self.scopes.get(scope, {}).get(key)
        if text is None:
            raise Refused(404, "RESOURCE_DOES_NOT_EXIST", f"Secret does not exist with scope: {scope} and key: {key}")
        return {"key": key, "value": b64encode(text.encode()).decode()}

    def _registry(
        self, method: str, thing: str, action: str, query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        match method, thing, action:
            case "GET", "registered-models", "get":
                return self.models.get_model(query["name"])
            case "GET", "registered-models", "search":
                return self.models.search_models(query)
            case "GET", "model-versions", "get":
                return self.models.get_version(query["name"], query["version"])
            case "GET", "model-versions", "search":
                return self.models.search_versions(query)
            case "POST", "registered-models", "alias":
                return self.models.set_alias(body)
            case "DELETE", "registered-models", "alias":
                return self.models.delete_alias(body)
            case "POST", "registered-models", "set-tag":
                return self.models.set_tag(body, of_version=False)
            case "POST", "model-versions", "set-tag":
                return self.models.set_tag(body, of_version=True)
            case "DELETE", "model-versions", "delete-tag":
                return self.models.delete_tag(body)
        raise Refused(404, "ENDPOINT_NOT_FOUND", f"No API found for '{method} {thing}/{action}'")

    def _signed(self, given: dict[str, Any]) -> dict[str, Any]:
        """Addresses of the cloud's store, where a file can be fetched without a token."""
        run_id, paths = given["run_id"], given["path"]
        paths = [paths] if isinstance(paths, str) else paths
        return {
            "credential_infos": [
                {"run_id": run_id, "path": path, "signed_uri": f"{self.url}/signed/{run_id}/{path}",
                 "type": "AWS_PRESIGNED_URL"}
                for path in paths
            ]
        }  # fmt: skip

    def _invoked(self, entity: str, answer: dict[str, Any]) -> Answer:
        return answer, {"served-model-name": entity} if self.endpoints.names_entity else {}

    def _me(self) -> dict[str, Any]:
        """Whose token the request carries; a token of the app is the app's own principal."""
        return self.people.get(self.caller, {"id": "1", "userName": "app", "displayName": "app", "active": True})

    def refuse(self, method: str, path: str, authorization: str) -> None:
        if path.startswith("/signed/"):
            return
        self.caller = authorization.removeprefix("Bearer ")
        if self.caller not in {*self.tokens, *self.people}:
            raise Refused(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API.")
        if _matches(self.forbidden, method, path):
            raise Refused(403, "PERMISSION_DENIED", "User does not have permission CAN_MANAGE on this endpoint.")
        if self.throttle:
            self.throttle -= 1
            message = "Too many requests."
            raise Refused(429, "REQUEST_LIMIT_EXCEEDED", message, {"Retry-After": self.retry_after})


def _matches(known: set[tuple[str, str]], method: str, path: str) -> tuple[str, str] | None:
    return next((item for item in known if item[0] == method and re.search(item[1], path)), None)


def _body(path: str, raw: bytes) -> dict[str, Any]:
    """What is put into the cloud's store are bytes of a file; everything else is JSON."""
    if path.startswith("/signed/"):
        return {"content": raw}
    try:
        found: dict[str, Any] = json.loads(raw) if raw else {}
    except ValueError as odd:
        raise Refused(400, "MALFORMED_REQUEST", f"The body for {path} is not JSON.") from odd
    return found


class Handler(BaseHTTPRequestHandler):
    """One answer of the workspace; whoever needs more of it makes a class of this one."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet; otherwise each answer waits 40 ms for an acknowledgement.
    wbufsize = 65536
    disable_nagle_algorithm = True
    platform: Platform

    def log_message(self, *_: Any) -> None:
        pass

    def serve(self) -> None:
        url = urlparse(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/.well-known/databricks-config":
            return self.reply(200, {"oidc_endpoint": f"{self.platform.url}/oidc", "workspace_id": "1"})
        if url.path.startswith("/oidc"):
            return self._sign_in(url.path)
        self.platform.before_waiting(self.command, url.path)
        if self.platform.slow_seconds and re.search(self.platform.slow_paths, url.path):
            time.sleep(self.platform.slow_seconds)
        self.platform.before(self.command, url.path)
        with self.platform.lock:
            self.platform.calls.append((self.command, url.path))
            lost = _matches(self.platform.lose, self.command, url.path)
            try:
                self.platform.refuse(self.command, url.path, self.headers.get("Authorization", ""))
                if _matches(self.platform.broken, self.command, url.path):
                    return self._reply_text(500, f"<html>{raw.decode()}</html>")
                body = _body(url.path, raw)
                query = dict(parse_qsl(url.query, keep_blank_values=True))
                answer, headers = self.platform.answer(self.command, url.path, query, body)
            except Refused as refused:
                return self.reply(refused.status, refused.body, refused.headers)
        if lost:
            self.platform.lose.discard(lost)
            self.close_connection = True
            self.connection.close()
            return None
        if isinstance(answer, bytes):
            return self.send(200, answer, {"Content-Type": "application/octet-stream", **headers})
        return self.reply(200, answer, headers)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815

    def _sign_in(self, path: str) -> None:
        if path.endswith("oauth-authorization-server"):
            endpoints = {"token_endpoint": f"{self.platform.url}/oidc/v1/token", "authorization_endpoint": "x"}
            return self.reply(200, endpoints)
        given = b64decode(self.headers.get("Authorization", "Basic ").removeprefix("Basic ")).decode()
        if tuple(given.split(":")) != CLIENT:
            return self.reply(401, {"error": "invalid_client", "error_description": f"Wrong secret {given}"})
        return self.reply(200, {"access_token": _ISSUED, "token_type": "Bearer", "expires_in": 3600})

    def reply(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self.send(status, json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})})

    def _reply_text(self, status: int, text: str) -> None:
        self.send(status, text.encode(), {"Content-Type": "text/html"})

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def a_workspace(
    platform: Platform | None = None, *, port: int = 0, answering: type[Handler] | None = None
) -> Iterator[Platform]:
    platform = platform or Platform()
    handler = type("Answering", (answering or Handler,), {"platform": platform})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    platform.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield platform
    finally:
        server.shutdown()
        server.server_close()
