"""The Merkle tree of the access log against RFC 6962, an independent definition and another implementation."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree

from gateway.audit.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_proof,
    consistency_ranges,
    inclusion_proof,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

# The eight inputs and tree heads that Certificate Transparency implementations share.
INPUTS = [bytes.fromhex(x) for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
INPUTS.append(bytes(range(0x60, 0x70)))
HEADS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
MOST = 70
LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(MOST)]


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 section 2.1 defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]) as RFC 6962 section 2.1.1 defines it."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b) as RFC 6962 section 2.1.2 defines it."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def root_at(size: int) -> bytes:
    return Frontier().extend(LEAVES[:size]).root()


SIZES = st.integers(1, MOST)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    """The shared tree heads of RFC 6962 logs come out for nought to eight entries."""
    hashes = [leaf_hash(data) for data in INPUTS[:size]]
    assert Frontier().extend(hashes).root().hex() == HEADS[size] == naive_root(hashes).hex()


@pytest.mark.parametrize("size", range(MOST + 1))
def test_growing_one_by_one_all_at_once_and_by_definition_agree(size: int) -> None:
    """However the log grew, its root is that of the definition, and there is a peak for each one-bit of the size."""
    grown = Frontier()
    for leaf in LEAVES[:size]:
        grown = grown.append(leaf)
    assert grown == Frontier().extend(LEAVES[:size])
    assert grown.root() == naive_root(LEAVES[:size])
    assert (grown.size, len(grown.peaks)) == (size, size.bit_count())


def test_another_implementation_gives_the_same_roots_and_paths() -> None:
    """An independent library agrees on roots and, but for its leading leaf hash, on inclusion paths."""
    other = InmemoryTree(algorithm="sha256")
    for number in range(20):
        other.append_entry(number.to_bytes(2, "big"))
    for size in range(1, 21):
        assert other.get_root(size) == root_at(size)
        for index in range(size):
            path = other.prove_inclusion(index + 1, size).serialize()["path"]
            assert path[0] == LEAVES[index].hex()
            assert path[1:] == [node.hex() for node in inclusion_proof(LEAVES, index, size)]


def test_growing_leaves_the_old_tree_as_it_was() -> None:
    """A transaction that fails after growing the tree has changed nothing."""
    before = Frontier().extend(LEAVES[:5])
    before.append(LEAVES[5])
    assert before == Frontier().extend(LEAVES[:5])


@given(st.integers(0, MOST))
def test_a_frontier_survives_being_stored(size: int) -> None:
    """The state of the tree is size and peaks, and nothing else."""
    tree = Frontier().extend(LEAVES[:size])
    assert Frontier.from_bytes(tree.to_bytes()) == tree


@pytest.mark.parametrize("data", [b"", bytes(7), bytes(9), bytes(40), (3).to_bytes(8, "big") + bytes(32)])
def test_a_frontier_with_the_wrong_number_of_peaks_is_refused(data: bytes) -> None:
    """A damaged head is noticed when it is read."""
    with pytest.raises(ValueError):
        Frontier.from_bytes(data)


@given(st.data(), SIZES)
def test_an_entry_is_proved_to_be_in_the_log(data: st.DataObject, size: int) -> None:
    """The proof is that of RFC 6962 and holds for this leaf, index, size and root."""
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(LEAVES, index, size)
    assert list(proof) == naive_path(index, LEAVES[:size])
    assert verify_inclusion(LEAVES[index], index, size, proof, root_at(size))


@given(st.data(), st.integers(2, MOST))
def test_a_proof_holds_for_nothing_else(data: st.DataObject, size: int) -> None:
    """Another leaf, index, root or path is refused."""
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1).filter(lambda one: one != index))
    proof, root = inclusion_proof(LEAVES, index, size), root_at(size)
    at = data.draw(st.integers(0, len(proof) - 1))
    changed = (*proof[:at], bytes(32), *proof[at + 1 :])
    assert not verify_inclusion(LEAVES[other], index, size, proof, root)
    assert not verify_inclusion(LEAVES[index], other, size, proof, root)
    assert not verify_inclusion(LEAVES[index], index, size, proof, bytes(32))
    assert not verify_inclusion(LEAVES[index], index, size, changed, root)
    assert not verify_inclusion(LEAVES[index], index, size, proof[:-1], root)
    assert not verify_inclusion(LEAVES[index], index, size, (*proof, bytes(32)), root)
    assert not verify_inclusion(LEAVES[index], size, size, proof, root)
    assert not verify_inclusion(LEAVES[index], -1, size, proof, root)


@given(st.data(), SIZES)
def test_a_later_log_is_proved_to_contain_an_earlier_one(data: st.DataObject, new: int) -> None:
    """The proof is that of RFC 6962 and holds for these two roots."""
    old = data.draw(st.integers(1, new))
    proof = consistency_proof(LEAVES, old, new)
    assert list(proof) == naive_subproof(old, LEAVES[:new], True)
    assert verify_consistency(old, new, root_at(old), root_at(new), proof)


@given(st.data(), st.integers(2, MOST))
def test_a_log_that_was_rewritten_has_no_consistency_proof(data: st.DataObject, new: int) -> None:
    """Another old or new root, or another path, is refused."""
    old = data.draw(st.integers(1, new - 1))
    proof, first, last = consistency_proof(LEAVES, old, new), root_at(old), root_at(new)
    at = data.draw(st.integers(0, len(proof) - 1))
    assert not verify_consistency(old, new, bytes(32), last, proof)
    assert not verify_consistency(old, new, first, bytes(32), proof)
    assert not verify_consistency(old, new, first, last, (*proof[:at], bytes(32), *proof[at + 1 :]))
    assert not verify_consistency(old, new, first, last, proof[:-1])
    assert not verify_consistency(old, new, first, last, (*proof, bytes(32)))
    assert not verify_consistency(new, old, last, first, proof)


def test_nothing_follows_from_an_empty_log() -> None:
    """Consistency with size nought is refused, whatever is offered as proof."""
    assert not verify_consistency(0, 5, EMPTY_ROOT, root_at(5), ())
    assert not verify_consistency(0, 0, EMPTY_ROOT, EMPTY_ROOT, ())
    assert not verify_consistency(0, 5, EMPTY_ROOT, root_at(5), (root_at(5),))
    with pytest.raises(ValueError):
        consistency_proof(LEAVES, 0, 5)


def test_equal_sizes_need_equal_roots_and_no_proof() -> None:
    """Two heads of one size are the same head or two histories."""
    assert verify_consistency(5, 5, root_at(5), root_at(5), ())
    assert not verify_consistency(5, 5, root_at(5), root_at(4), ())
    assert not verify_consistency(5, 5, root_at(5), root_at(5), (bytes(32),))


@pytest.mark.parametrize(("index", "size"), [(5, 5), (-1, 5), (0, 0), (0, MOST + 1)])
def test_there_is_no_proof_for_what_is_not_in_the_log(index: int, size: int) -> None:
    """An index outside the tree, or a tree larger than the log, is an error of the caller."""
    with pytest.raises(ValueError):
        inclusion_proof(LEAVES, index, size)


def test_a_proof_in_a_log_of_ten_million_is_small() -> None:
    """An inclusion proof at ten million entries is 24 hashes or fewer: well under two kilobytes."""
    assert max(len(inclusion_ranges(at, 10_000_000)) for at in (0, 5_000_001, 9_999_999)) <= 24
    assert len(consistency_ranges(6_543_211, 10_000_000)) <= 25


def test_leaves_and_nodes_never_collide() -> None:
    """A leaf whose bytes are two hashes is not the node above them."""
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])
