"""`python -m services backup` and `restore`: a copy that can be checked, and the way back that never hides a loss."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from services.commands.tools import Tools
from services.kernel.clock import SystemClock
from services.kernel.secret import Secret

_VARIABLE = "COUNTERSIGN_BACKUP_PASSPHRASE"


def add_backup(app: typer.Typer, tools: Tools) -> None:
    """Adds the commands `backup` and `restore`."""

    @app.command()
    def backup(
        folder: Annotated[Path, typer.Argument(help="Where backups lie; with --check, one of them.")],
        *,
        check: Annotated[bool, typer.Option("--check", help="Read a backup to its end instead of making one.")] = False,
        with_keys: Annotated[bool, typer.Option("--with-keys", help="Also the key folder, encrypted.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
    ) -> None:
        """Copy the governance database while it is in use, with its anchors. Keys only when asked for, encrypted."""
        from services.settings import read_settings
        from services.workspace import backup as work

        with tools.spoken():
            if check:
                manifest, place = work.check(folder), folder
            else:
                secret = _passphrase(confirm=True) if with_keys else None
                place, manifest = work.make(read_settings(), folder, clock=SystemClock(), keys_passphrase=secret)
                work.check(place)
            if as_json:
                tools.print_json({"folder": str(place), "manifest": manifest, "digest": work.digest_of(place)})
                return
            print(f"{place}: {manifest.entries:,} entries or more, revision {manifest.revision}, from {manifest.at}.")
            print(f"Every file was read and agrees. Digest of the manifest: {work.digest_of(place)}")
            if work.KEYS not in manifest.files:
                print("Keys are not in it: keep the key folder elsewhere, without it this log cannot be continued.")

    @app.command()
    def restore(
        folder: Annotated[Path, typer.Argument(help="One backup.")],
        *,
        keys: Annotated[bool, typer.Option("--keys", help="Also the key folder, from keys.sealed.")] = False,
    ) -> None:
        """Put a backup where the settings say; nothing that stands there is overwritten. Exit 6 when it is too old.

        A copy that is older than an anchor is restored for reading: no decision is taken on it.
        """
        from services.settings import read_settings
        from services.workspace import backup as work

        with tools.spoken():
            manifest = work.restore(read_settings(), folder, keys_passphrase=_passphrase() if keys else None)
            print(f"Restored {manifest.entries:,} entries or more, as of {manifest.at}.")
            receipt = work.record(read_settings(), tools.room().ledger, folder, manifest)
            tools.receipt(receipt.seq, receipt.leaf_hash, "The restore is recorded", False)
            print("Run python -m services verify, and let the worker run one round before anybody decides.")


def _passphrase(*, confirm: bool = False) -> Secret:
    """Never an argument."""
    given = os.environ.get(_VARIABLE)
    words = "Passphrase of the backup of keys"
    return Secret(
        given if given is not None else typer.prompt(words, hide_input=True, confirmation_prompt=confirm, err=True)
    )
