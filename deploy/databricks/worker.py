"""Entry of the worker job: reads the settings of the app from app.yaml and its secrets from the scope, then works.

The same code as `python -m services worker`; a second one waits for the lease of the first. The task's parameters name
what the app gets as a resource and is no secret, and where people reach it, for links in messages:
`secret-scope=SCOPE sql-warehouse=ID app-url=https://...`.
"""

from __future__ import annotations

import os
import sys
from base64 import b64decode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

Secrets = Callable[[str], str | None]
"""Key of the scope to its text; None where there is no such key."""
PRINCIPAL = {"DATABRICKS_CLIENT_ID": "client-id", "DATABRICKS_CLIENT_SECRET": "client-secret"}
RUNTIME = "DATABRICKS_RUNTIME_VERSION"
"""Set by the platform where its runtime gives the principal of the run a token by itself."""
_ONLY_OF_THE_APP = {"COUNTERSIGN_DATABRICKS_IDENTITY"}
"""Headers mean nothing to a worker."""


def environment(
    document: Mapping[str, Any],
    secret: Secrets,
    *,
    host: str,
    resources: Mapping[str, str],
    platform: Mapping[str, str] = os.environ,
) -> dict[str, str]:
    """What app.yaml says, and what an app is given by the platform and a job is not: the workspace and who signs in.

    Raises SystemExit, with a sentence, for what nobody gave.
    """
    found = {"DATABRICKS_HOST": host}
    pair = {variable: secret(key) for variable, key in PRINCIPAL.items()}
    if all(pair.values()):
        found |= {variable: text for variable, text in pair.items() if text}
        # Named, so that what else the job's environment holds is neither used nor in the way.
        found["DATABRICKS_AUTH_TYPE"] = "oauth-m2m"
    elif any(pair.values()):
        raise SystemExit(f"The secret scope holds only one of {' and '.join(PRINCIPAL.values())}: put in both or none.")
    elif RUNTIME not in platform:
        raise SystemExit(
            "The runtime gives this job no token of its own: put client-id and client-secret of the principal that "
            "database-url names into the secret scope."
        )
    for item in document["env"]:
        if item["name"] not in _ONLY_OF_THE_APP:
            found[item["name"]] = item["value"] if "value" in item else _of(item["valueFrom"], secret, resources)
    if resources.get("app-url"):
        found.setdefault("COUNTERSIGN_NOTIFY_BASE_URL", resources["app-url"])
    return found


def _of(name: str, secret: Secrets, resources: Mapping[str, str]) -> str:
    text = resources.get(name) or secret(name)
    if not text:
        raise SystemExit(f"app.yaml asks for {name}: it is neither a parameter of this task nor in the secret scope.")
    return text


def scope_of(client: Any, scope: str) -> Secrets:
    from databricks.sdk.errors import NotFound

    def secret(key: str) -> str | None:
        try:
            return b64decode(client.secrets.get_secret(scope, key).value or "").decode() or None
        except NotFound:
            return None

    return secret


def own_folder(named: str | None, command: str) -> Path:
    """Some runtimes run a file without telling it its name; the command line then says it."""
    return Path(named or command).resolve().parent


def root_of(folder: Path) -> Path:
    """Where `services` lies: beside this file in a release, two folders up in the repository."""
    return folder if (folder / "services").is_dir() else folder.parents[1]


def main() -> None:
    from databricks.sdk import WorkspaceClient

    here = own_folder(globals().get("__file__"), sys.argv[0])
    resources = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    client = WorkspaceClient()
    document = yaml.safe_load((here / "app.yaml").read_text())
    secret = scope_of(client, resources.get("secret-scope", "countersign"))
    os.environ.update(environment(document, secret, host=client.config.host, resources=resources))
    root = root_of(here)
    os.chdir(root)
    sys.path.insert(0, str(root))
    sys.argv = ["services", "worker"]
    from services.__main__ import app

    app()


if __name__ == "__main__":
    main()
