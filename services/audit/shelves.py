"""What is kept about an entry outside the ledger: run, data sets, report, policy, progress lines, receipt."""

from __future__ import annotations

from collections.abc import Callable

from services.audit.completeness import Shelf
from services.audit.history import Fact
from services.evaluation.ports import FactStore
from services.inventory.models import GovernedModel, ModelVersion
from services.inventory.service import InventoryService
from services.kernel.errors import ControlRoomError, TrustError
from services.ledger import note
from services.ledger.ports import LedgerReader
from services.policy.service import PolicyService

Steps = Callable[[str], tuple[tuple[str, str], ...]]
"""Action id to its progress lines."""


class Shelves:
    """Reads copies only: it answers while registry and serving platform are away."""

    def __init__(
        self,
        *,
        inventory: InventoryService,
        facts: FactStore,
        policy: PolicyService,
        reader: LedgerReader,
        steps: Steps,
    ) -> None:
        self._inventory = inventory
        self._facts = facts
        self._policy = policy
        self._reader = reader
        self._steps = steps

    def __call__(self, fact: Fact) -> Shelf:
        governed, version = self._governed(fact.model), self._version(fact.model, fact.version)
        facts = self._facts.facts(fact.model, fact.version) if fact.version else None
        return Shelf(
            run_id=version.run_id if version else "",
            datasets=tuple((data.name, data.digest) for data in version.datasets) if version else (),
            evaluation_sha256=facts.evaluation_sha256 if facts and facts.evaluation else "",
            lineage=len(governed.lineage) if governed else 0,
            policy_sha256=self._policy_sha256(governed),
            steps=self._steps_of(fact.text("id")),
            receipt=self._vouched() > fact.seq,
        )

    def _governed(self, model: str) -> GovernedModel | None:
        try:
            return self._inventory.model(model) if model else None
        except ControlRoomError:
            return None

    def _version(self, model: str, version: str) -> ModelVersion | None:
        try:
            return self._inventory.version(model, version) if version else None
        except ControlRoomError:
            return None

    def _policy_sha256(self, governed: GovernedModel | None) -> str:
        try:
            return self._policy.for_model(governed).ref.sha256 if governed else ""
        except ControlRoomError:
            return ""

    def _steps_of(self, action_id: str) -> tuple[tuple[str, str], ...]:
        try:
            return self._steps(action_id) if action_id.startswith("act-") else ()
        except ControlRoomError:
            return ()

    def _vouched(self) -> int:
        newest = self._reader.checkpoint()
        try:
            return note.read(newest).size if newest else 0
        except TrustError:
            return 0
