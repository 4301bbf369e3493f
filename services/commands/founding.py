"""`python -m services found`: the first people and entries of a deployment on a tracking server or on Databricks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.commands.tools import Tools


def add_found(app: typer.Typer, tools: Tools) -> None:
    """Adds the command `found`."""

    @app.command()
    def found(
        people: Annotated[Path, typer.Argument(help="YAML: deployment, and people with issuer, subject, name, roles.")],
    ) -> None:
        """Make tables, keys and the first entries of the ledger; each person types a passphrase. Once."""
        from services.kernel.secret import Secret
        from services.settings import read_settings
        from services.workspace import production

        def ask(name: str) -> Secret:
            return Secret(typer.prompt(f"Signing passphrase of {name}", hide_input=True, confirmation_prompt=True))

        with tools.spoken():
            settings = read_settings()
            first = production.read_people(people)
            genesis = production.found(settings, first, ask)
            print(f"Founded {first.deployment} with {len(first.people)} people.")
            print(f"Fingerprint of the first entry: {genesis}")
            print("Write it down where the database's administrators cannot change it: an auditor checks against it.")
