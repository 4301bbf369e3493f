"""What the policy of a request asks of a counting signature beside the passphrase. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from services.approvals.models import Decision
from services.approvals.records import PromotionRequest
from services.kernel.errors import FreshLoginNeededError
from services.kernel.identity import Actor
from services.policy.models import SigningTerms

_COUNTING = frozenset({Decision.APPROVE, Decision.ACKNOWLEDGE})
_NOTHING = SigningTerms()


def of(request: PromotionRequest, decision: Decision) -> SigningTerms:
    """Turning down, taking back and revoking ask for nothing more: stopping must stay possible without a token."""
    terms = request.frozen.terms.signing
    return terms if terms is not None and decision in _COUNTING else _NOTHING


def require_fresh_login(request: PromotionRequest, decision: Decision, actor: Actor, *, now: datetime) -> None:
    """Raises FreshLoginNeededError unless the provider itself says that the login is young enough."""
    minutes = of(request, decision).fresh_login_minutes
    if minutes is None:
        return
    if actor.login is None or actor.login.auth_time is None:
        why = "it began without an identity provider" if actor.login is None else "the provider does not say"
        raise FreshLoginNeededError(
            f"The policy asks for a login at most {minutes} minutes old, and this session cannot show when you logged "
            f"in: {why}.",
            hint="An administrator has to set up sign-in with a provider that states it, or change the policy.",
        )
    if now - actor.login.auth_time > timedelta(minutes=minutes):
        age = round((now - actor.login.auth_time).total_seconds() / 60)
        raise FreshLoginNeededError(
            f"The policy asks for a login at most {minutes} minutes old; yours is {age} minutes old.",
            hint="Log in again at the provider, then sign.",
        )
