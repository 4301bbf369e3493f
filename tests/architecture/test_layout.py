"""The layout tells the truth about itself: folders, documents and contracts do not rot."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCREENS = sorted((ROOT / "pages" / "screens").glob("[!_]*.py"))


def test_pages_folder_holds_no_python_file_that_could_be_opened_without_the_frame() -> None:
    assert [file.name for file in (ROOT / "pages").glob("*.py")] == ["__init__.py"]


def test_every_slice_is_named_in_the_picture_of_the_house() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    slices = [folder.name for folder in (ROOT / "services").iterdir() if (folder / "__init__.py").exists()]
    assert [name for name in slices if f"services/{name}/" not in text] == []


def test_domain_reads_the_time_only_through_the_clock() -> None:
    offenders = []
    for file in (ROOT / "services").rglob("*.py"):
        if (
            "adapters" in file.parts
            or "workspace" in file.parts
            or file.name in {"clock.py", "supervisor.py", "worker.py"}
        ):
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"now", "utcnow", "today"}
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"datetime", "date"}
            ):
                offenders.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert offenders == []


@pytest.mark.parametrize("word", ["pickle", "eval", "exec"])
def test_nothing_is_unpickled_or_evaluated(word: str) -> None:
    offenders = []
    for file in [*(ROOT / "services").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]:
        for node in ast.walk(ast.parse(file.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == word
            imported = isinstance(node, ast.Import) and any(alias.name == word for alias in node.names)
            if called or imported:
                offenders.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert offenders == []


def test_screens_do_not_load_mlflow_or_databricks() -> None:
    modules = ", ".join(f"pages.screens.{file.stem}" for file in SCREENS)
    script = (
        "import ast, sys\n"
        "import services.container, pages.components.session\n"
        "heavy = sorted(name for name in ('mlflow', 'databricks.sdk') if name in sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + modules


def test_no_file_names_a_path_of_one_machine() -> None:
    needles = tuple(f"/{name}/" for name in ("home", "root"))
    offenders = [
        str(file.relative_to(ROOT))
        for folder in ("services", "pages", "docs")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".md", ".yaml", ".toml"} and any(needle in file.read_text() for needle in needles)
    ]
    assert offenders == []


def test_every_error_code_is_used_once() -> None:
    from services.kernel import errors

    codes = [
        value.code
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.ControlRoomError)
    ]
    assert len(codes) == len(set(codes))
