"""A signed switch carried out: the platform is asked, read back, and the outcome recorded exactly once.

Level-triggered: whatever was done before a crash, the next turn reads the platform and does what is missing.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from services.attestation.ports import SigningDesk
from services.inventory.models import GovernedModel
from services.inventory.service import InventoryService
from services.kernel.clock import Clock
from services.kernel.errors import ControlRoomError, InputError, UnavailableError
from services.ledger import events
from services.rollout import fallback_rules as rules
from services.rollout.fallback_models import FallbackMode, Switch, SwitchPlan, SwitchState
from services.rollout.fallback_ports import FallbackUnit, FallbackUnits
from services.rollout.models import Observed
from services.rollout.ports import ServingPlatform
from services.rollout.release_ports import IncidentDesk

_log = logging.getLogger("countersign.fallback")


class FallbackSwitching:
    def __init__(
        self,
        *,
        units: FallbackUnits,
        inventory: InventoryService,
        desk: SigningDesk,
        serving: ServingPlatform,
        incidents: IncidentDesk | None,
        clock: Clock,
    ) -> None:
        self._units = units
        self._inventory = inventory
        self._desk = desk
        self._serving = serving
        self._incidents = incidents
        self._clock = clock

    def deployment(self, model: str) -> str:
        """Raises InputError for a model that was never released."""
        with self._units.read() as unit:
            row = unit.rollouts.deployment(model)
        if row is None or not row.desired:
            raise InputError(f"{model} was never released.", hint="There is nothing to switch.")
        return row.deployment

    def plan(self, governed: GovernedModel, mode: FallbackMode) -> SwitchPlan:
        deployment = self.deployment(governed.name)
        with self._units.read() as unit:
            card = unit.fallbacks.card(governed.name)
            switches = unit.fallbacks.switches(governed.name, limit=1000)
            retiring = unit.rollouts.retiring(governed.name)
        unchecked: list[str] = []
        refusal = ""
        if retiring:
            refusal = retiring
        elif mode is FallbackMode.LIVE:
            refusal = self._not_answering(deployment)
            if not refusal and rules.in_force(switches) is FallbackMode.LIVE and not _is_open(switches):
                refusal = "No fallback is in force."
        elif card is None or card.mode(mode) is None:
            refusal = f"The card of {governed.name} does not say how to work with {rules.MODE_TITLES[mode].lower()}."
        else:
            unchecked = self._away(deployment)
        return SwitchPlan(
            model=governed.name,
            mode=mode,
            effect=rules.effect(mode, card, governed),
            unchecked=tuple(unchecked),
            refusal=refusal,
            revision=len(switches),
        )

    def _away(self, deployment: str) -> list[str]:
        try:
            self._serving.observe(deployment)
        except UnavailableError as away:
            return [f"The serving platform did not answer: {away.message} The order waits for it."]
        return []

    def _not_answering(self, deployment: str) -> str:
        """Why coming back is not possible: every routed version has to answer a probe of its own."""
        try:
            observed = self._serving.observe(deployment)
            for version, share in observed.routes:
                probe = self._serving.probe_version(deployment, version)
                if share and (probe.failed or not probe.answered):
                    return f"Version {version} does not answer a probe, so the model cannot serve again."
        except UnavailableError as away:
            return f"The serving platform did not answer, so nothing can be said about its versions. {away.message}"
        return ""

    # acting

    def run(self) -> int:
        """One attempt at each open order; the number that was verified. One that fails does not hold up the others."""
        with self._units.read() as unit:
            waiting = unit.fallbacks.open_switches()
        done = sum(self._attempt(switch) for switch in waiting)
        self._call_somebody()
        return done

    def attempt_now(self, switch_id: str) -> None:
        """Right after the signature; whatever does not work now, the worker does."""
        with self._units.read() as unit:
            switch = unit.fallbacks.switch(switch_id)
        if switch is None or switch.state is not SwitchState.ORDERED:
            return
        try:
            self._attempt(switch)
            self._call_somebody()
        except ControlRoomError as away:
            _log.warning("switch not finished", extra={"switch": switch_id, "reason": str(away)})

    def _attempt(self, switch: Switch) -> bool:
        with self._units.read() as unit:
            retiring = unit.rollouts.retiring(switch.model)
        if retiring:
            self._give_up(switch, retiring)
            return False
        try:
            observed = self._put_into_force(switch)
        except ControlRoomError as away:
            self._wait(switch, f"Tried again by the worker. {away}")
            return False
        if observed.mode != switch.platform_mode:
            self._wait(switch, f"The platform is asked for {switch.platform_mode} and still says {observed.mode}.")
            return False
        self._close(switch, observed)
        return True

    def _give_up(self, switch: Switch, why: str) -> None:
        with self._units.write() as unit:
            current = _still_open(unit, switch.switch_id)
            if current is not None:
                unit.fallbacks.save_switch(replace(current, state=SwitchState.SUPERSEDED, detail=why))

    def _put_into_force(self, switch: Switch) -> Observed:
        observed = self._serving.observe(switch.deployment)
        if observed.mode == switch.platform_mode:
            return observed
        if switch.mode is FallbackMode.LIVE:
            silent = self._not_answering(switch.deployment)
            if silent:
                raise UnavailableError(silent)
        self._serving.set_mode(
            switch.deployment, switch.platform_mode, expect_generation=observed.generation, op=switch.switch_id
        )
        return self._serving.observe(switch.deployment)

    def _wait(self, switch: Switch, why: str) -> None:
        if why == switch.detail:
            return
        with self._units.write() as unit:
            current = _still_open(unit, switch.switch_id)
            if current is not None:
                unit.fallbacks.save_switch(replace(current, detail=why))

    def _close(self, switch: Switch, observed: Observed) -> None:
        now = self._clock.now()
        words = (
            f"{rules.MODE_TITLES[switch.mode]} is in force for {switch.model}: read back as "
            f"{observed.mode.replace('_', ' ')}, generation {observed.generation}."
        )
        detail = {"switch": switch.switch_id, "mode": switch.mode.value, "platformMode": observed.mode}
        with self._units.write() as unit:
            current = _still_open(unit, switch.switch_id)
            if current is None:
                return
            payload = events.payload(
                "fallback-switched", actor=None, model=switch.model, detail=detail | {"sentence": words},
                at=now, head=unit.ledger.head(),
            )  # fmt: skip
            receipt = unit.ledger.append(
                self._desk.sign_as_service(payload), idem=f"fallback:{switch.switch_id}:outcome"
            )
            unit.fallbacks.save_switch(
                replace(current, state=SwitchState.DONE, detail=words, done_at=now, seq_outcome=receipt.seq)
            )

    def _call_somebody(self) -> None:
        """An incident for every fallback that is really in force, also when the one who ordered it crashed after it."""
        if self._incidents is None:
            return
        with self._units.read() as unit:
            rows = [row.model for row in unit.rollouts.deployments()]
            newest = [found[0] for model in rows if (found := unit.fallbacks.switches(model, limit=1))]
        for switch in newest:
            if switch.mode is FallbackMode.LIVE or switch.incident or switch.state is not SwitchState.DONE:
                continue
            opened = self._incidents.open_by_rule(
                key=f"fallback:{switch.model}",
                model=switch.model,
                severity=2 if int(self._inventory.model(switch.model).tier) == 1 else 3,
                title=f"{switch.model} runs on its fallback: {rules.MODE_TITLES[switch.mode].lower()}",
                sentence=switch.detail,
                version="",
                rule="fallback",
                impact_start=switch.ordered_at,
                detected_at=switch.ordered_at,
            )
            with self._units.write() as unit:
                current = unit.fallbacks.switch(switch.switch_id)
                if current is not None and not current.incident:
                    unit.fallbacks.save_switch(replace(current, incident=opened))


def _is_open(switches: tuple[Switch, ...]) -> bool:
    return bool(switches) and switches[0].state is SwitchState.ORDERED


def _still_open(unit: FallbackUnit, switch_id: str) -> Switch | None:
    current = unit.fallbacks.switch(switch_id)
    return current if current is not None and current.state is SwitchState.ORDERED else None
