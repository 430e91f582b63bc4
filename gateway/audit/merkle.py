"""The Merkle tree of the access log: RFC 6962 section 2.1, proofs checked as RFC 9162 section 2.1 spells out.

Leaves are leaf *hashes* throughout; nobody who holds the tree needs an entry. A range is ``(first, after)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from hashlib import sha256
from typing import Final

HASH_SIZE: Final = 32
EMPTY_ROOT: Final = sha256(b"").digest()

Range = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf's bytes, in a domain of its own."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node from its children's."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that is needed to grow a tree and to know its root: the size, and the root of each full subtree, largest first.

    A value: growing gives another one, so a transaction that fails leaves nothing behind. There is one peak per one-bit
    of the size; ``from_bytes`` checks it.
    """

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> Frontier:
        """The tree with one leaf more."""
        if not self.size & 1:
            return Frontier(self.size + 1, (*self.peaks, leaf))
        return self.extend((leaf,))

    def extend(self, leaves: Iterable[bytes]) -> Frontier:
        """The tree with these leaves more, in their order."""
        size, peaks = self.size, list(self.peaks)
        for node in leaves:
            below = size
            while below & 1:
                node = sha256(b"\x01" + peaks.pop() + node).digest()
                below >>= 1
            peaks.append(node)
            size += 1
        return Frontier(size, tuple(peaks))

    def root(self) -> bytes:
        """The Merkle tree hash; that of nothing for the empty tree."""
        if not self.peaks:
            return EMPTY_ROOT
        return reduce(lambda right, left: node_hash(left, right), reversed(self.peaks))

    def to_bytes(self) -> bytes:
        """The size in eight bytes, big-endian, and the peaks."""
        return self.size.to_bytes(8, "big") + b"".join(self.peaks)

    @staticmethod
    def from_bytes(data: bytes) -> Frontier:
        """What ``to_bytes`` wrote; ValueError where size and peaks do not belong together."""
        size, rest = int.from_bytes(data[:8], "big"), data[8:]
        if len(data) < 8 or len(rest) != size.bit_count() * HASH_SIZE:
            raise ValueError("not a frontier: the number of peaks does not fit the size")
        return Frontier(size, tuple(rest[at : at + HASH_SIZE] for at in range(0, len(rest), HASH_SIZE)))


def inclusion_ranges(index: int, size: int) -> tuple[Range, ...]:
    """The ranges whose subtree roots are the inclusion proof of a leaf, in the order of the proof.

    Whoever keeps subtree roots can answer from them without reading leaves.
    """
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    first, after, ranges = 0, size, []
    while after - first > 1:
        middle = first + _split(after - first)
        if index < middle:
            ranges.append((middle, after))
            after = middle
        else:
            ranges.append((first, middle))
            first = middle
    return tuple(reversed(ranges))


def consistency_ranges(old: int, new: int) -> tuple[Range, ...]:
    """The ranges whose subtree roots prove that the tree of ``old`` leaves is the beginning of that of ``new``."""
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} has no consistency proof from {old}")
    first, after, ranges = 0, new, []
    while old != after:
        middle = first + _split(after - first)
        if old <= middle:
            ranges.append((middle, after))
            after = middle
        else:
            ranges.append((first, middle))
            first = middle
    if first:
        ranges.append((first, after))
    return tuple(reversed(ranges))


def inclusion_proof(leaves: Sequence[bytes], index: int, size: int) -> tuple[bytes, ...]:
    """RFC 6962 2.1.1: the audit path of a leaf in the tree of the first ``size`` leaves. ValueError if there is none."""
    return _roots(leaves, inclusion_ranges(index, size), size)


def consistency_proof(leaves: Sequence[bytes], old: int, new: int) -> tuple[bytes, ...]:
    """RFC 6962 2.1.2: between the trees of the first ``old`` and ``new`` leaves. ValueError where ``old`` is 0."""
    return _roots(leaves, consistency_ranges(old, new), new)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf stands at ``index`` of the tree of that size and root (RFC 9162 2.1.3.2). Never raises on a bad proof."""
    if not 0 <= index < size:
        return False
    here, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = node_hash(sibling, node)
            here, last = _rise(here, last)
        else:
            node = node_hash(node, sibling)
        here, last = here >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the new tree only added to the old (RFC 9162 2.1.4.2).

    An old size of 0 is refused: an empty tree vouches for nothing, so nothing can follow from it.
    """
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = (old_root, *proof) if old & (old - 1) == 0 else tuple(proof)
    return bool(path) and _grow(old, new, path) == (old_root, new_root)


def _grow(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The two roots that a consistency path leads to; None for a path of the wrong length."""
    shift = (old & -old).bit_length() - 1
    here, last = (old - 1) >> shift, (new - 1) >> shift
    old_node = new_node = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if here & 1 or here == last:
            old_node, new_node = node_hash(sibling, old_node), node_hash(sibling, new_node)
            here, last = _rise(here, last)
        else:
            new_node = node_hash(new_node, sibling)
        here, last = here >> 1, last >> 1
    return (old_node, new_node) if last == 0 else None


def _rise(here: int, last: int) -> tuple[int, int]:
    """Up past the levels where the node has no right sibling."""
    while here and not here & 1:
        here, last = here >> 1, last >> 1
    return here, last


def _split(width: int) -> int:
    """The largest power of two below a width of two or more."""
    return 1 << (width - 1).bit_length() - 1


def _roots(leaves: Sequence[bytes], ranges: Iterable[Range], size: int) -> tuple[bytes, ...]:
    if size > len(leaves):
        raise ValueError(f"{len(leaves)} leaves are no tree of {size}")
    return tuple(Frontier().extend(leaves[first:after]).root() for first, after in ranges)
