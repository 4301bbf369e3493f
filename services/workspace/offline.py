"""The offline rollback put together without the database: key folder, run folder and what serves, nothing else."""

from __future__ import annotations

import os
import pwd
import socket

from services import databases, on_databricks
from services.adapters.files.offline import OfflineJournal, OfflineTargetsFile
from services.adapters.local.serving import LocalServing
from services.adapters.signing.machine_seal import MachineSeal
from services.adapters.sql.answering import why_away
from services.kernel.clock import SystemClock
from services.profile_rules import Profile
from services.rollout.offline import OfflineRollback
from services.rollout.ports import ServingPlatform
from services.settings import Settings


def offline_rollback(settings: Settings) -> OfflineRollback:
    return OfflineRollback(
        shelf=OfflineTargetsFile(settings.run_folder, MachineSeal(settings.keys_folder)),
        journal=OfflineJournal(settings.run_folder),
        serving=_serving(settings),
        why_away=lambda: why_away(settings.governance_url, tuning=databases.tuning_of(settings)),
        clock=SystemClock(),
    )


def _serving(settings: Settings) -> ServingPlatform:
    if settings.profile is Profile.DATABRICKS:
        return on_databricks.serving(settings, SystemClock())
    return LocalServing(settings.endpoint_url, token_file=settings.keys_folder / "gateway.token")


def account() -> str:
    """Who the operating system says types, and where: not what the environment claims."""
    try:
        who = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        who = f"uid {os.getuid()}"
    return f"{who}@{socket.gethostname()}"
