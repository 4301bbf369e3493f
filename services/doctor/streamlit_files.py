"""Where Streamlit looks for its configuration and its secrets, found out without starting it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_FOLDER = ".streamlit"
_LINE = re.compile(r"at line (\d+)")


class UnreadableError(Exception):
    """Why a file cannot be read, without anything of what is in it."""


def read_toml(file: Path) -> dict[str, Any]:
    """Raises UnreadableError."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as odd:
        line = _LINE.search(str(odd))
        raise UnreadableError("is not TOML" + (f": line {line[1]}" if line else "")) from None
    except UnicodeDecodeError:
        raise UnreadableError("is not text in UTF-8") from None
    except OSError as odd:
        raise UnreadableError(f"cannot be read ({type(odd).__name__})") from None


def secrets_files(environment: Mapping[str, str], folder: Path) -> tuple[Path, ...]:
    """In the order they are read. A variable wins over the configuration files, these over the two usual places."""
    named = environment.get("STREAMLIT_SECRETS_FILES", "").split()
    if not named:
        found = _option("secrets", "files", folder)
        named = [found] if isinstance(found, str) else list(found) if isinstance(found, list) else []
    if named:
        return tuple(folder / str(name) for name in named)
    return Path.home() / _FOLDER / "secrets.toml", folder / _FOLDER / "secrets.toml"


def trusts_headers(environment: Mapping[str, str], folder: Path) -> bool:
    """Whether Streamlit takes people from headers of the request."""
    said = environment.get("STREAMLIT_SERVER_TRUSTED_USER_HEADERS", "").strip()
    return bool(said and said != "{}") or bool(_option("server", "trustedUserHeaders", folder))


def _option(section: str, name: str, folder: Path) -> Any:
    """Of the configuration file of the account and of the folder; the latter wins."""
    found: Any = None
    for home in (Path.home(), folder):
        file = home / _FOLDER / "config.toml"
        if file.is_file():
            try:
                said = read_toml(file).get(section)
            except UnreadableError:
                continue
            found = said.get(name, found) if isinstance(said, dict) else found
    return found
