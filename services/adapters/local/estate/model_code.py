"""Where the code of logged models is; kept apart because importing those files declares a model to MLflow."""

from __future__ import annotations

from pathlib import Path

RULE_MODEL = Path(__file__).with_name("rule_model.py")
PIPELINE_MODEL = Path(__file__).with_name("pipeline_model.py")
