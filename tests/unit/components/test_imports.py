"""Opening the app must not load the heavy libraries of the registry or of a vendor."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

SCRIPT = """
import ast, pathlib, importlib, sys
import pages.components.frame, pages.components.preparing
import pages.components.decision_forms, pages.components.traffic_forms
for file in pathlib.Path("pages/screens").glob("[!_]*.py"):
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module != "__future__":
            importlib.import_module(node.module)
heavy = sorted(name for name in ("mlflow", "databricks", "sklearn", "plotly.express", "altair") if name in sys.modules)
assert not heavy, heavy
"""


def test_screens_do_not_load_mlflow_or_databricks() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_charts_and_tables_know_no_streamlit() -> None:
    for name in ("charts", "tables", "badges", "format"):
        text = (ROOT / "pages" / "components" / f"{name}.py").read_text()
        assert "import streamlit" not in text
        assert "pages.components.session" not in text
