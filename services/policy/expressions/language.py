"""Reads an expression once, checks it, and answers it for one version's evidence. Nothing is ever passed to eval.

CEL through cel-python: of the kept libraries it alone hands out the parsed expression with places, so that names and
types can be checked before a policy is published. Answers are yes, no, or "cannot be answered", which blocks.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import celpy
from celpy.adapter import json_to_cel
from celpy.celparser import CELParseError
from celpy.evaluation import CELEvalError

from services.policy.evidence import Evidence
from services.policy.expressions.checking import Checked, RefusedExpressionError, check
from services.policy.expressions.names import NAMES, values

LONGEST = 1_000
"""Characters. A rule that needs more is two rules."""
_DEEPEST = 16
"""Brackets inside brackets."""
_MOST_STEPS = 200_000
_KEPT = 256

# The library's parser and evaluator keep state between calls.
_lock = threading.RLock()


class UnansweredError(Exception):
    """The expression could not be answered; the text says why, as a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    text: str
    checked: Checked
    program: Any

    def answer(self, evidence: Evidence, *, tier: int) -> bool:
        """Raises UnansweredError when something it needs was not measured, or it would take too long."""
        found = values(evidence, tier=tier)
        lacking = [
            f"{name}.{key}"
            for name, key in sorted(self.checked.needs - self.checked.guarded)
            if key not in found.get(name, {})
        ]
        if lacking:
            raise UnansweredError(f"Not measured: {', '.join(lacking)}.")
        longest = max((len(item) for item in found.values() if isinstance(item, list)), default=0)
        if self.checked.nodes * max(longest, 1) ** self.checked.loops > _MOST_STEPS:
            raise UnansweredError(f"It would go over {longest} items too often to be answered.")
        try:
            with _lock:
                answer = self.program.evaluate(json_to_cel(found))
        except (CELEvalError, ArithmeticError, ValueError, TypeError, LookupError, RecursionError) as failed:
            raise UnansweredError("It needs a value that was not measured.") from failed
        if not isinstance(answer, (bool, celpy.celtypes.BoolType)):
            raise UnansweredError("It gave no clear answer.")
        return bool(answer)


@lru_cache(maxsize=_KEPT)
def compiled(text: str) -> Expression:
    """Raises RefusedExpressionError: not CEL, too long, an unknown name, types that do not fit."""
    if len(text) > LONGEST:
        raise RefusedExpressionError(f"an expression has at most {LONGEST} characters, this one {len(text)}")
    _require_shallow(text)
    environment = celpy.Environment()
    try:
        with _lock:
            tree = environment.compile(text)
            return Expression(text=text, checked=check(tree, NAMES), program=environment.program(tree))
    except CELParseError as wrong:
        place = f" at line {wrong.line}, column {wrong.column}" if wrong.line else ""
        raise RefusedExpressionError(f"this is not CEL{place}") from wrong
    except RecursionError as deep:
        raise RefusedExpressionError("the expression is nested too deeply") from deep


def _require_shallow(text: str) -> None:
    depth = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if depth > _DEEPEST:
            raise RefusedExpressionError(f"brackets are nested deeper than {_DEEPEST}")
