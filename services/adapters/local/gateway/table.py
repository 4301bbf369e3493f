"""Who serves what: deployments with integer routes, a generation that only grows, and the split by entity.

Pure values and rules, then `TableFile`, which keeps them in one small file that is replaced as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

SLOTS = 10_000
KINDS = ("realtime", "batch")
MODES = ("live", "batch_only", "off")
_REMEMBERED_OPS = 50
FORMAT = 1


class RefusedError(Exception):
    """The change is not possible: `status` in HTTP words, `sentence` for people."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    name: str
    kind: str
    generation: int = 0
    routes: tuple[tuple[str, int], ...] = ()
    mirror: tuple[str, int] | None = None
    ops: tuple[str, ...] = ()
    """Operations already carried out, newest last; repeating one has no effect."""
    salt: str = ""
    known: tuple[str, ...] = ()
    """Versions that answered a direct probe at least once."""
    warm: tuple[str, ...] = ()
    """Versions kept loaded without traffic: the way back."""
    mode: str = "live"
    base: str = ""
    """The version that was there before the other one; it alone may answer in another's place."""

    @property
    def op(self) -> str:
        return self.ops[-1] if self.ops else ""

    @property
    def wanted(self) -> tuple[str, ...]:
        """Versions that should be loaded all the time. Batch versions are loaded for their runs only."""
        if self.kind == "batch":
            return ()
        mirrored = (self.mirror[0],) if self.mirror else ()
        return tuple(dict.fromkeys([*(version for version, _ in self.routes), *mirrored, *self.warm]))

    def pick(self, key: str) -> str:
        """The version that answers for an entity: stable, and a growing share keeps the entities it had."""
        digest = hashlib.blake2b(key.encode(), key=self.salt.encode()[:64], digest_size=8).digest()
        slot = int.from_bytes(digest, "big") % SLOTS
        for version, share in sorted(self.routes, key=_newest_first):
            slot -= share * SLOTS // 100
            if slot < 0:
                return version
        raise RefusedError(503, f"{self.name} has no version in production yet.")

    def with_routes(
        self, routes: tuple[tuple[str, int], ...], *, expect_generation: int, op: str, ready: frozenset[str]
    ) -> Deployment:
        """The next state. Raises RefusedError: 422 for impossible routes, 409 for a stale generation, 503 not ready."""
        if op in self.ops:
            return self
        self._require_current(expect_generation)
        shares = tuple((version, share) for version, share in routes if share > 0)
        if any(share < 0 for _, share in routes) or sum(share for _, share in routes) != 100:
            raise RefusedError(422, f"Routes must be whole percents that sum to 100; these are {_words(routes)}.")
        if len({version for version, _ in shares}) != len(shares) or len(shares) > 2:
            raise RefusedError(422, f"Routes name at most two versions, each once; these are {_words(routes)}.")
        for version, _ in shares:
            if version not in self.known:
                raise RefusedError(422, f"Version {version} of {self.name} was never loaded here.")
            if self.kind == "realtime" and version not in ready:
                raise RefusedError(503, f"Version {version} of {self.name} is not ready right now.")
        now, before = {version for version, _ in shares}, {version for version, _ in self.routes}
        return self._changed(
            op,
            routes=shares,
            base=self.base if self.base in now else _largest(shares),
            # One salt per release: the same clients are not the test group every time.
            salt=self.salt if self.salt and now <= before else secrets.token_hex(16),
            warm=tuple(sorted(before - now)) or tuple(version for version in self.warm if version not in now),
            # A pair of answers of one version with itself says nothing; any other comparison goes on.
            mirror=None if self.mirror and self.mirror[0] in now else self.mirror,
        )

    def with_mirror(self, mirror: tuple[str, int] | None, *, expect_generation: int, op: str) -> Deployment:
        if op in self.ops:
            return self
        self._require_current(expect_generation)
        if mirror is not None and (mirror[0] not in self.known or not 0 < mirror[1] <= 100):
            raise RefusedError(422, f"Only a loaded version can be mirrored, with 1 to 100 percent; got {mirror}.")
        if mirror is not None and mirror[0] in dict(self.routes):
            raise RefusedError(422, f"Version {mirror[0]} of {self.name} answers callers already: no copies to it.")
        return self._changed(op, mirror=mirror)

    def with_mode(self, mode: str, *, expect_generation: int, op: str, ready: frozenset[str]) -> Deployment:
        """The next state. Raises RefusedError: 422 for a mode it does not have, 409 stale, 503 not ready to be live."""
        if op in self.ops:
            return self
        self._require_current(expect_generation)
        if mode not in MODES:
            raise RefusedError(422, f"A mode is {', '.join(MODES)}, not {mode!r}.")
        if mode == "batch_only" and self.kind == "batch":
            raise RefusedError(422, f"{self.name} is a batch model: its scores come from its job in every mode.")
        missing = [version for version, _ in self.routes if version not in ready]
        if mode == "live" and self.kind == "realtime" and missing:
            raise RefusedError(503, f"Version {missing[0]} of {self.name} is not ready right now.")
        return self._changed(op, mode=mode)

    def _changed(self, op: str, **fields: Any) -> Deployment:
        ops = (*self.ops, op)[-_REMEMBERED_OPS:]
        return replace(self, generation=self.generation + 1, ops=ops, **fields)

    def with_known(self, version: str) -> Deployment:
        return self if version in self.known else replace(self, known=(*self.known, version))

    def _require_current(self, expect_generation: int) -> None:
        if expect_generation != self.generation:
            raise RefusedError(
                409,
                f"Traffic of {self.name} was changed meanwhile: generation {self.generation}, "
                f"the caller knew {expect_generation}.",
            )


class TableFile:
    """The route table on disk. A change is durable before anybody is told it happened."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.deployments: dict[str, Deployment] = _read(file)

    def get(self, name: str) -> Deployment:
        try:
            return self.deployments[name]
        except KeyError:
            raise RefusedError(404, f"There is no deployment named {name}.") from None

    def put(self, deployment: Deployment) -> Deployment:
        if self.deployments.get(deployment.name) != deployment:
            changed = {**self.deployments, deployment.name: deployment}
            _write(self._file, changed)
            self.deployments = changed
        return deployment


def _read(file: Path) -> dict[str, Deployment]:
    if not file.exists():
        return {}
    document = json.loads(file.read_text())
    if document.get("format") != FORMAT:
        raise RefusedError(503, f"{file} was written by another release of Countersign (format {document['format']}).")
    return {name: _deployment(name, fields) for name, fields in document["deployments"].items()}


def _deployment(name: str, fields: Mapping[str, Any]) -> Deployment:
    mirror = fields["mirror"]
    return Deployment(
        name=name,
        kind=fields["kind"],
        generation=fields["generation"],
        routes=tuple((version, share) for version, share in fields["routes"]),
        mirror=(mirror[0], mirror[1]) if mirror else None,
        ops=tuple(fields["ops"]),
        salt=fields["salt"],
        known=tuple(fields["known"]),
        warm=tuple(fields["warm"]),
        # Files written before there were modes and a base.
        mode=fields.get("mode", "live"),
        base=fields["base"] if "base" in fields else _largest(fields["routes"]),
    )


def _largest(routes: Sequence[Sequence[Any]]) -> str:
    return str(max(routes, key=lambda route: int(route[1]))[0]) if routes else ""


def _write(file: Path, deployments: Mapping[str, Deployment]) -> None:
    document = {"format": FORMAT, "deployments": {name: asdict(item) for name, item in deployments.items()}}
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".draft")
    with draft.open("w") as out:
        json.dump(document, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _newest_first(route: tuple[str, int]) -> tuple[int, str]:
    return (-int(route[0]) if route[0].isdigit() else 0, route[0])


def _words(routes: tuple[tuple[str, int], ...]) -> str:
    return ", ".join(f"version {version}: {share} %" for version, share in routes) or "none"
