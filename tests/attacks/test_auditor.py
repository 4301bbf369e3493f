"""An auditor changes nothing: every write of every service is walked, and a new one has to be placed here first."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any

from services.container import ControlRoom
from services.kernel.errors import ControlRoomError, RefusalError
from services.kernel.identity import ROLE_PERMISSIONS, Permission, Role
from services.kernel.secret import Secret
from services.people.ceremonies import AskForKey
from tests.builders import MODEL, World

READS = {
    "people": {"may", "permissions", "require", "views", "open_session", "renew_session", "record_view"},
    "delegations": {"candidates"},
    "keys": {"ceremonies"},
    "passkeys": {"own", "all_counting"},
    # A review or a mark of what was read binds nobody; both need the right to look and nothing more.
    "approvals": {"counts", "draft", "get", "mark_seen", "open_review", "queue"},
    "rollout": set(),
    "exceptions": {"refusal_to_decide", "refusal_to_end"},
    "emergency": {"refusal_to_review", "targets", "open_review"},
    "oversight": {"home"},
    "incidents": {"view"},
    "classification": {"refusal_to_decide"},
    "rows": {"inputs"},
    "packs": {"build", "jobs", "packs", "read", "start"},
    "reports": {"export"},
    "alerts": {"view"},
    "notices": {"channels", "kinds", "mine", "unread", "mark_read", "mark_all_read"},
}
"""Reading, and what an auditor's own permissions name: drawing samples, building packs."""
BELOW = {"ledger"}
"""Called by services that have asked before; no screen holds it for writing."""
WRITES = {
    "delegations.grant",
    "delegations.withdraw",
    "keys.ask_for_key",
    "keys.propose",
    "keys.sign",
    "keys.withdraw",
    "columns.tag",
    "stewardship.fill_in",
    "stewardship.assign_owner",
    "stewardship.mark_reviewed",
    "stewardship.save_use_case",
    "stewardship.record_release",
    "classification.propose",
    "classification.decide",
    "approvals.submit",
    "approvals.sign_off",
    "approvals.confirm_with_passkey",
    "passkeys.begin",
    "passkeys.enrol",
    "rollout.advance",
    "rollout.plan_advance",
    "releases.plan",
    "releases.take",
    "rollout.plan_rollback",
    "rollout.roll_back",
    "batch.publish",
    "batch.quarantine",
    "batch.rerun",
    "fallbacks.edit",
    "fallbacks.start_drill",
    "fallbacks.tick",
    "fallbacks.finish_drill",
    "fallbacks.plan",
    "fallbacks.switch",
    "incidents.report",
    "incidents.take",
    "incidents.assign",
    "incidents.change_severity",
    "incidents.state_impact",
    "incidents.link",
    "incidents.save_post_mortem",
    "incidents.close",
    "incidents.finish_follow_up",
    # Two readings of a table that is not in the inventory yet: whoever may not point a monitor there may not look.
    "monitors.columns",
    "monitors.preview",
    "monitors.save",
    "monitors.propose_import",
    "alerts.acknowledge",
    "alerts.snooze",
    "alerts.wake",
    "alerts.close",
    "alerts.raise_incident",
    "data_health.change_rules",
    "corrections.record",
    "corrections.import_file",
    "corrections.check_file",
    "training_sets.propose",
    "retraining.skip",
    "exceptions.propose",
    "exceptions.decide",
    "exceptions.end",
    "emergency.plan",
    "emergency.release",
    "emergency.review",
    "notices.send_test",
    "publishing.publish",
    "harness.start",
    "harness.cancel",
    "statements.sign",
    "statements.propose",
    "statements.attest",
    "reviews.keep",
    "reviews.retire",
}


NEED_AN_OBJECT = {
    "approvals.confirm_with_passkey",
    "exceptions.decide",
    "exceptions.end",
    "emergency.review",
    "incidents.finish_follow_up",
}
"""These look up what they are about first, and there is none here: they end before they ask who acts."""


class Anything:
    """Stands for any command: a refusal must come before it is looked at."""

    def __getattr__(self, name: str) -> Any:
        return Secret("x") if name == "passphrase" else "x"


def _acting() -> set[str]:
    """Every public method of a service that is told who acts."""
    found = set()
    hints = typing.get_type_hints(ControlRoom)
    for field in dataclasses.fields(ControlRoom):
        service = hints[field.name]
        if not inspect.isclass(service) or not service.__module__.startswith("services.") or field.name in BELOW:
            continue
        for name, method in inspect.getmembers(service, inspect.isfunction):
            if not name.startswith("_") and "actor" in inspect.signature(method).parameters:
                found.add(f"{field.name}.{name}")
    return found


def test_every_method_that_is_told_who_acts_is_placed_here() -> None:
    reads = {f"{service}.{name}" for service, names in READS.items() for name in names}

    assert _acting() - reads - WRITES - LATER == set()


LATER = {"rollout.plan_revert", "rollout.revert"}
"""Walked below where the service has them."""


def test_auditor_holds_no_permission_that_changes_anything() -> None:
    assert ROLE_PERMISSIONS[Role.AUDITOR] == {
        Permission.VIEW,
        Permission.VIEW_VALUE,
        Permission.VIEW_LEDGER,
        Permission.EXPORT,
        Permission.DRAW_SAMPLE,
        Permission.BUILD_PACK,
        Permission.VIEW_ACCESS_LOG,
    }


def test_every_write_refuses_an_auditor_and_adds_nothing_but_the_refusal(world: World) -> None:
    world.submit("2")
    otto, vera = world.actor("otto.auditor"), world.actor("vera.validator")
    fresh = Secret("vera picks a fresh phrase")
    world.keys.ask_for_key(
        AskForKey(command_id="k", new=fresh, repeated=fresh, old=world.secret("vera.validator")), actor=vera
    )
    (ceremony,) = world.keys.ceremonies(actor=vera)
    request_id = world.request_of("2").request_id
    calls: dict[str, Callable[[], Any]] = {
        "approvals.sign_off": lambda: world.sign_off(request_id, otto.subject, _approve()),
        "keys.withdraw": lambda: world.keys.withdraw(ceremony.id, actor=otto),
    }
    for name in sorted(WRITES | (LATER & _acting())):
        service, _, method = name.partition(".")
        held = getattr(world, service, None)
        if held is None or name in calls:
            continue
        bound = getattr(held, method)
        wanted = [item for item in inspect.signature(bound).parameters.values() if item.name != "actor"]
        given = {
            item.name: MODEL if item.name == "model" else "2" if item.name == "version" else Anything()
            for item in wanted
            if item.default is inspect.Parameter.empty
        }
        calls[name] = lambda bound=bound, given=given: bound(**given, actor=otto)
    before = _decided(world)

    refusals = {name: _refusal(call) for name, call in calls.items()}

    assert [name for name, error in refusals.items() if error is None] == []
    assert {name for name, error in refusals.items() if not isinstance(error, RefusalError)} <= NEED_AN_OBJECT
    assert len(calls) >= 17
    assert _decided(world) == before


def _refusal(call: Callable[[], Any]) -> ControlRoomError | None:
    try:
        call()
    except ControlRoomError as error:
        return error
    return None


def _approve() -> Any:
    from services.approvals.models import Decision

    return Decision.APPROVE


def _decided(world: World) -> int:
    kinds = ("decision", "request", "action", "delegation", "exception", "review", "keyring")
    from sqlalchemy import func, select

    from services.adapters.sql.schema.ledger import ledger_index

    with world.database.read() as connection:
        counted = select(func.count()).select_from(ledger_index).where(ledger_index.c.kind.in_(kinds))
        return connection.execute(counted).scalar_one()
