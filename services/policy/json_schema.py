"""The published JSON Schema of policy documents, made from the models: for editors and for other tools.

It says what shape a document has. What shapes cannot say (expressions, stages that fit the quorum) is checked when a
document is read. `python -m services policy schema` prints it; the file beside this module is that output.
"""

from __future__ import annotations

import json
from pathlib import Path

from services.policy.schema import PolicyDocument

FILE = Path(__file__).with_name("policy.schema.json")


def schema_text() -> str:
    schema = PolicyDocument.model_json_schema(by_alias=True)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Countersign policy of one risk tier",
        "description": "One document per tier; unknown keys are refused.",
    }
    return json.dumps({**schema, **head}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
