"""What a person signs when a shadow run is closed: its figures, and the version and request they are about."""

from __future__ import annotations

from services.kernel.clock import utc_text
from services.kernel.errors import BrokenChainError
from services.rollout.models import Basis
from services.rollout.ports import Attestations
from services.rollout.release_models import Release, ShadowComparison

CLOSED = "shadow-closed"


def closure_detail(release: Release, found: ShadowComparison, allowed_by: Basis) -> dict[str, str]:
    """Detail of the signed event. The verifiers read `request`, `entry` and `sha256`; people read the sentence."""
    return {
        "release": release.release_id,
        "request": release.request_id,
        "entry": str(allowed_by.request_seq),
        "version": release.candidate,
        "sha256": release.candidate_sha256,
        "base": release.base or "",
        "since": utc_text(found.since),
        "until": utc_text(found.until),
        "days": f"{found.days:.2f}",
        "records": str(found.records),
        "requests": str(found.requests),
        "dropped": str(found.dropped),
        "agreement": _number(found.agreement, 4),
        "agreementLow": _number(found.agreement_low, 4),
        "agreementHigh": _number(found.agreement_high, 4),
        "meanDifference": _number(found.mean_difference, 6),
        "psi": _number(found.psi, 4),
        "liveP95": _number(found.live_p95_ms, 1),
        "candidateP95": _number(found.candidate_p95_ms, 1),
        "liveErrors": str(found.live_errors),
        "candidateErrors": str(found.candidate_errors),
        "wouldBreach": " ".join(found.would_breach),
        "method": found.method,
        "judgedBy": found.judged_by,
        "sentence": _sentence(release, found),
    }


def require_closure(attestations: Attestations, release: Release) -> None:
    """The recorded closure is the signed one, about this request and these files. Raises TrustError."""
    seq, leaf = release.shadow_closed or (-1, "")
    said = attestations.require_valid(seq, leaf)
    detail = said.get("detail", {})
    signed = (said.get("event"), detail.get("request"), detail.get("version"), detail.get("sha256"))
    if signed != (CLOSED, release.request_id, release.candidate, release.candidate_sha256):
        raise BrokenChainError(f"Entry {seq} does not close the shadow run of version {release.candidate}.")


def _sentence(release: Release, found: ShadowComparison) -> str:
    lasted = (
        f"{release.model} version {release.candidate} ran {found.days:.1f} days beside version {release.base} on "
        f"{found.records:,} records ({found.method})"
    )
    parts = [lasted]
    if found.agreement is not None:
        parts.append(
            f"{found.agreement * 100:.1f} % same decisions" + (f", {found.judged_by}" if found.judged_by else "")
        )
    if found.psi is not None:
        parts.append(f"score shift (PSI) {found.psi:.3f}")
    if found.candidate_p95_ms is not None:
        parts.append(f"p95 {found.candidate_p95_ms:.0f} ms")
    parts.append(f"{found.candidate_errors:,} failed copies")
    breaches = f" Would have broken: {' '.join(found.would_breach)}" if found.would_breach else ""
    return f"{'; '.join(parts)}.{breaches}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"
