"""The tree is the one of RFC 6962, and its proofs prove nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger import merkle

# Published with the reference implementation of RFC 6962.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
LEAVES = [merkle.leaf_hash(bytes.fromhex(text)) for text in INPUTS]


def leaves_of(size: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(size)]


def test_roots_are_the_published_ones() -> None:
    frontier = merkle.Frontier()
    assert frontier.root.hex() == EMPTY
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        frontier = frontier.push(leaf)
        assert frontier.root.hex() == root
    assert merkle.root_of(LEAVES).hex() == ROOTS[-1]


def test_published_inclusion_and_consistency_proofs() -> None:
    assert [node.hex() for node in merkle.inclusion_proof(LEAVES, 0)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [node.hex() for node in merkle.consistency_proof(LEAVES, 6)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_every_leaf_of_every_small_tree_is_proven_and_no_other_place() -> None:
    for size in range(1, 24):
        leaves = leaves_of(size)
        root = merkle.root_of(leaves)
        for index in range(size):
            proof = merkle.inclusion_proof(leaves, index)
            assert merkle.root_from_inclusion(leaves[index], index, size, proof) == root
            for wrong in range(size):
                if wrong != index:
                    assert merkle.root_from_inclusion(leaves[index], wrong, size, proof) != root
            assert merkle.root_from_inclusion(leaves[index], index, size, [*proof, root]) is None
            if proof:
                assert merkle.root_from_inclusion(leaves[index], index, size, proof[:-1]) != root


def test_every_pair_of_sizes_is_consistent_and_a_fork_is_not() -> None:
    for newer in range(1, 24):
        leaves = leaves_of(newer)
        root = merkle.root_of(leaves)
        for older in range(1, newer + 1):
            old_root = merkle.root_of(leaves[:older])
            proof = merkle.consistency_proof(leaves, older)
            assert merkle.is_consistent(older, old_root, newer, root, proof)
            forked = merkle.root_of([*leaves[: older - 1], merkle.leaf_hash(b"other")])
            assert not merkle.is_consistent(older, forked, newer, root, proof)
            if older < newer:
                assert not merkle.is_consistent(older, old_root, newer, old_root, proof)
                assert not merkle.is_consistent(older, old_root, newer, root, proof[:-1])
                assert not merkle.is_consistent(older, old_root, newer, root, [*proof, root])


@settings(max_examples=40)
@given(st.integers(0, 300))
def test_frontier_survives_storage_and_proves_the_next_leaf(size: int) -> None:
    leaves = leaves_of(size + 1)
    frontier = merkle.Frontier()
    for leaf in leaves[:-1]:
        frontier = frontier.push(leaf)

    stored = merkle.Frontier.from_bytes(size, frontier.to_bytes())

    assert stored == frontier
    assert stored.next_proof == merkle.inclusion_proof(leaves, size)
    assert stored.push(leaves[-1]).root == merkle.root_of(leaves)


def test_impossible_places_are_refused() -> None:
    with pytest.raises(ValueError, match="frontier"):
        merkle.Frontier.from_bytes(3, bytes(32))
    with pytest.raises(ValueError, match="no leaf"):
        merkle.inclusion_proof(LEAVES, 8)
    with pytest.raises(ValueError, match="No consistency"):
        merkle.consistency_proof(LEAVES, 0)
    assert merkle.root_from_inclusion(LEAVES[0], 3, 2, []) is None
    assert not merkle.is_consistent(0, b"", 3, b"", [b""])
    assert not merkle.is_consistent(2, b"", 3, b"", [])
