"""A world with its monitors, wired as the container does, and small tables of another estate."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from services.adapters.files.access import AccessFile
from services.adapters.sql.monitoring import SqlMonitoring
from services.adapters.sql.public_keys import SqlPublicKeys
from services.adapters.warehouse.source_reader import EstateReader
from services.adapters.warehouse.sources import Estates
from services.attestation.models import Receipt
from services.inventory.access import CLEAR, AccessRules, Mask, MaskKind
from services.kernel.secret import Secret
from services.ledger.attempts import RecordingDesk
from services.monitoring.monitor_service import MonitorService
from services.monitoring.monitors import Monitor, SaveMonitor
from services.monitoring.proposing import Worth
from services.rollout.attested import CheckedEntries
from tests.builders import MODEL, World

DANA, CLARA, ADA = "dana.datascience", "clara.compliance", "ada.admin"
GUARDED = "It guards version 3, which is live under a policy with rollback rules."


@dataclass(slots=True)
class Rules:
    """Access rules as a test sets them: personal data is shown in bands, everything else as it is."""

    said: AccessRules = field(
        default_factory=lambda: AccessRules(
            by_tag=(("PII", Mask(kind=MaskKind.BAND, size="10")), ("not personal", CLEAR)), untagged=CLEAR
        )
    )

    def rules(self) -> AccessRules:
        return self.said


@dataclass(slots=True, kw_only=True)
class Monitored:
    world: World
    service: MonitorService
    estates: Estates
    guarded: dict[str, str] = field(default_factory=dict)
    rules: Rules | AccessFile = field(default_factory=Rules)

    def save(self, monitor: Monitor, *, by: str = DANA, sign: bool = False, **changes: Any) -> Receipt:
        view = self.service.view(monitor.model)
        values: dict[str, Any] = {
            "command_id": secrets.token_hex(4),
            "monitor": monitor,
            "based_on": view.versions[0].item.version if view.versions else 0,
            "reason": "Agreed with the claims team.",
            "passphrase": self.world.secret(by) if sign else None,
        }
        return self.service.save(SaveMonitor(**(values | changes)), actor=self.world.actor(by))

    def default(self) -> Monitor:
        return self.service.propose_default(MODEL)


def monitored(world: World, folder: Path, *, connections: Mapping[str, str] | None = None) -> Monitored:
    root = folder / "imports"
    root.mkdir(exist_ok=True)
    estates = Estates(folders=(root,), connections=Secret(json.dumps(dict(connections or {}))))
    guarded: dict[str, str] = {}
    rules = Rules()
    service = MonitorService(
        units=world.units,
        catalog=world.inventory,
        sketches=SqlMonitoring(world.database),
        people=world.people,
        ledger=world.ledger,
        desk=RecordingDesk(world.desk, world.ledger),
        attestations=CheckedEntries(
            reader=world.book,
            service_key=world.desk.service_key,
            person_keys=SqlPublicKeys(world.database),
            machine_key=world.desk.machine_key,
        ),
        reader=EstateReader(estates),
        access=rules,
        guarding=lambda model: guarded.get(model, ""),
        worth=lambda _model: Worth(per_day=Decimal(1200), currency="USD", basis="Recorded benefit of 30 days."),
        clock=world.clock,
    )
    return Monitored(world=world, service=service, estates=estates, guarded=guarded, rules=rules)
