"""When what happens in the world: which days are special, and which kinds of fault fall on which day.

The calendar of faults shared by the sources belongs here; what a fault looks like in a file does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from examples.shop.rng import Dice

CYCLE = 7
MINIMUM_DAYS = CYCLE  # the special days all lie in the first week
MINIMUM_ROWS_PER_DAY = 200  # below that a planted row weighs more than the share from which a day is held

# Days with a story of their own, counted from the first day of the world.
LATE_FILE_DAY = 0
SPLIT_DAY = 1
TRUNCATED_ARCHIVE_DAY = 2
HELD_DAY = 3
ODD_LAYOUTS_DAY = 4
CORRECTED_DAY = 5
WRONG_ENCODING_DAY = 6

_ROWS_PER_COPY = 25_000
_MOST_COPIES = 10

KindT = TypeVar("KindT")


def falling_on(day: int, kinds: Sequence[KindT], closed: frozenset[int] = frozenset()) -> list[KindT]:
    """Return the kinds that are planted on a day: each once a week, spread over the week's open days.

    Args:
        day: The day of the world.
        kinds: All kinds, in a fixed order.
        closed: Days on which nothing is planted.
    """
    monday = day // CYCLE * CYCLE
    open_days = [other for other in range(monday, monday + CYCLE) if other not in closed]
    return [kind for index, kind in enumerate(kinds) if open_days[index % len(open_days)] == day]


def copies(rows_per_day: int) -> int:
    """Return how often a broken value is planted: busy shops make more mistakes, but never a share that matters."""
    return min(1 + rows_per_day // _ROWS_PER_COPY, _MOST_COPIES)


def earlier_day(dice: Dice, day: int, first: int = 0) -> int:
    """Choose a day in `[first, day)` for late rows; never the day that is held, whose counts are its own story.

    Raises:
        ValueError: When there is no earlier day.
    """
    candidates = [other for other in range(first, day) if other != HELD_DAY]
    if not candidates:
        raise ValueError(f"day {day} has no earlier day from {first} on")
    return candidates[dice.one("earlier day", len(candidates))]
