"""Makes the folder that is deployed: `python deploy/databricks/release.py ../countersign-release`.

The platform looks for app.yaml and requirements.txt at the root of the source, and installs what the latter names with
pip. So both are put there: requirements.txt is requirements.lock, every file with its digest.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SOURCE = ("app.py", "alembic.ini", ".streamlit/config.toml", "pages", "services", "static", "LICENSE")
DEPLOYMENT = ("app.yaml", "databricks.yml", "serving.json", "worker.py")
LARGEST = 10 * 1024 * 1024
"""Bytes: the platform takes no larger file into an app."""


def release(folder: Path) -> tuple[Path, ...]:
    """The files written, relative to `folder`, which must be empty or absent. Raises SystemExit."""
    if folder.exists() and any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty; name a new folder, so that nothing of an older release stays in it.")
    if ROOT in folder.resolve().parents:
        raise SystemExit(f"{folder} lies in the repository, whose .gitignore would hold files back; name one outside.")
    folder.mkdir(parents=True, exist_ok=True)
    for name in SOURCE:
        _copy(ROOT / name, folder / name)
    for name in DEPLOYMENT:
        _copy(HERE / name, folder / name)
    _copy(ROOT / "requirements.lock", folder / "requirements.txt")
    files = tuple(sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file()))
    large = [str(name) for name in files if (folder / name).stat().st_size > LARGEST]
    if large:
        raise SystemExit(f"The platform takes no file over 10 MB: {', '.join(large)}.")
    return files


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", ".*"))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


if __name__ == "__main__":
    made = release(Path(sys.argv[1]))
    print(f"{len(made)} files in {sys.argv[1]}. Edit app.yaml and serving.json there, then: databricks bundle validate")
