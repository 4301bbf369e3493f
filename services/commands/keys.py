"""`python -m services keys`: the key folder as one secret, for processes without a lasting disk."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from services.commands.tools import Tools


class Use(StrEnum):
    SERVICE = "service"
    LOG = "log"
    MACHINE = "machine"


def keys_app(tools: Tools) -> typer.Typer:
    """The commands `put`, `export` and `next`."""
    app = typer.Typer(help="Keys of the deployment, for machines without a lasting disk.", no_args_is_help=True)

    @app.command()
    def put(
        place: Annotated[
            str, typer.Argument(help="databricks-secret:SCOPE/KEY; COUNTERSIGN_KEY_BUNDLE if left out.")
        ] = "",
    ) -> None:
        """Put the key folder and the fingerprint of the first entry into a secret scope, as one secret."""
        from services import key_bundle
        from services.kernel.errors import InputError
        from services.settings import read_settings

        with tools.spoken():
            settings = read_settings()
            to = place or settings.key_bundle
            if not to:
                raise InputError("Name the secret: python -m services keys put databricks-secret:SCOPE/KEY.")
            names = key_bundle.send(settings, to)
            print(f"Put {', '.join(names)} and the fingerprint of the first entry into {to}.")
            print(
                "Whoever may read it can sign as this deployment: give READ to the principals of app and worker alone."
            )

    @app.command()
    def export(
        file: Annotated[Path, typer.Argument(help="A file that does not exist; only its owner can read it.")],
    ) -> None:
        """Write the same into a file, for a secret store of your own. Delete it afterwards."""
        from services import key_bundle
        from services.settings import read_settings

        with tools.spoken():
            names = key_bundle.export(read_settings(), file)
            print(f"{file} holds {', '.join(names)} and the fingerprint of the first entry. It is a secret as a whole.")

    @app.command(name="next")
    def make_next(use: Annotated[Use, typer.Argument(help="Which key is to be replaced.")]) -> None:
        """Make the key that two administrators put into use; then put the bundle again, before they sign."""
        from services import key_bundle
        from services.settings import read_settings

        with tools.spoken():
            key_id = key_bundle.prepare_next(read_settings(), use.value)
            print(f"The next {use.value} key is {key_id}. It signs nothing before two administrators said so.")
            print("Next: python -m services keys put, restart app and worker, then People, Keys.")

    return app
