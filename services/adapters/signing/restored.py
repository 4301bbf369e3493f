"""Where a ledger ended when it was restored shorter than its anchors: one small file beside the anchors' folder.

People who sign in there to look, or send traffic back, leave entries on the copy. Those are another history: only what
came before this place is held of the ledger that was anchored. The file proves nothing; its root must be the log's own.
"""

from __future__ import annotations

import json
from pathlib import Path

from services.kernel.errors import StorageUnavailableError

_FILE = "restored-short.json"


def keep_place(home: Path, *, size: int, root: str) -> None:
    """Before anything is added to the copy; the first place counts. `root` is hexadecimal.

    Raises StorageUnavailableError when it cannot be written.
    """
    try:
        with (home / _FILE).open("x", encoding="ascii") as file:
            file.write(json.dumps({"size": size, "root": root}))
    except FileExistsError:
        return
    except OSError as full:
        raise StorageUnavailableError(
            f"It cannot be written down where the restored ledger ends ({full.strerror}).",
            hint="Look at disk space and rights of the home folder.",
        ) from full


def forget_place(home: Path) -> None:
    """The ledger holds everything that was anchored: an earlier loss was made good.

    Raises StorageUnavailableError when the file stays.
    """
    try:
        (home / _FILE).unlink(missing_ok=True)
    except OSError as kept:
        raise StorageUnavailableError(f"{_FILE} of an earlier restore cannot be removed ({kept.strerror}).") from kept


def place(home: Path) -> tuple[int, str] | None:
    """(size, root); None where nothing readable was written down."""
    try:
        read = json.loads((home / _FILE).read_text(encoding="ascii"))
        return int(read["size"]), str(read["root"])
    except (OSError, ValueError, TypeError, KeyError):
        return None
