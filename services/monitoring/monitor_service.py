"""Monitors: proposed in one click, checked, saved as a new version, signed when they guard a release.

Wiring: `MonitorService(units=units, catalog=inventory, sketches=SqlMonitoring(database), people=people, ledger=ledger,
desk=signing, attestations=attested, reader=sources, access=access, guarding=…, worth=…, clock=clock)`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from services.attestation.documents import digest
from services.attestation.free_text import salted
from services.attestation.models import LogHead, Receipt
from services.attestation.ports import SigningDesk
from services.inventory.access import HIDDEN, Mask
from services.inventory.models import DeploymentKind, GovernedModel
from services.kernel.clock import Clock
from services.kernel.errors import (
    ConflictError,
    ControlRoomError,
    InputError,
    MissingReasonError,
    RefusalError,
)
from services.kernel.health import Health
from services.kernel.identity import Actor, Permission
from services.ledger import events
from services.ledger.service import LedgerService
from services.monitoring import proposing
from services.monitoring.monitor_ports import (
    AccessRuleSource,
    Authority,
    Guarding,
    MonitorCatalog,
    MonitorUnits,
    SignedEntries,
    Sketches,
    WorthOf,
)
from services.monitoring.monitor_rules import (
    ColumnKind,
    MonitorInvalidError,
    Problem,
    SignatureNeededError,
    SourceFacts,
    mapping_problems,
    problems,
)
from services.monitoring.monitor_views import CheckedVersion, MonitorRow, MonitorView, Reliance
from services.monitoring.monitors import (
    BusinessImpact,
    ColumnMapping,
    Monitor,
    MonitorVersion,
    Proposal,
    ReferenceKind,
    SaveMonitor,
    Source,
    SourceKind,
    diff,
    document,
)
from services.monitoring.sources import Places, Preview, SourceColumn, SourceReader

SAVED, REFUSED, PROPOSED = "monitor-saved", "monitor-refused", "monitor-proposed"
REASON_MIN, REASON_MAX = 3, 500
_FIRST_WORDS = "The monitor this deployment began with."
_RELIED_ON = "A signed monitor is what a release rests on."


class MonitorService:
    def __init__(
        self,
        *,
        units: MonitorUnits,
        catalog: MonitorCatalog,
        sketches: Sketches,
        people: Authority,
        ledger: LedgerService,
        desk: SigningDesk,
        attestations: SignedEntries,
        reader: SourceReader,
        access: AccessRuleSource,
        guarding: Guarding,
        worth: WorthOf,
        clock: Clock,
    ) -> None:
        self._units = units
        self._catalog = catalog
        self._sketches = sketches
        self._people = people
        self._ledger = ledger
        self._desk = desk
        self._attestations = attestations
        self._reader = reader
        self._access = access
        self._guarding = guarding
        self._worth = worth
        self._clock = clock

    # looking

    def monitors(self) -> tuple[MonitorRow, ...]:
        """Every model with its monitor in force, the ones that need somebody first."""
        with self._units.read() as unit:
            known = {item.model: item for item in unit.monitors.in_force()}
            proposals = unit.monitors.proposals()
        models = [item for item in self._catalog.models() if item.kind is not DeploymentKind.VENDOR]
        order = [Health.BREACH, Health.WATCH, Health.UNKNOWN, Health.HEALTHY]
        rows = [self._row(model, known.get(model.name), proposals.get(model.name)) for model in models]
        return tuple(sorted(rows, key=lambda row: (order.index(row.state), row.tier, row.model)))

    def view(self, model: str) -> MonitorView:
        """Raises UnknownModelError."""
        governed = self._catalog.model(model)
        with self._units.read() as unit:
            history = unit.monitors.history(model)
            proposal = unit.monitors.proposals().get(model) if not history else None
        before = [*history[1:], None][: len(history)]
        versions = tuple(
            CheckedVersion(
                item=item,
                problem=self.problem_of(item),
                changes=diff(older.monitor if older else None, item.monitor),
            )
            for item, older in zip(history, before, strict=True)
        )
        relied = Reliance.of(history[0], versions[0].problem) if history else Reliance()
        return MonitorView(
            row=self._row(governed, history[0] if history else None, proposal),
            versions=versions,
            hindrance=relied.hindrance if governed.kind is DeploymentKind.REALTIME else "",
        )

    def in_force(self, model: str) -> Reliance:
        """What a release of this model rests on."""
        with self._units.read() as unit:
            item = unit.monitors.newest(model)
        if item is None:
            return Reliance()
        problem = self.problem_of(item)
        return Reliance.of(item, problem)

    def problem_of(self, item: MonitorVersion) -> str:
        """Why this row is not what its entry says; empty when text, number, model and signer agree."""
        try:
            said = self._attestations.require_valid(item.seq, item.leaf_hash)
        except ControlRoomError as refused:
            return refused.message
        detail, signer = said.get("detail", {}), said.get("signer") or {}
        agrees = (
            said.get("event") == SAVED
            and said.get("model") == item.model
            and detail.get("version") == str(item.version)
            and detail.get("monitor") == item.sha256 == digest(item.text)
            and bool(signer) == item.signed
            and (not item.signed or (signer.get("issuer"), signer.get("sub")) == (item.by_issuer, item.by_subject))
        )
        return "" if agrees else f"Its stored text is not what entry {item.seq} of the ledger recorded."

    def guards(self, model: str) -> str:
        """Which release the monitor of this model guards, in a sentence; empty when none."""
        return self._guarding(model)

    # proposing and checking

    def propose_default(self, model: str) -> Monitor:
        """From signature and training dataset of the newest version. Nothing is written. Raises UnknownModelError."""
        governed = self._catalog.model(model)
        with self._units.read() as unit:
            newest = unit.monitors.newest(model)
        versions = self._catalog.versions(model)
        served = next((item for item in versions if "champion" in item.aliases), None)
        chosen = served or next(iter(versions), None)
        earlier = newest.monitor if newest else None
        if earlier is not None and earlier.source.kind is not SourceKind.INFERENCE:
            earlier = replace(earlier, source=Source(), mapping=Monitor(model=model, features=()).mapping)
        return proposing.propose(governed, chosen, worth=self._worth(model), earlier=earlier)

    def propose_import(self, model: str, source: Source, mapping: ColumnMapping, *, actor: Actor) -> Monitor:
        """Defaults for a table of another estate: the first half of its days, four weeks at most, is the reference."""
        self._people.require(actor, Permission.MANAGE_MONITOR)
        governed = self._catalog.model(model)
        with self._units.read() as unit:
            newest = unit.monitors.newest(model)
        return proposing.propose_import(
            governed,
            source=source,
            mapping=mapping,
            columns=self._reader.columns(source),
            history=self._reader.history(source, mapping),
            inputs=proposing.signature_columns(next(iter(self._catalog.versions(model)), None)),
            worth=self._worth(model),
            earlier=newest.monitor if newest else None,
        )

    def check(self, monitor: Monitor) -> tuple[Problem, ...]:
        """Every fault of a monitor that could be saved. Raises UnknownModelError, UnavailableError."""
        self._catalog.model(monitor.model)
        return problems(monitor, self._facts(monitor), guards=self._guarding(monitor.model))

    def places(self) -> Places:
        return self._reader.places()

    def columns(self, source: Source, *, actor: Actor) -> tuple[SourceColumn, ...]:
        """Raises RoleMissingError, SourceRefusedError, TelemetryUnavailableError."""
        self._people.require(actor, Permission.MANAGE_MONITOR)
        return self._reader.columns(source)

    def preview(self, model: str, source: Source, mapping: ColumnMapping, *, actor: Actor) -> Preview:
        """Aggregates and at most 20 rows, masked as this person may read them. Raises as `columns`."""
        self._people.require(actor, Permission.MANAGE_MONITOR)
        governed, rules = self._catalog.model(model), self._access.rules()
        known = {item.name for item in governed.sensitive}
        known |= {name for version in self._catalog.versions(model) for name, _ in version.inputs}
        mapped = {mapping.timestamp, mapping.prediction, mapping.label, mapping.version}
        # Text that nobody tagged and no version reads may say anything about anybody.
        masks: dict[str, Mask] = {
            item.name: HIDDEN
            if item.kind is ColumnKind.TEXT and item.name not in known | mapped
            else rules.mask(governed, item.name, role=actor.role)
            for item in self._reader.columns(source)
        }
        if mapping.entity:
            masks[mapping.entity] = HIDDEN  # whom a row is about never helps to check a mapping
        found = self._reader.preview(source, mapping, masks)
        facts = SourceFacts(columns={item.name: item.kind for item in found.columns})
        return replace(found, faults=(*mapping_problems(mapping, facts), *found.faults))

    # saving

    def save(self, command: SaveMonitor, *, actor: Actor) -> Receipt:
        """A new version, in force at once.

        Raises RoleMissingError, MonitorInvalidError, MissingReasonError, ConflictError, SignatureNeededError (when it
        guards a release and no passphrase came), PassphraseError, KeyLockedError. Refusals are recorded.
        """
        self._people.require(actor, Permission.MANAGE_MONITOR)
        self._ledger.require_trustworthy()
        try:
            return self._save(command, actor)
        except RefusalError as refused:
            self._ledger.record_event(
                event=REFUSED,
                actor=actor,
                model=command.monitor.model,
                detail={"target": f"monitor of {command.monitor.model}", "code": refused.code},
            )
            raise

    def found(self, monitors: Iterable[Monitor]) -> int:
        """First versions for models without a monitor, signed by the service alone; the number saved. Repeatable."""
        saved = 0
        for monitor in monitors:
            text, now = document(monitor), self._clock.now()
            salt, reason_sha256 = salted(_FIRST_WORDS)
            with self._units.write() as unit:
                if unit.monitors.newest(monitor.model) is not None:
                    continue
                item = self._item(monitor.model, 1, text, _FIRST_WORDS, salt)
                payload = events.payload(
                    SAVED,
                    actor=None,
                    model=monitor.model,
                    detail=_detail(item, None, monitor, reason_sha256, "This deployment"),
                    at=now,
                    head=unit.ledger.head(),
                )
                idem = f"monitor:first:{hashlib.sha256(monitor.model.encode()).hexdigest()[:40]}"
                receipt = unit.ledger.append(self._desk.sign_as_service(payload), idem=idem)
                unit.monitors.add(replace(item, seq=receipt.seq, leaf_hash=receipt.leaf_hash))
                saved += 1
        return saved

    def propose_missing(self) -> int:
        """Worker: the default monitor for each model without one, so that nobody forgets it; how many are new.

        A proposal is kept and entered as `monitor-proposed`, once for each content. It is not in force until saved.
        """
        with self._units.read() as unit:
            known, before = {item.model for item in unit.monitors.in_force()}, unit.monitors.proposals()
        made = 0
        for model in self._catalog.models():
            if model.name in known or model.kind is DeploymentKind.VENDOR:
                continue
            made_up = self.propose_default(model.name)
            # The recorded benefit moves every day; another amount alone is no other proposal.
            same = digest(document(replace(made_up, impact=BusinessImpact())))
            item = Proposal(model=model.name, sha256=same, text=document(made_up), at=self._clock.now())
            if model.name in before and before[model.name].sha256 == item.sha256:
                continue
            with self._units.write() as unit:
                if unit.monitors.newest(model.name) is None:
                    unit.monitors.put_proposal(item)
            self._ledger.record_event(
                event=PROPOSED,
                actor=None,
                model=model.name,
                detail={
                    "monitor": item.sha256,
                    "sentence": f"{model.name} has no monitor. The default was proposed, unsigned and not in force.",
                },
                idem=f"monitor-proposed:{hashlib.sha256(f'{model.name} {item.sha256}'.encode()).hexdigest()[:40]}",
            )
            made += 1
        return made

    def _save(self, command: SaveMonitor, actor: Actor) -> Receipt:
        idem = _key(actor, command.command_id)
        model = self._catalog.model(command.monitor.model).name
        with self._units.read() as unit:
            earlier, newest, head = unit.ledger.find(idem), unit.monitors.newest(model), unit.ledger.head()
        if earlier is not None:
            return replace(earlier, repeated=True)
        guards, signs = self._guarding(model), command.passphrase is not None
        reason = _reason(command.reason)
        _require_new(command, newest)
        asked = guards or (_RELIED_ON if signs else "")
        found = problems(command.monitor, self._facts(command.monitor), guards=asked)
        if found:
            raise MonitorInvalidError(found)
        if guards and not signs:
            raise SignatureNeededError(
                f"{guards} What guards a release changes by signature only.",
                hint="Enter your signing passphrase and save again.",
            )
        salt, reason_sha256 = salted(reason)
        item = replace(
            self._item(model, (newest.version if newest else 0) + 1, document(command.monitor), reason, salt),
            signed=signs,
            guards=guards,
            by_issuer=actor.issuer,
            by_subject=actor.subject,
            by_name=actor.name,
        )
        detail = _detail(item, newest, command.monitor, reason_sha256, actor.name)
        envelope = self._envelope(item, command, detail, actor, head)
        with self._units.write() as unit:
            earlier = unit.ledger.find(idem)
            if earlier is not None:
                return replace(earlier, repeated=True)
            # Asked again inside the transaction: somebody may have saved meanwhile.
            _require_new(command, unit.monitors.newest(model))
            receipt = unit.ledger.append(envelope, idem=idem)
            unit.monitors.add(replace(item, seq=receipt.seq, leaf_hash=receipt.leaf_hash))
        return receipt

    def _envelope(
        self, item: MonitorVersion, command: SaveMonitor, detail: Mapping[str, str], actor: Actor, head: LogHead
    ) -> bytes:
        payload = events.payload(
            SAVED, actor=actor, model=item.model, detail=detail, at=item.at, head=head, signed=item.signed
        )
        if command.passphrase is None:
            return self._desk.sign_as_service(payload)
        return self._desk.sign_as_person(payload, subject=actor.subject, passphrase=command.passphrase)

    def _item(self, model: str, version: int, text: str, reason: str, salt: str) -> MonitorVersion:
        return MonitorVersion(
            model=model, version=version, sha256=digest(text), text=text, at=self._clock.now(), reason=reason,
            salt=salt, signed=False, guards="", seq=0, leaf_hash="",
        )  # fmt: skip

    def _row(self, model: GovernedModel, item: MonitorVersion | None, proposal: Proposal | None) -> MonitorRow:
        sketched = self._sketches.sketched_days(model.name)
        last = sketched[1] if sketched else None
        problem = self.problem_of(item) if item else ""
        monitor = item.monitor if item and not problem else None
        state, sentence = self._state(monitor, problem, sketched is not None, last)
        if item is None and proposal is not None:
            sentence = (
                "No monitor is saved. The worker proposed the default one; nobody signed it, and until somebody saves "
                "it every column is judged by the usual limits."
            )
        return MonitorRow(
            model=model.name, title=model.title, tier=int(model.tier), state=state, sentence=sentence, version=item,
            last_day=last, guards=self._guarding(model.name), monitor=monitor,
            proposal=proposal if item is None else None,
        )  # fmt: skip

    def _state(self, monitor: Monitor | None, problem: str, sketched: bool, last: Any) -> tuple[Health, str]:  # noqa: FBT001
        if problem:
            return Health.BREACH, problem
        if monitor is None:
            return Health.UNKNOWN, "No monitor is saved; nothing says how this model is watched."
        if not sketched or last is None:
            return Health.UNKNOWN, "Nothing was sketched yet; the worker does it with its next round."
        age, allowed = (self._clock.now().date() - last).days, monitor.windows[0]
        if age > allowed:
            return Health.WATCH, f"The newest sketch is {age} days old, and its window has {allowed} days."
        return Health.HEALTHY, f"Sketched up to {last:%d %b %Y}."

    def _facts(self, monitor: Monitor) -> SourceFacts:
        """Columns and days of the source. Raises SourceRefusedError, UnavailableError: unknown is not accepted."""
        if monitor.source.kind is not SourceKind.INFERENCE:
            columns = {item.name: item.kind for item in self._reader.columns(monitor.source)}
            known = monitor.mapping.timestamp in columns
            first, last = self._reader.history(monitor.source, monitor.mapping) if known else (None, None)
            if known and first is None:
                raise InputError(
                    f"There is no row with a time in {monitor.source.words}.", hint="Choose a source that has rows."
                )
            return SourceFacts(columns=columns, first=first, last=last)
        # Whatever any version was asked is recorded; the one in force need not be the newest. Newer types win.
        signature = {
            name: kind
            for version in reversed(self._catalog.versions(monitor.model))
            for name, kind in proposing.signature_columns(version).items()
        }
        recorded = {
            "event_at": ColumnKind.TIME, "score": ColumnKind.NUMBER, "label": ColumnKind.NUMBER,
            "version": ColumnKind.TEXT, "entity": ColumnKind.TEXT,
        }  # fmt: skip
        days = self._sketches.sketched_days(monitor.model)
        # Before the first sketch nobody can say whether there is a hold-out; afterwards it is known.
        holdout = monitor.reference.kind is not ReferenceKind.HOLDOUT or (
            days is None or self._sketches.has_reference(monitor.model)
        )
        return SourceFacts(
            columns={**recorded, **signature} if signature else None,
            first=days[0] if days else None,
            last=days[1] if days else None,
            holdout=holdout,
        )


def _reason(text: str) -> str:
    reason = text.strip()
    if len(reason) < REASON_MIN:
        raise MissingReasonError("Say in a sentence why the monitor changes.", hint="The history shows it.")
    if len(reason) > REASON_MAX:
        raise InputError(f"The reason is longer than {REASON_MAX} characters.", hint="Shorten it.")
    return reason


def _require_new(command: SaveMonitor, newest: MonitorVersion | None) -> None:
    current = newest.version if newest else 0
    if command.based_on != current:
        raise ConflictError(
            f"Version {current} of this monitor is in force, and you looked at version {command.based_on}.",
            hint="Look at what changed and save again.",
        )
    if newest is None or newest.sha256 != digest(document(command.monitor)):
        return
    # The same text once more is a change where it was not signed and now is.
    if newest.signed or command.passphrase is None:
        raise ConflictError(f"This is version {newest.version}, which is in force already.", hint="Nothing was saved.")


def _detail(
    item: MonitorVersion, before: MonitorVersion | None, monitor: Monitor, reason_sha256: str, who: str
) -> dict[str, str]:
    changed = diff(before.monitor, monitor) if before else ()
    what = f" Changed: {', '.join(change.what.lower() for change in changed[:8])}." if changed else ""
    return {
        "monitor": item.sha256,
        "version": str(item.version),
        "replaces": before.sha256 if before else "",
        "guards": item.guards,
        "reason": reason_sha256,
        "sentence": f"{who} saved version {item.version} of the monitor of {item.model}.{what}",
    }


def _key(actor: Actor, command_id: str) -> str:
    about = f"{actor.issuer}\x1f{actor.subject}\x1f{command_id}"
    return f"monitor:{hashlib.sha256(about.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
