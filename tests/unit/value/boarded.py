"""A whole control room over forty days of generated Parquet, with a statement that was signed before."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd

from services.adapters.files.policies import PolicyFolder
from services.adapters.signing.desk import KeyDesk
from services.adapters.sql.database import Database
from services.adapters.sql.inventory import SqlInventory
from services.adapters.sql.people import SqlKeyStore
from services.adapters.sql.setup import create_schema, found_deployment
from services.container import ControlRoom, open_control_room
from services.inventory.models import RegistrySnapshot
from services.kernel.clock import FrozenClock
from services.kernel.secret import Secret
from services.ledger.founding import NewPerson
from services.people.accounts import DEMO_ACCOUNTS, DEMO_ISSUER
from services.settings import Settings
from services.value.models import Baseline, BenefitRule, ValueConfig
from services.value.statements import SignStatement
from tests.builders import CHEAP, PASSPHRASES, POLICIES, a_model, a_version
from tests.unit.monitoring.facts_on_disk import NOON, TODAY, at, labels, predictions, requests, write

MODEL, DAYS, DAILY = "m", 40, 100
CONFIG = ValueConfig(
    model=MODEL,
    benefits=(
        BenefitRule(
            id="rework", title="Rework avoided", quantity="avoided_rework", unit_value=Decimal(40),
            unit_low=Decimal(30), unit_high=Decimal(50), assumed="40 USD each, stated by Ben Okafor", source="Finance",
        ),
        BenefitRule(
            id="referrals", title="Right referrals", quantity="correct_referrals", unit_value=Decimal(3),
            unit_low=Decimal(2), unit_high=Decimal(4), assumed="", source="Claims paid back",
        ),
    ),
    baselines=(
        Baseline(
            id="override_rate", title="Rework", before=Decimal(15), unit="%", lower_is_better=True, source="2029 report"
        ),
        Baseline(
            id="referral_precision", title="Right referrals", before=Decimal("0.3"), unit="share",
            lower_is_better=False, source="Rule of 2029 on the same claims",
        ),
    ),
    setup_cost=Decimal(9_000),
    monthly_cost_fixed=Decimal(300),
    cost_source="Project ledger",
    monthly_budget=Decimal(305),
    decision_threshold=0.7,
)  # fmt: skip


@dataclass
class Boarded:
    room: ControlRoom
    folder: Path
    clock: FrozenClock

    def sign(self, config: ValueConfig = CONFIG, *, by: str = "ben.business") -> None:
        newest = self.room.statements.view(config.model).newest
        self.room.statements.sign(
            SignStatement(
                command_id=secrets.token_hex(4),
                config=config,
                based_on=newest.version if newest else 0,
                reason="Agreed with finance.",
                passphrase=Secret(PASSPHRASES[by]),
            ),
            actor=self.room.people.sign_in_demo(by),
        )


def boarded(folder: Path) -> Boarded:
    """`folder` becomes the home. The caller disposes of `room.database`."""
    settings, clock = Settings(home=folder), FrozenClock(NOON)
    database = Database(settings.governance_url)
    create_schema(database)
    desk = KeyDesk.create(SqlKeyStore(database), settings.keys_folder, clock, deployment="test", cost=CHEAP)
    people = tuple(
        NewPerson(
            issuer=DEMO_ISSUER,
            subject=account.subject,
            name=account.name,
            roles=(account.role,),
            passphrase=Secret(account.passphrase),
        )
        for account in DEMO_ACCOUNTS
    )
    texts = PolicyFolder(POLICIES).texts().values()
    found_deployment(database, desk, clock=clock, profile="embedded", people=people, policies=texts)
    room = open_control_room(settings, clock=clock)
    room.inventory.register_catalog((a_model(name=MODEL),))
    SqlInventory(database).apply(RegistrySnapshot(versions=(a_version("1", model=MODEL),), aliases=()), clock.now())
    database.dispose()
    _record(settings.inference_folder)
    for refresh in (room.monitoring, room.reliability, room.feedback, room.corrections, room.value):
        refresh.refresh()
    room.performance_cubes.run()
    return Boarded(room=room, folder=settings.inference_folder, clock=clock)


def _record(folder: Path) -> None:
    """Predictions, labels, reviews, requests and use of every day; the generator is fixed."""
    chance = np.random.default_rng(7)
    for back in range(DAYS):
        day = TODAY - timedelta(days=back)
        scores = chance.uniform(size=DAILY)
        made = predictions(day, pd.DataFrame({"x": chance.normal(size=DAILY)}), scores)
        write(folder, "predictions", MODEL, day, made)
        if back:
            truth = chance.uniform(size=DAILY) < scores * 0.8
            write(folder, "labels", MODEL, day + timedelta(days=1), labels(made, truth.astype(float)), name=f"of-{day}")
        write(folder, "reviews", MODEL, day, _reviews(day, chance))
        write(folder, "requests", MODEL, day, requests(day, chance.normal(40, 5, size=DAILY)).assign(deployment=MODEL))
        for component in ("serving", "training"):
            write(folder, "usage", MODEL, day, _usage(day, component, chance), name=component)
        write(folder, "usage", "gone", day, _usage(day, "serving", chance).assign(model="gone"), name="serving")


def _reviews(day: date, chance: np.random.Generator) -> pd.DataFrame:
    """A second version answers beside the first, as on the days of a release."""
    n = 20
    return pd.DataFrame(
        {"prediction_id": [f"{day}-1-live-{number}" for number in range(n)],
         "version": ["1" if number % 2 else "2" for number in range(n)], "reviewed_at": at(day, n),
         "reviewer": "r", "decision": 1.0, "predicted": 0.0, "corrected": chance.uniform(size=n) < 0.06,
         "reason_code": "X"}
    )  # fmt: skip


def _usage(day: date, component: str, chance: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {"model": [MODEL], "version": ["1"], "component": [component], "day": [day],
         "cpu_seconds": [float(chance.uniform(1_000, 9_000))], "bytes": [2 * 10**9], "wall_seconds": [1.0]}
    )  # fmt: skip
