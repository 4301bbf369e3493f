"""What is there against what was signed, pure: each difference in words, and what can be done about it.

A source that could not be read accuses nobody and clears nobody: its earlier differences stay as they were.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from services.rollout import plan
from services.rollout.models import UnsignedChange

Routes = tuple[tuple[str, int], ...]


class Source(StrEnum):
    PLATFORM = "platform"
    REGISTRY = "registry"
    FILES = "files"
    COPIES = "copies"
    RECORD = "record"


SOURCES: Mapping[str, Source] = {
    "deleted": Source.REGISTRY,
    "recreated": Source.REGISTRY,
    "traffic": Source.PLATFORM,
    "pin": Source.PLATFORM,
    "mirror": Source.COPIES,
    "files": Source.FILES,
    "record": Source.RECORD,
    "alias": Source.REGISTRY,
    "tag": Source.REGISTRY,
}
"""Where each kind is seen; the gravest kind first."""
_NOT_PUT_BACK = {
    "deleted": "the registry does not have version {version} any more",
    "recreated": "version {version} in the registry is another one than the signed one",
    "files": "the files of version {version} are not the signed ones",
}
_NOBODY = "The registry does not record who did it."
_NOTHING_SIGNED = "Nothing was ever signed and carried out for this model."


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedVersion:
    """A version that should serve, as its signed request and action describe it. Empty text: not on record."""

    version: str
    manifest_sha256: str
    tag: str
    """The action the version's own tag should name."""
    run_id: str = ""
    created_at: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What the ledger last ordered for one model. `broken` says why the record itself cannot be relied on."""

    routes: Routes
    champion: str
    versions: tuple[OrderedVersion, ...]
    outcome_seq: int
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenVersion:
    run_id: str
    created_at: str
    source: str
    tag: str | None
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySeen:
    """What the registry says. A version of the question that is not in `versions` does not exist there."""

    alias: str | None
    versions: Mapping[str, SeenVersion]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """(version, percent) that should get copies of live requests, and that gets them; None: nobody."""

    ordered: tuple[str, int] | None
    there: tuple[str, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What could be read just now; None and missing digests are "could not find out"."""

    routes: Routes | None = None
    operation: str = ""
    registry: RegistrySeen | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    copies: Copies | None = None


def compare(ordered: Ordered, seen: Seen, *, batch: bool, alias_pending: bool) -> tuple[UnsignedChange, ...]:
    """The differences, gravest first. While our own move of the alias is pending, alias and tags accuse nobody."""
    found = []
    if ordered.broken:
        found.append(
            UnsignedChange(
                kind="record",
                signed="The ledger decides.",
                there=ordered.broken,
                by="Verify the ledger on the audit page.",
            )
        )
    if seen.routes is not None and dict(seen.routes) != dict(ordered.routes):
        found.append(_moved(ordered, seen.routes, seen.operation, batch=batch))
    if seen.copies is not None and seen.copies.ordered != seen.copies.there:
        found.append(_copied(seen.copies))
    if seen.registry is not None:
        found += _in_registry(ordered, seen.registry, alias_pending=alias_pending)
    found += _in_files(ordered, seen.digests)
    return _ranked(found)


def never_ordered(
    routes: Routes | None, alias: str | None, *, approved: Collection[str], batch: bool
) -> tuple[UnsignedChange, ...]:
    """What serves of a model for which nothing signed was ever carried out. What is approved is only on its way."""
    found = []
    if any(version not in approved for version, share in routes or () if share):
        found.append(
            UnsignedChange(
                kind="pin" if batch else "traffic",
                there=f"Serves without any signed approval: {plan.words(routes or ())}.",
                signed=_NOTHING_SIGNED,
                by="Adopt it by a request, or take it down where it is served.",
                version=max(routes or (), key=lambda route: route[1])[0],
            )
        )
    if alias and alias not in approved:
        found.append(
            UnsignedChange(
                kind="alias",
                there=f"Alias `champion` points at version {alias} without any signed approval.",
                signed=_NOTHING_SIGNED,
                by=f"Ask for the promotion of version {alias}, or take the alias away in the registry. {_NOBODY}",
                version=alias,
            )
        )
    return _ranked(found)


def still_standing(
    before: Collection[UnsignedChange], now: Collection[UnsignedChange], *, read: Collection[Source]
) -> tuple[UnsignedChange, ...]:
    """`now`, and what was seen before in sources that could not be read this time."""
    kept = [change for change in before if SOURCES[change.kind] not in read]
    return _ranked([*now, *(change for change in kept if change not in now)])


def why_not_put_back(changes: Collection[UnsignedChange]) -> str:
    """Why reverting cannot restore what was signed; empty when it can."""
    found = [
        _NOT_PUT_BACK[change.kind].format(version=change.version) for change in changes if change.kind in _NOT_PUT_BACK
    ]
    if any(change.kind == "record" for change in changes):
        found.append("the stored state differs from the ledger, so nobody can say safely what to put back")
    return "; ".join(found)


def adoptable(changes: Collection[UnsignedChange], *, served: Routes | None) -> str | None:
    """The version a sign-off could adopt: it alone answers everything, and the registry has it."""
    kinds = {change.kind for change in changes}
    if not kinds & {"traffic", "pin", "files", "recreated"} or kinds & {"deleted", "record"}:
        return None
    return served[0][0] if served is not None and len(served) == 1 else None


def _moved(ordered: Ordered, routes: Routes, operation: str, *, batch: bool) -> UnsignedChange:
    most = max(routes, key=lambda route: route[1])[0] if routes else ""
    named = f" It calls the operation {operation}." if operation else ""
    return UnsignedChange(
        kind="pin" if batch else "traffic",
        there=f"{'Pin of the batch job' if batch else 'Traffic'} differs: {plan.words(routes)} is served.",
        signed=f"Signed was {plan.words(ordered.routes)}.",
        by=f"The platform does not record who did it.{named}",
        version=most,
    )


def _copied(copies: Copies) -> UnsignedChange:
    wanted, there = copies.ordered, copies.there
    ended = f"Copies to version {wanted[0]} were ended outside." if wanted else ""
    begun = f"Version {there[0]} gets copies of {there[1]} % of the requests." if there else ""
    signed = f"copies of {wanted[1]} % of the requests to version {wanted[0]}" if wanted else "no copy to anybody"
    return UnsignedChange(
        kind="mirror",
        there=begun or ended,
        signed=f"Signed {'were' if wanted else 'was'} {signed}.",
        by="The platform does not record who did it.",
        version=(there or wanted or ("", 0))[0],
    )


def _in_registry(ordered: Ordered, seen: RegistrySeen, *, alias_pending: bool) -> list[UnsignedChange]:
    found = []
    for item in ordered.versions:
        there = seen.versions.get(item.version)
        if there is None:
            found.append(_deleted(item))
        elif _is_another(item, there):
            found.append(_recreated(item, there))
        elif item.tag and there.tag != item.tag and not alias_pending:
            found.append(_retagged(item, there.tag))
    if seen.alias != ordered.champion and not alias_pending:
        found.append(_realiased(ordered.champion, seen.alias))
    return found


def _deleted(item: OrderedVersion) -> UnsignedChange:
    return UnsignedChange(
        kind="deleted",
        there=f"Version {item.version} was deleted in the registry while it is live.",
        signed=f"Signed was version {item.version} ({item.manifest_sha256[:12]}).",
        by=_NOBODY,
        version=item.version,
    )


def _is_another(item: OrderedVersion, there: SeenVersion) -> bool:
    pairs = ((item.run_id, there.run_id), (item.created_at, there.created_at), (item.source, there.source))
    return any(signed and signed != now for signed, now in pairs)


def _recreated(item: OrderedVersion, there: SeenVersion) -> UnsignedChange:
    who = f"The registry names {there.author} as its author." if there.author else _NOBODY
    return UnsignedChange(
        kind="recreated",
        there=f"Version {item.version} in the registry is another one: run {there.run_id}, made {there.created_at}.",
        signed=f"Signed was run {item.run_id}, made {item.created_at}.",
        by=who,
        version=item.version,
    )


def _retagged(item: OrderedVersion, tag: str | None) -> UnsignedChange:
    now = f"names {tag}" if tag else "is missing"
    return UnsignedChange(
        kind="tag",
        there=f"Unsigned change: tag `countersign.action` of version {item.version} {now}.",
        signed=f"Signed was {item.tag}.",
        by=_NOBODY,
        version=item.version,
    )


def _realiased(champion: str, alias: str | None) -> UnsignedChange:
    now = f"points at version {alias}" if alias else "is missing"
    return UnsignedChange(
        kind="alias",
        there=f"Unsigned change: alias `champion` {now}.",
        signed=f"Signed was version {champion}.",
        by=_NOBODY,
        version=alias or "",
    )


def _in_files(ordered: Ordered, digests: Mapping[str, str]) -> list[UnsignedChange]:
    found = []
    for item in ordered.versions:
        now = digests.get(item.version, "")
        if now and item.manifest_sha256 and now != item.manifest_sha256:
            found.append(
                UnsignedChange(
                    kind="files",
                    there=f"The files of version {item.version} changed while it is live ({now[:12]}).",
                    signed=f"Signed were {item.manifest_sha256[:12]}.",
                    by="The artifact store does not record who did it.",
                    version=item.version,
                )
            )
    return found


def _ranked(found: Collection[UnsignedChange]) -> tuple[UnsignedChange, ...]:
    order = list(SOURCES)
    return tuple(sorted(found, key=lambda change: (order.index(change.kind), change.version)))
