"""Rows as people read them: actions with their steps, deployments with desired and observed side by side."""

from __future__ import annotations

from services.rollout import plan
from services.rollout.differences import adoptable
from services.rollout.models import Action, ActionView, Deployment, DeploymentView


def action_view(action: Action, steps: tuple[tuple[str, str], ...]) -> ActionView:
    return ActionView(
        action_id=action.action_id,
        model=action.model,
        kind=action.kind,
        state=action.state,
        from_version=action.from_version,
        to_version=action.to_version,
        routes=action.routes,
        requested_by=action.requested_by,
        created_at=action.created_at,
        finished_at=action.finished_at,
        steps=steps,
        detail=action.detail,
        seq_intent=action.seq_intent,
        seq_outcome=action.seq_outcome,
        restored_seconds=action.restored_seconds,
    )


def deployment_view(
    deployment: Deployment, signed_plan: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
) -> DeploymentView:
    """`signed_plan` is what the machine may do by itself, in words, and who signed that."""
    share = deployment.candidate_share
    served = deployment.observed.routes if deployment.observed and not deployment.problem else None
    return DeploymentView(
        model=deployment.model,
        deployment=deployment.deployment,
        kind=deployment.kind,
        desired=deployment.desired,
        champion=deployment.champion,
        observed=None if deployment.problem else deployment.observed,
        observed_at=deployment.observed_at,
        problem=deployment.problem,
        alias_champion=deployment.alias_champion,
        plan=deployment.plan,
        candidate=deployment.candidate,
        next_share=plan.next_share(deployment.plan, share) if deployment.candidate else None,
        finding=deployment.finding,
        live_since=deployment.live_since,
        finding_kind=deployment.finding_kind,
        finding_since=deployment.finding_since,
        finding_seq=deployment.finding_seq,
        changes=deployment.changes,
        adoptable_version=adoptable(deployment.changes, served=served),
        rollback_plan=signed_plan[0],
        plan_signers=signed_plan[1],
    )
