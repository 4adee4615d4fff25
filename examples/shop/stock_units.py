"""What the tills moved: units of each product by day, counted from the transaction lines that silver publishes.

The accounts that stock movements are made from belong here. The movements themselves do not: those are `stock.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from examples.shop.answer_key import KINDS
from examples.shop.rng import Integers


@dataclass
class Goods:
    """Units by day, kind of line and product; units that came back are negative, as the tills write them.

    Attributes:
        places: The place of each stock code of the catalogue; what is not in it is nobody's stock.
        by_day: For each day the units, a row for each of `KINDS` and a column for each product.
    """

    places: Mapping[str, int]
    by_day: dict[date, Integers] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Let days appear when they are first counted."""
        shape = (len(KINDS), len(self.places))
        self.by_day = defaultdict(lambda: np.zeros(shape, dtype=np.int64), self.by_day)

    def move(self, day: date, kind: Integers, product: Integers, units: Integers) -> None:
        """Count many lines of a day."""
        np.add.at(self.by_day[day], (kind, product), units)

    def move_one(self, day: date, kind: int, stock_code: str, units: int) -> None:
        """Count one line; a negative line takes it back."""
        if stock_code in self.places:
            self.by_day[day][kind, self.places[stock_code]] += units

    def units(self, day: date, kind: int) -> Integers:
        """Return the units of each product that lines of one kind moved on a day."""
        found: Integers = self.by_day[day][kind]
        return found


def together(places: Mapping[str, int], several: Iterable[Goods]) -> Goods:
    """Return the sum of several accounts of one catalogue."""
    total = Goods(places)
    for goods in several:
        for day, units in goods.by_day.items():
            total.by_day[day] += units
    return total
