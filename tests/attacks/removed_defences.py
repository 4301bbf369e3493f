"""Takes each defence out of a copy of the project and sees that the test named for the attack then fails.

`python -m tests.attacks.removed_defences` runs all; words after it choose attacks by a part of their name. A test that
still passes without the defence it is named for proves nothing: the command then ends with 1. It takes minutes, so it
is a command of its own and not part of `make test`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.attacks.removal import Removal
from tests.attacks.removals import NAMED
from tests.attacks.removals_by_row import BY_ROW

ROOT = Path(__file__).resolve().parents[2]
_COPIED = ("services", "pages", "tests", "static", "app.py", "pyproject.toml", "alembic.ini", "docs", ".streamlit")


REMOVALS = (*NAMED, *BY_ROW)


def without(removal: Removal) -> dict[str, str]:
    """The changed files and their text. Raises SystemExit when a text to remove is not there."""
    changed: dict[str, str] = {}
    for cut in removal.cuts:
        text = changed.get(cut.file) or (ROOT / cut.file).read_text()
        if cut.old not in text:
            raise SystemExit(f"{removal.attack}: the text to remove is not in {cut.file}; update this list.")
        changed[cut.file] = text.replace(cut.old, cut.new, 1)
    return changed


@contextmanager
def _without(removal: Removal) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="removed-") as name:
        copy = Path(name)
        for part in _COPIED:
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / part)
        for file, text in without(removal).items():
            (copy / file).write_text(text)
        yield copy


def _passes(folder: Path, test: str) -> tuple[bool, str]:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            test,
            "-q",
            "-x",
            "--no-header",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:randomly",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(("E  ", "FAILED", "ERROR"))]
    if done.returncode not in {0, 1}:
        raise SystemExit(f"{test} could not be run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0, lines[0].strip() if lines else ""


def main(words: list[str]) -> int:
    chosen = [item for item in REMOVALS if not words or any(word in item.attack for word in words)]
    survivors = 0
    for removal in chosen:
        with _without(removal) as folder:
            passed, why = _passes(folder, removal.test)
        survivors += passed
        state = "STILL PASSES" if passed else "fails"
        print(
            f"{state:13} {removal.attack} | {removal.defence} | {removal.test.split('/')[-1]} | {why[:110]}", flush=True
        )
    print(f"{len(chosen) - survivors} of {len(chosen)} tests fail without their defence.")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
