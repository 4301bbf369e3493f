"""`python -m services doctor`: is everything there, allowed and of the right release?"""

from __future__ import annotations

import os
from typing import Annotated

import typer

from services.commands.tools import Tools


def add_doctor(app: typer.Typer, tools: Tools) -> None:
    """Adds the command `doctor`."""

    @app.command()
    def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False) -> None:
        """Look at every connection, permission and version. Nothing is changed and no secret is shown.

        Exit 1 when something is not in order, or when that could not be found out.
        """
        from services.doctor import examine
        from services.doctor.models import in_order, lines, summary

        results = examine(os.environ)
        if as_json:
            tools.print_json({"in_order": in_order(results), "results": results})
        else:
            print("\n".join((*lines(results), "", summary(results))))
        if not in_order(results):
            raise typer.Exit(1)
