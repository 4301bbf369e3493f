"""Ben signs what each model is measured against before it goes live, Dana how it is watched; Fiona attests the months
that Ben proposes, or cuts them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from services.adapters.local.estate.catalog import load_at_risk
from services.attestation import documents
from services.container import ControlRoom
from services.kernel.errors import RefusalError
from services.kernel.ids import new_id
from services.kernel.secret import Secret
from services.monitoring.monitors import SaveMonitor
from services.monitoring.proposing import DEFAULT_THRESHOLDS
from services.value import periods
from services.value.periods import AttestPeriod, ProposePeriod
from services.value.statements import SignStatement
from services.workspace.cast import BEN, DANA, Cast

logger = logging.getLogger(__name__)

FIONA = "fiona.finance"
MONTHS = 3
_WINDOWS = (7, 1, 14, 28)
"""A week judges; a day shows a storm, four weeks a slow change."""
_CUT = Decimal("0.8")
_CENT = Decimal("0.01")


def sign_baseline(cast: Cast, model: str) -> None:
    """The figures of the catalog become version 1 of the value statement."""
    cast.room.statements.sign(
        SignStatement(
            command_id=cast.command(),
            config=cast.room.value.config(model),
            based_on=0,
            reason="Agreed before the first release; what is estimated is marked as an assumption.",
            passphrase=cast.passphrase(BEN),
        ),
        actor=cast.actor(BEN),
    )


def sign_monitor(cast: Cast, model: str) -> None:
    """The monitor this deployment began with, with every level and what a breach costs, as version 2 under a name."""
    begun = cast.room.monitors.view(model).versions[0].item
    cast.room.monitors.save(
        SaveMonitor(
            command_id=cast.command(),
            monitor=replace(
                begun.monitor, windows=_WINDOWS, thresholds=DEFAULT_THRESHOLDS, impact=load_at_risk()[model]
            ),
            based_on=begun.version,
            reason="Levels and money at risk agreed with Ben before the first release.",
            passphrase=cast.passphrase(DANA),
        ),
        actor=cast.actor(DANA),
    )


def keep_months(room: ControlRoom, models: tuple[str, ...]) -> int:
    """The last months that are over, oldest first: attested, cut, and the newest left for finance. How many."""
    done = 0
    for model in models:
        found = [
            month for month in reversed(room.statements.proposable(model, back=MONTHS)) if _propose(room, model, month)
        ]
        for number, month in enumerate(found[:-1]):
            _attest(room, model, month, cut=number == 1)
        done += len(found)
    return done


def _propose(room: ControlRoom, model: str, month: str) -> bool:
    """False where there is nothing to claim, or less than nothing."""
    try:
        claim = room.statements.claim(model, month)
    except RefusalError as nothing:
        logger.info("%s: %s", month, nothing.message)
        return False
    if Decimal(claim.benefit) <= 0:
        return False
    command = ProposePeriod(
        command_id=new_id("cmd", room.clock.now()),
        model=model,
        period=month,
        seen=documents.digest(periods.document(claim)),
        passphrase=_passphrase(room, BEN),
    )
    room.statements.propose(command, actor=room.people.sign_in_demo(BEN))
    return True


def _attest(room: ControlRoom, model: str, month: str, *, cut: bool) -> None:
    state = next(item for item in room.statements.months(model) if item.period == month)
    if state.proposal is None:
        return
    claimed = state.proposal.amount
    command = AttestPeriod(
        command_id=new_id("cmd", room.clock.now()),
        model=model,
        period=month,
        seen=state.proposal.sha256,
        amount=str((claimed * _CUT).quantize(_CENT, rounding=ROUND_DOWN) if cut else claimed),
        reason="The worth of one unit is an estimate; a fifth is held back until it is measured." if cut else "",
        passphrase=_passphrase(room, FIONA),
    )
    room.statements.attest(command, actor=room.people.sign_in_demo(FIONA))


def _passphrase(room: ControlRoom, subject: str) -> Secret:
    accounts = {account.subject: account.passphrase for account in room.people.demo_accounts()}
    return Secret(accounts[subject])
