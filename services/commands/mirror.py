"""`python -m services mirror`: how far the copies of system tables reach, what was lost, and the rows copied last."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from services.commands.tools import Tools
from services.kernel.clock import utc_text


def add_mirror(app: typer.Typer, tools: Tools) -> None:
    """Adds the command `mirror`."""

    @app.command()
    def mirror(
        source: Annotated[str, typer.Argument(help="Name of a copy; all of them when left out.")] = "",
        *,
        limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows of one copy.")] = 20,
        as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    ) -> None:
        """Copies of the platform's system tables: age, retention, gaps, and their newest rows."""
        with tools.spoken():
            copies = tools.room().mirror
            if source:
                rows = [
                    {name: _plain(value) for name, value in row.items()} for row in copies.newest(source, limit=limit)
                ]
                tools.print_json(rows)
                return
            found = copies.standing()
            if as_json:
                tools.print_json([
                    {
                        "source": item.source.name, "table": item.source.table, "state": item.state.value,
                        "sentence": item.sentence, "rows": item.rows, "through": _plain(item.copied.through),
                        "copied_at": _plain(item.copied.copied_at), "since": _plain(item.copied.since),
                        "expires_in_days": item.expires_in,
                        "rows_late": item.late.rows if item.late else 0,
                        "gaps": [[gap.first.isoformat(), gap.last.isoformat()] for gap in item.gaps],
                    }
                    for item in found
                ])  # fmt: skip
                return
            for item in found:
                print(f"{item.source.name:16} {item.state.value:8} {item.rows:>10,} rows  {item.sentence}")
            if not found:
                print("Nothing is copied here: COUNTERSIGN_DATABRICKS_MIRROR is empty.")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    return utc_text(value) if hasattr(value, "tzinfo") else value.isoformat()
