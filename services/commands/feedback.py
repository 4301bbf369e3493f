"""`python -m services feedback ...`: corrections from a file, and the rates they give."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.commands.tools import Tools
from services.kernel.errors import InputError

if TYPE_CHECKING:
    from services.feedback.corrections import Checked
    from services.feedback.rework import Rework

_SHOWN = 50


def feedback_app(tools: Tools) -> typer.Typer:
    app = typer.Typer(help="Corrections people made: import them, see the rates.", no_args_is_help=True)

    @app.command("import")
    def import_corrections(
        file: Annotated[Path, typer.Argument(help="CSV in UTF-8: prediction_id,corrected_value,reason_code,reviewer")],
        *,
        model: Annotated[str, typer.Option(help="Name of the registered model.")],
        subject: Annotated[str, typer.Option("--as", help="Who acts: an account of the embedded workspace.")],
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Check only; nothing is recorded.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    ) -> None:
        """Record reviewed predictions, all or none. A fault per line goes to standard error; exit 2 with any."""
        from services.feedback.corrections import ImportFile

        with tools.spoken():
            command = ImportFile(command_id=secrets.token_hex(16), model=model, name=file.name, data=_bytes(file))
            room = tools.room()
            actor = tools.actor(room, subject)
            checked = room.corrections.check_file(command, actor=actor)
            _refuse_faults(checked, tools, as_json=as_json)
            words = f"{checked.rows:,} reviewed predictions of {model}, {checked.corrected:,} of them corrected"
            if dry_run:
                print(f"Nothing was recorded. The file holds {words}, without a fault.")
                return
            receipt = room.corrections.import_file(command, actor=actor)
            tools.receipt(receipt.seq, receipt.leaf_hash, f"Recorded {words}", as_json, rows=str(checked.rows))

    @app.command("rates")
    def rates(
        model: Annotated[str, typer.Argument(help="Name of the registered model.")],
        *,
        days: Annotated[int, typer.Option(min=7, max=365, help="Days of prediction.")] = 60,
        as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    ) -> None:
        """Override and rework rate of one model, with denominators."""
        with tools.spoken():
            found = tools.room().corrections.rework(model, days=days)
            if as_json:
                tools.print_json(found)
                return
            _say(found)

    return app


def _refuse_faults(checked: Checked, tools: Tools, *, as_json: bool) -> None:
    """One line per fault; nothing happens without one."""
    if not checked.faults:
        return
    for fault in checked.faults[:_SHOWN]:
        print(f"line {fault.line}: {fault.column}: {fault.sentence}", file=sys.stderr)
    if len(checked.faults) > _SHOWN:
        print(f"and {len(checked.faults) - _SHOWN:,} more", file=sys.stderr)
    if as_json:
        tools.print_json({"rows": checked.rows, "recorded": 0, "faults": checked.faults})
    raise InputError(
        f"Nothing was recorded: {len(checked.faults):,} faults in {checked.rows:,} lines.",
        hint="Correct these lines and import the whole file again.",
    )


def _say(found: Rework) -> None:
    print(f"predictions of {found.start} to {found.end}. {found.delay.sentence}")
    for name, rate in (("override", found.override), ("rework", found.rework)):
        share = f"{rate.estimate.value:.1%}" if rate.estimate else "unknown"
        print(f"{name:9} {share:8} {rate.hits:,} of {rate.n:,}")
    for code, n in found.reasons:
        print(f"  {code:24} {n:,}")


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as broken:
        raise InputError(f"{file} cannot be read ({broken.strerror}).", hint="Name a file in CSV.") from broken
