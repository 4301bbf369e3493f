"""The RFC 6962 tree over the entries: roots, the frontier that grows it, inclusion and consistency proofs.

Pure functions over hashes. `Frontier` holds one hash per set bit of the size: enough to add a leaf and know the root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frontier:
    """The roots of the complete subtrees, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def push(self, leaf: bytes) -> Frontier:
        hashes = [*self.hashes, leaf]
        merged = self.size
        while merged & 1:
            right = hashes.pop()
            hashes.append(node_hash(hashes.pop(), right))
            merged >>= 1
        return Frontier(size=self.size + 1, hashes=tuple(hashes))

    @property
    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root

    @property
    def next_proof(self) -> tuple[bytes, ...]:
        """The inclusion proof of the leaf pushed next, in the tree that ends with it."""
        return tuple(reversed(self.hashes))

    def to_bytes(self) -> bytes:
        return b"".join(self.hashes)

    @staticmethod
    def from_bytes(size: int, data: bytes) -> Frontier:
        """Raises ValueError when `data` cannot be the frontier of a tree of `size` leaves."""
        if len(data) != HASH_BYTES * size.bit_count():
            msg = f"A tree of {size} leaves has {size.bit_count()} frontier hashes, not {len(data) / HASH_BYTES:g}."
            raise ValueError(msg)
        hashes = tuple(data[start : start + HASH_BYTES] for start in range(0, len(data), HASH_BYTES))
        return Frontier(size=size, hashes=hashes)


def root_of(leaves: Sequence[bytes]) -> bytes:
    frontier = Frontier()
    for leaf in leaves:
        frontier = frontier.push(leaf)
    return frontier.root


def inclusion_proof(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """The path from leaf `index` to the root over all `leaves`, nearest sibling first."""
    if not 0 <= index < len(leaves):
        msg = f"There is no leaf {index} in a tree of {len(leaves)}."
        raise ValueError(msg)
    level = list(leaves)
    path = []
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _next_level(level)
        index >>= 1
    return tuple(path)


class InclusionProofs:
    """The same paths for many leaves of one tree: its levels are computed once."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            self._levels.append(_next_level(self._levels[-1]))

    def path(self, index: int) -> tuple[bytes, ...]:
        """Raises ValueError for a leaf that is not there."""
        if not 0 <= index < len(self._levels[0]):
            msg = f"There is no leaf {index} in a tree of {len(self._levels[0])}."
            raise ValueError(msg)
        found = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                found.append(level[index ^ 1])
            index >>= 1
        return tuple(found)


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root this proof leads to, or None when it has the wrong length for its place (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    position, last = index, size - 1
    root = leaf
    for sibling in proof:
        if last == 0:
            return None
        if position & 1 or position == last:
            root = node_hash(sibling, root)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        position >>= 1
        last >>= 1
    return root if last == 0 else None


def consistency_proof(leaves: Sequence[bytes], older: int) -> tuple[bytes, ...]:
    """That the tree of the first `older` leaves is a prefix of the tree of all `leaves` (RFC 6962, 2.1.2)."""
    if not 0 < older <= len(leaves):
        msg = f"No consistency proof from {older} to {len(leaves)} leaves exists."
        raise ValueError(msg)
    return tuple(_subproof(older, leaves, complete=True))


def is_consistent(older: int, older_root: bytes, newer: int, newer_root: bytes, proof: Sequence[bytes]) -> bool:
    """RFC 9162, 2.1.4.2."""
    if older == newer:
        return not proof and older_root == newer_root
    if not 0 < older < newer or not proof:
        return False
    path = list(proof)
    if older & (older - 1) == 0:
        path.insert(0, older_root)
    position, last = older - 1, newer - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_root = new_root = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_root, new_root = node_hash(sibling, old_root), node_hash(sibling, new_root)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_root = node_hash(new_root, sibling)
        position >>= 1
        last >>= 1
    return last == 0 and old_root == older_root and new_root == newer_root


def _next_level(level: list[bytes]) -> list[bytes]:
    # An unpaired last node moves up unchanged: the same shape as splitting at the largest power of two.
    paired = [node_hash(level[place], level[place + 1]) for place in range(0, len(level) - 1, 2)]
    return [*paired, level[-1]] if len(level) % 2 else paired


def _subproof(older: int, leaves: Sequence[bytes], *, complete: bool) -> list[bytes]:
    if older == len(leaves):
        return [] if complete else [root_of(leaves)]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    if older <= split:
        return [*_subproof(older, leaves[:split], complete=complete), root_of(leaves[split:])]
    return [*_subproof(older - split, leaves[split:], complete=False), root_of(leaves[:split])]
