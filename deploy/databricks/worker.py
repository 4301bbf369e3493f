"""Entry of the worker job: reads the settings of the app from app.yaml and secrets from the scope, then works.

The same code as `python -m services worker`; a second one waits for the lease of the first.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def environment(document: dict[str, Any], secret: Any) -> dict[str, str]:
    """What app.yaml says; `secret` gives the text behind a resource. Headers mean nothing to a worker."""
    found = {}
    for item in document["env"]:
        name = item["name"]
        if name != "COUNTERSIGN_DATABRICKS_IDENTITY":
            found[name] = item["value"] if "value" in item else secret(item["valueFrom"])
    return found


def main() -> None:
    from databricks.sdk import WorkspaceClient

    scope = os.environ.get("SETTINGS_SECRET_SCOPE", "countersign")
    secrets = WorkspaceClient().dbutils.secrets
    document = yaml.safe_load((HERE / "app.yaml").read_text())
    os.environ.update(environment(document, lambda key: secrets.get(scope, key)))
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    sys.argv = ["services", "worker"]
    from services.__main__ import app

    app()


if __name__ == "__main__":
    main()
