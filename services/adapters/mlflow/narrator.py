"""A chat model behind MLflow's deployments client: a Databricks serving endpoint or an MLflow AI gateway."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from services.adapters.mlflow.loading import load_mlflow
from services.kernel.errors import ServingUnavailableError

_SECONDS = "60"
_TOKENS = 600
_TASK = (
    "You explain the findings of a model evaluation to a compliance officer in at most ten plain sentences. "
    "Use only the figures given, with their units. Say what is good, what is not, and what is not known. "
    "Do not recommend approval or refusal."
)


class ChatNarrator:
    """Implements evaluation.harness.ports.Narrator."""

    def __init__(self, address: str) -> None:
        """`address` is `TARGET#ENDPOINT`, as in `databricks#chat` or `http://127.0.0.1:5000#chat`."""
        self._target, _, self._endpoint = address.partition("#")

    def tell(self, findings: Mapping[str, Any]) -> str:
        """Raises ServingUnavailableError, whatever the endpoint did instead of answering."""
        os.environ.setdefault("MLFLOW_DEPLOYMENT_PREDICT_TIMEOUT", _SECONDS)
        load_mlflow()
        from mlflow.deployments import get_deploy_client

        messages = [
            {"role": "system", "content": _TASK},
            {"role": "user", "content": json.dumps(findings, sort_keys=True)},
        ]
        client: Any = get_deploy_client  # untyped in MLflow
        try:
            answer = client(self._target).predict(
                endpoint=self._endpoint, inputs={"messages": messages, "max_tokens": _TOKENS, "temperature": 0.0}
            )
            return str(answer["choices"][0]["message"]["content"])
        except Exception as fault:  # the client raises what its transport raises, and answers differ by vendor
            raise ServingUnavailableError(
                f"The chat endpoint {self._endpoint} did not answer ({type(fault).__name__})."
            ) from fault
