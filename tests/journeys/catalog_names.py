"""A copy of this project in which the demonstration's models have names of Unity Catalog.

    python -m tests.journeys.catalog_names FOLDER

Unity Catalog knows `catalog.schema.model` only, and everything in a ledger is signed under the name it has. So the
names are replaced before anything is prepared: in the demonstration, in its policies and in the journeys, letter by
letter, nothing else. Its people are known by the workspace that will say who they are.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.journeys.running import ROOT

SCHEMA = "main.claims"
MODELS = ("delay" + "_claim_score", "claims" + "_triage", "payout" + "_forecast", "plan" + "_utilisation")
"""Written in two pieces: this file is copied as well."""
PORT = 18650
"""Where the workspace on localhost answers: part of its address, and so of who people are."""
WORKSPACE = f"http://127.0.0.1:{PORT}"
_ISSUER = "countersign:" + "demo"
_RENAMED = ("services", "tests/journeys")
_NAMES = re.compile(rf"(?<!{re.escape(SCHEMA)}\.)\b({'|'.join(MODELS)})\b")


def renamed(text: str) -> str:
    return _NAMES.sub(rf"{SCHEMA}.\1", text).replace(_ISSUER, WORKSPACE)


def copy(folder: Path) -> None:
    """Everything that belongs to the project, afresh; pictures and logs of a run before stay."""
    for name in ("pages", "services", "tests"):
        shutil.rmtree(folder / name, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    for name in filter(None, listed):
        source, target = ROOT / name, folder / name
        if not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if name.startswith(_RENAMED) and source.suffix in {".py", ".yaml"}:
            target.write_text(renamed(source.read_text()))
        else:
            shutil.copyfile(source, target)


if __name__ == "__main__":
    copy(Path(sys.argv[1]))
