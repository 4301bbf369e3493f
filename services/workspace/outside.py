"""Somebody changes the registry without Countersign: run as a process of its own by the test panel.

python -m services.workspace.outside alias MODEL ALIAS VERSION
"""

from __future__ import annotations

import sys

from services.settings import read_settings


def main(words: list[str]) -> int:
    what, model, alias, version = words
    settings = read_settings()
    if what != "alias" or not settings.has_test_panel:
        sys.stderr.write("This is for the test panel of the embedded workspace only.\n")
        return 2
    import mlflow

    mlflow.MlflowClient(settings.registry_uri, settings.registry_uri).set_registered_model_alias(model, alias, version)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
