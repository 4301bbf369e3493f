"""What a shadow run says about promises: sentences from numbers, and the comparison with them filled in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from services.inventory.models import ServiceLevel
from services.kernel.interval import share_of
from services.rollout.release_models import ShadowComparison
from services.rollout.release_ports import ShadowFacts

LEAST_FOR_P95 = 20
"""Below 20 requests the 95th percentile is simply the slowest one."""


def would_breach(found: ShadowComparison, level: ServiceLevel | None) -> tuple[str, ...]:
    """Promises that the candidate would have broken had it answered; none where nothing was promised."""
    if level is None:
        return ()
    return tuple(sentence for sentence in (_latency(found, level), _errors(found, level)) if sentence)


def _latency(found: ShadowComparison, level: ServiceLevel) -> str:
    asked, measured, promised = found.requests + found.dropped, found.candidate_p95_ms, level.p95_ms
    if promised is None or measured is None or asked < LEAST_FOR_P95 or measured <= promised:
        return ""
    cut = f", {found.dropped:,} of them dropped" if found.dropped else ""
    live = f" The live version: {found.live_p95_ms:,.0f} ms." if found.live_p95_ms is not None else ""
    return f"p95 {measured:,.0f} ms over {asked:,} copied requests{cut}; promised {promised:,.0f} ms.{live}"


def _errors(found: ShadowComparison, level: ServiceLevel) -> str:
    failed = share_of(found.candidate_errors, found.requests)
    # One failure among a hundred copies is noise: only a rate that is clearly over the promise breaks it.
    if failed is None or failed.low <= level.error_rate:
        return ""
    return (
        f"{found.candidate_errors:,} of {found.requests:,} copied requests failed ({failed.value:.2%}); "
        f"promised at most {level.error_rate:.2%}. The live version failed on {found.live_errors:,} of them."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedShadow:
    """ShadowFacts with the broken promises in words. `level_of` gives the service level of a deployment's model."""

    facts: ShadowFacts
    level_of: Callable[[str], ServiceLevel | None]

    def compare(
        self,
        deployment: str,
        *,
        live: str,
        candidate: str,
        since: datetime,
        until: datetime,
        threshold: float | None,
        tolerance: float | None,
    ) -> ShadowComparison:
        found = self.facts.compare(
            deployment,
            live=live,
            candidate=candidate,
            since=since,
            until=until,
            threshold=threshold,
            tolerance=tolerance,
        )
        return replace(found, would_breach=would_breach(found, self.level_of(deployment)))
