"""`python -m services value`: every figure of the board with formula, inputs, window, n and interval.

The same figures as the screen, from the same service. Nothing is written but lines of the portfolio that were old.
"""

from __future__ import annotations

from typing import Annotated

import typer

from services.commands.tools import Tools
from services.kernel.errors import InputError
from services.value.portfolio import WINDOW_DAYS, Portfolio
from services.value.portfolio_service import PortfolioService

_FORMATS = ("table", "json")


def add_value(app: typer.Typer, tools: Tools) -> None:
    """Adds the command `value`."""

    @app.command()
    def value(
        *,
        model: Annotated[str, typer.Option(help="Name of the model; the portfolio when left out.")] = "",
        form: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
        days: Annotated[int, typer.Option(min=1, max=1096, help="Length of the window.")] = 90,
    ) -> None:
        """What a model costs and returns, every figure with how it was computed."""
        from services.oversight import board_export

        with tools.spoken():
            if form not in _FORMATS:
                raise InputError(f"{form} is not a format.", hint="Choose table or json.")
            if model:
                document = board_export.of_model(tools.room().board.model(model, days=days))
            else:
                document = board_export.of_portfolio(_portfolio(tools.room().portfolio, days))
            if form == "json":
                tools.print_json(document)
            else:
                typer.echo("\n".join(board_export.lines(document)))


def _portfolio(service: PortfolioService, days: int) -> Portfolio:
    """The lines that the screen shows, brought up to date first; another window is computed and not kept."""
    if days != WINDOW_DAYS:
        return service.computed(days=days)
    while service.refresh():
        pass
    return service.everything()
