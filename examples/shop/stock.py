"""The warehouse: what came in, went out, was put right and counted, day by day, so that it fits what the tills moved.

Sound movements belong here. Files of them, and what is broken in those, do not: that is `inventory.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from examples.shop.catalogue import Catalogue
from examples.shop.rng import Dice, Integers
from examples.shop.sales import ADJUSTMENT, CANCELLATION, SALE
from examples.shop.stock_units import Goods

_COUNT_EVERY = 25  # days from one count of a product to the next
_LOSSES = 200  # of so many products one loses a few units each day, and nobody notices before the count
_MOST_LOST = 3
_SPREAD = 1800  # seconds over which movements of one kind are booked
_OPENING, _DELIVERY, _EXPRESS = time(6), time(7), time(7, 30)
_CLOSING, _RETURNS, _COUNT = time(20, 10), time(20, 45), time(21, 30)


@dataclass(frozen=True)
class Movement:
    """One stock movement; the quantity is signed, of a count it is what there is."""

    movement_id: str
    stock_code: str
    movement_type: str
    quantity: int
    moved_at: datetime


class Warehouse:
    """The stock of one world. What is on the shelves is never negative; the books drift from it until a count.

    Each day, in this order: deliveries, what the tills sold and wrote off, what customers brought back, counts. What
    the tills write off themselves is no movement of the warehouse.

    Args:
        catalogue: The products.
        goods: What the tills moved.
        start: The first day, on which everything is counted.
        days: How many days the shop is watched.
    """

    def __init__(self, catalogue: Catalogue, goods: Goods, *, start: date, days: int) -> None:
        """Prepare what is ordered when, from what sells."""
        self._seed = catalogue.seed
        self._goods = goods
        self._start = start
        self._days = days
        self._codes = [product.stock_code for product in catalogue.products]
        self._places = np.arange(len(self._codes))
        self._reorder_level = np.array([product.reorder_level for product in catalogue.products], dtype=np.int64)
        sold = sum((goods.units(start + timedelta(days=day), SALE) for day in range(days)), np.zeros_like(self._places))
        self._order = 2 * self._reorder_level + 4 * -(-sold // days)

    def movements(self) -> Iterator[list[Movement]]:
        """Yield the movements of each day, in the order of their times."""
        due: dict[int, Integers] = defaultdict(lambda: np.zeros_like(self._places))
        opening = Dice(self._seed, "stock").integers("opening", len(self._places), 1 << 16)
        shelves = self._reorder_level * 3 // 4 + (opening * self._order >> 15)
        books, ordered = shelves.copy(), np.zeros(len(self._places), dtype=bool)
        for day in range(self._days):
            today = self._start + timedelta(days=day)
            sold, brought_back, adjusted = (self._goods.units(today, kind) for kind in (SALE, CANCELLATION, ADJUSTMENT))
            found = self._booked(today, "O", "count", shelves, _OPENING, self._places) if day == 0 else []
            received = due.pop(day, np.zeros_like(self._places))
            short = np.maximum(sold - np.minimum(adjusted, 0) - shelves - received, 0)
            express = np.where(short > 0, short + self._order, 0)
            change = received + express - sold + adjusted - brought_back
            shelves, books = shelves + change, books + change
            shelves = shelves - self._lost(day, shelves)
            counted = self._places[(self._places % _COUNT_EVERY == day % _COUNT_EVERY) & (day > 0)]
            books[counted] = shelves[counted]
            found += self._booked(today, "R", "receipt", received, _DELIVERY)
            found += self._booked(today, "E", "receipt", express, _EXPRESS)
            found += self._booked(today, "S", "sale", -sold, _CLOSING)
            found += self._booked(today, "B", "adjustment", -brought_back, _RETURNS)
            found += self._booked(today, "C", "count", shelves, _COUNT, counted)
            yield found
            ordered &= received == 0
            low = (books <= self._reorder_level) & ~ordered
            for parity in (0, 1):
                due[day + 1 + parity] += np.where(low & (self._places % 2 == parity), self._order, 0)
            ordered |= low

    def _lost(self, day: int, shelves: Integers) -> Integers:
        """Return how many units of each product get lost on a day."""
        dice = Dice(self._seed, "stock", day)
        lost = 1 + dice.integers("units lost", len(shelves), _MOST_LOST)
        return np.where(dice.integers("lost", len(shelves), _LOSSES) == 0, np.minimum(lost, shelves), 0)

    def _booked(
        self, today: date, letter: str, movement_type: str, units: Integers, at: time, of: Integers | None = None
    ) -> list[Movement]:
        """Return one movement for each product that was moved, or for the given ones."""
        begins = datetime.combine(today, at)
        return [
            Movement(
                movement_id=f"{today:%Y%m%d}-{letter}{place:04}",
                stock_code=self._codes[place],
                movement_type=movement_type,
                quantity=int(units[place]),
                moved_at=begins + timedelta(seconds=place * _SPREAD // len(self._codes)),
            )
            for place in (np.flatnonzero(units) if of is None else of).tolist()
        ]
