"""Seeded integers that stay the same for ever: a counter run through splitmix64.

The one source of chance in the shop belongs here. `numpy.random` does not: its streams may change between versions,
and its state would tie one file's bytes to the order in which files are made.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB

Integers = NDArray[np.int64]


def _mix(value: int) -> int:
    """Scramble one 64-bit number (the finaliser of splitmix64)."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * _FIRST) & _MASK
    value = ((value ^ (value >> 27)) * _SECOND) & _MASK
    return value ^ (value >> 31)


class Dice:
    """A named place in the world's randomness: the same seed and path give the same numbers, in any order.

    Args:
        seed: The seed of the whole world.
        path: Where in the world this is, e.g. `("sales", 3, 0)`.
    """

    def __init__(self, seed: int, *path: str | int) -> None:
        """Derive this place's key from the seed and the path."""
        key = _mix(seed & _MASK)
        for part in path:
            number = zlib.crc32(part.encode()) + (1 << 32) if isinstance(part, str) else part & _MASK
            key = _mix(key ^ _mix(number))
        self._key = key

    def integers(self, label: str, count: int, below: int) -> Integers:
        """Draw `count` numbers in `[0, below)`; `below` is at most 2**32. One label, one sequence."""
        value = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(self._sequence(label))
        value = (value ^ (value >> np.uint64(30))) * np.uint64(_FIRST)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(_SECOND)
        value ^= value >> np.uint64(31)
        return (((value >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32)).astype(np.int64)

    def _sequence(self, label: str) -> int:
        """Return where the counter of a label's sequence starts."""
        return _mix(self._key ^ zlib.crc32(label.encode()))

    def one(self, label: str, below: int) -> int:
        """Draw one number in `[0, below)`: the first of the label's sequence."""
        return (_mix(self._sequence(label)) >> 32) * below >> 32

    def distinct(self, label: str, count: int, below: int) -> list[int]:
        """Draw `count` different numbers in `[0, below)`, sorted.

        Raises:
            ValueError: When there are not that many different numbers.
        """
        if count > below:
            raise ValueError(f"cannot draw {count} different numbers below {below}")
        found: dict[int, None] = {}
        draw = count
        while len(found) < count:
            draw *= 2
            found = dict.fromkeys(self.integers(label, draw, below).tolist())
        return sorted(list(found)[:count])
