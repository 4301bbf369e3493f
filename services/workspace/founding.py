"""The first minutes of a workspace: its database, its keys, its people, the first entry of its ledger."""

from __future__ import annotations

import secrets
from datetime import datetime

from services.adapters.files.policies import PolicyFolder
from services.adapters.signing.desk import EMBEDDED, KeyDesk
from services.adapters.sql.database import Database
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.setup import create_schema, found_deployment
from services.kernel.clock import FrozenClock
from services.ledger.founding import Replay
from services.people.accounts import demo_people
from services.settings import Settings


def found(settings: Settings, *, at: datetime, replay_from: datetime | None, replay_to: datetime | None) -> str:
    """Creates database, keys and genesis with the demonstration people; the genesis fingerprint to pin.

    `at` is the time the first entries state. Raises ConflictError or TrustError when something is already there.
    """
    for folder in (settings.home, settings.anchors_folder, settings.logs_folder, settings.run_folder):
        folder.mkdir(parents=True, exist_ok=True)
    clock = FrozenClock(at)
    database = Database(settings.governance_url)
    try:
        create_schema(database)
        desk = KeyDesk.create(
            SqlKeyStore(database),
            settings.keys_folder,
            clock,
            deployment=f"embedded-{secrets.token_hex(4)}",
            cost=EMBEDDED,
        )
        people = demo_people(prepared_at=replay_to or at)
        span = Replay(start=replay_from, end=replay_to) if replay_from and replay_to else None
        return found_deployment(
            database,
            desk,
            clock=clock,
            profile=settings.profile.value,
            people=people,
            replay=span,
            policies=PolicyFolder(settings.policy_folder).texts().values(),
        )
    finally:
        database.dispose()
