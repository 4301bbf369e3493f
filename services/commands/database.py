"""`python -m services migrate`: brings the tables to this release, as the account that owns them."""

from __future__ import annotations

from typing import Annotated

import typer

from services.commands.tools import Tools


def add_database(app: typer.Typer, tools: Tools) -> None:
    """Adds the command `migrate`."""

    @app.command()
    def migrate(
        *,
        check: Annotated[
            bool, typer.Option("--check", help="Only say what is missing; exit 1 when anything is.")
        ] = False,
        to: Annotated[
            str,
            typer.Option(help="A revision to go to instead, also an earlier one; --check of a release names its own."),
        ] = "",
        lose: Annotated[
            bool, typer.Option("--lose", help="On the way back, also where rows have no place in the older shape.")
        ] = False,
    ) -> None:
        """Bring the governance database to this release, as the owner of its tables, before the new release starts.

        With --to it goes to another revision: back, before an older release is installed, while app and worker stand.
        Where `deploy/postgres-roles.sql` was run, app, worker and auditor get their rights on the tables there are.
        """
        from services.workspace.upgrade import bring_to, bring_up_to_date, revisions

        with tools.spoken():
            if to:
                stored, _ = revisions()
                lost = bring_to(to, lose=lose)
                print(f"Brought from revision {stored or 'none'} to {to}.")
                print("\n".join(f"Lost: {sentence}." for sentence in lost), end="\n" if lost else "")
                return
            stored, newest = revisions()
            if stored == newest:
                print(f"The governance database is at revision {newest}, as this release needs it.")
            elif check:
                print(f"The governance database is at revision {stored or 'none'}; this release needs {newest}.")
                raise typer.Exit(1)
            if not check:
                bring_up_to_date()
                if stored != newest:
                    print(f"Brought from revision {stored or 'none'} to {newest}.")
