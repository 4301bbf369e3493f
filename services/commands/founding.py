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
        after: Annotated[Path | None, typer.Option(help="What state-loss wrote about the log before.")] = None,
    ) -> None:
        """Make tables, keys and the first entries of the ledger; each person types a passphrase. Once.

        With --after a new log begins where the one before was lost, and both administrators sign what is lost.
        """
        from services.kernel.secret import Secret
        from services.ledger import epochs
        from services.settings import read_settings
        from services.workspace import losing, production

        def ask(name: str) -> Secret:
            return Secret(typer.prompt(f"Signing passphrase of {name}", hide_input=True, confirmation_prompt=True))

        with tools.spoken():
            settings = read_settings()
            first = production.read_people(people)
            loss = losing.read(after) if after is not None else None
            if loss is not None:
                admins = production.administrators(first)
                print(epochs.sentence(epochs.document(loss, stated_by=admins)))
                print("The first two administrators sign this with the first entry of the new log.")
            genesis = production.found(settings, first, ask, after=loss)
            print(f"Founded {first.deployment} with {len(first.people)} people.")
            print(f"Fingerprint of the first entry: {genesis}")
            print("Write it down where the database's administrators cannot change it: an auditor checks against it.")

    @app.command(name="state-loss")
    def state_loss(
        file: Annotated[Path, typer.Argument(help="Where to write it.")],
        *,
        reason: Annotated[str, typer.Option(help="What happened, in a sentence; it is kept for good.")],
    ) -> None:
        """Write down what is lost of a ledger that was restored shorter than its anchors. Nothing is added to it."""
        from services.kernel.clock import SystemClock
        from services.ledger import epochs
        from services.settings import read_settings
        from services.workspace import losing

        with tools.spoken():
            loss = losing.examine(read_settings(), reason=reason, clock=SystemClock())
            losing.write(loss, file)
            print(epochs.sentence(epochs.document(loss, stated_by=[{"name": "nobody yet"}])))
            print(f"Written to {file}. Keep this database, its anchors and its keys for reading.")
            print(f"Found the next log elsewhere: python -m services found PEOPLE --after {file}")
