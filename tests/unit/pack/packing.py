"""A pack service over a test deployment, with real folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from services.adapters.files.packs import PackFiles
from services.adapters.files.policies import PolicyFolder
from services.adapters.sql.evidence import SqlPackFacts
from services.adapters.sql.ledger_index import SqlLedgerIndex
from services.audit.pack.models import PackInfo, PackScope
from services.audit.pack.service import PackService
from services.kernel.identity import Actor
from tests.contract.deployment import Deployment

POLICIES = Path(__file__).resolve().parents[3] / "services" / "policy" / "documents"


@dataclass(frozen=True, kw_only=True)
class Packer:
    log: Deployment
    service: PackService

    def actor(self, subject: str) -> Actor:
        return self.log.people.sign_in_demo(subject)

    def build_for(self, subject: str = "otto.auditor", scope: PackScope | None = None) -> PackInfo:
        return self.service.build(scope or PackScope(), actor=self.actor(subject))


def packer(log: Deployment) -> Packer:
    service = PackService(
        reader=log.book,
        index=SqlLedgerIndex(log.database),
        anchors=log.anchors,
        facts=SqlPackFacts(log.database),
        folder=PackFiles(log.home / "packs"),
        policies=PolicyFolder(POLICIES),
        people=log.people,
        ledger=log.ledger,
        desk=log.desk,
        keys=log.desk,
        clock=log.clock,
    )
    return Packer(log=log, service=service)
