"""How long a share is kept at least, and on how many requests, before the next one. Pure.

A share that answers more needs the same number of requests and gets them sooner; the time is for what depends on time
of day, not on load, and grows with what is at stake.
"""

from __future__ import annotations

from datetime import timedelta

from services.rollout.release_models import Release, StageRules

_RULES = StageRules(min_time=timedelta(minutes=30), min_requests=200)


def stage_rules(release: Release) -> StageRules:  # noqa: ARG001 - a later release may ask for more where more is at stake
    return _RULES
