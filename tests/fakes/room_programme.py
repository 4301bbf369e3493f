"""The board of a fake room: facts by hand, judged by the real queries."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.errors import InputError, StorageUnavailableError, UnknownModelError
from services.programme.models import Board, Standing
from services.programme.raci import Line, matrix
from services.programme.service import judged
from services.programme.tasks import Facts
from tests.fakes.room_sample import HOSTILE, MODELS, NOW

if TYPE_CHECKING:
    from tests.fakes.room import FakeRoom

CASES = (("delay-cover", "Flight delay cover"), ("none", "Without a use case"))


def facts(model: GovernedModel, words: str = "") -> Facts:
    """Days 1 to 60 are done for two models; what comes later is missing or cannot be read."""
    done = model.name in {"claims_triage", "delay_claim_score"}
    return Facts(
        model=model.name, supplied=model.kind is DeploymentKind.VENDOR, tier=int(model.tier),
        missing_metadata=() if done else (words or "Label definition", "Latency contract"), versions=3, with_run=3,
        newest="3", measured=True, tables=2, broken_rules=0 if done else 1, policy="tier-1 version 3", lineage=True,
        evaluated=True if done else None, live="3" if done else "", promise=True, falls_back=True, monitor=2,
        drift_n=41_280, reviewed=928 if done else 0, drafts=1 if done else 0, approved=2, benefit=done, cost_days=90,
        on_call="Sam Ortiz", orphans=1 if model.name == "plan_utilisation" else 0, duties=7,
        problems=() if done else (("evaluated", words or "The registry does not answer."),),
    )  # fmt: skip


class FakeProgramme:
    def __init__(self, room: FakeRoom) -> None:
        self._room = room

    def mark(self) -> str:
        return str(len(self._room.written))

    def use_cases(self) -> tuple[tuple[str, str], ...]:
        self._readable()
        if self._room.mode == "empty":
            return ()
        return tuple((ident, HOSTILE if self._room.hostile else title) for ident, title in CASES)

    def board(self, use_case: str) -> Board:
        titles = dict(self.use_cases())
        if use_case not in titles:
            raise InputError("There is no use case with models of this name.")
        models = MODELS[:2] if use_case == "delay-cover" else MODELS[2:]
        words = HOSTILE if self._room.hostile else ""
        lost = Standing(
            use_case="none", task="tables", closed=True, since=NOW - timedelta(days=2), sentence="", reopened=0,
            checked_at=NOW,
        )  # fmt: skip
        known = {
            ("none", "tables"): lost,
            ("delay-cover", "gates"): replace(lost, use_case="delay-cover", task="gates"),
        }
        return Board(
            use_case=use_case, title=titles[use_case], models=tuple(model.name for model in models),
            tasks=judged([facts(model, words) for model in models], use_case, known),
        )  # fmt: skip

    def responsibilities(self, model: str) -> tuple[Line, ...]:
        self._readable()
        found = next((item for item in MODELS if item.name == model), None)
        if found is None:
            raise UnknownModelError(f"There is no model called {model!r}.")
        return matrix(found, orphaned=["data_science_lead"] if model == "plan_utilisation" else [])

    def _readable(self) -> None:
        if self._room.mode == "unavailable":
            raise StorageUnavailableError("The governance database cannot be reached.")
