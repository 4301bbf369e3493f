"""Founding a log takes a third of a second, and almost every test begins with one: it is done once per process.

What a test gets is a copy of the files (SQLite) or of the database (PostgreSQL), with keys of its own folder.
"""

from __future__ import annotations

import atexit
import secrets
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_MADE: dict[str, Path] = {}


def copied(key: str, home: Path, make: Callable[[Path], None]) -> None:
    """`home` then holds what `make` leaves in an empty folder."""
    template = _MADE.get(key)
    if template is None:
        folder = Path(tempfile.mkdtemp(prefix="founded-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        make(folder)
        template = _MADE[key] = folder
    shutil.copytree(template, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.lock"))


def cloned(key: str, url: str, home: Path, make: Callable[[str, Path], None]) -> None:
    """The empty PostgreSQL database at `url` becomes a copy of the one that `make` filled, and `home` of its files."""
    import psycopg
    from sqlalchemy.engine import make_url

    name = make_url(url).database
    server = url.replace(f"/{name}?", "/postgres?")
    kept = f"{server}:{key}"
    template = _MADE.get(kept)
    if template is None:
        folder = Path(tempfile.mkdtemp(prefix="founded-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        (folder / "name").write_text(f"founded_{secrets.token_hex(6)}")
        _create(server, (folder / "name").read_text(), "template0")
        (folder / "home").mkdir()
        make(url.replace(f"/{name}?", f"/{(folder / 'name').read_text()}?"), folder / "home")
        template = _MADE[kept] = folder
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}"')
    _create(server, str(name), (template / "name").read_text())
    shutil.copytree(template / "home", home, dirs_exist_ok=True)


def _create(server: str, name: str, template: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
