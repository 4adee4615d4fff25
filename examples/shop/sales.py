"""The clean sales of a day, a chunk of rows at a time: baskets, returns, bad debt, adjustments.

Vectorised, so that five million lines take seconds and a bounded amount of memory. How lines become files, and what
is broken in them, does not belong here: that is `transactions.py` and `transaction_faults.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from examples.shop.answer_key import KINDS, DayTally
from examples.shop.catalogue import FIRST_CUSTOMER_ID, HOME, Catalogue
from examples.shop.rng import Dice, Integers

COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
    "Country",
)
SALE, CANCELLATION, BAD_DEBT, ADJUSTMENT = range(len(KINDS))

_CHUNK_ROWS = 65_536
_FIRST_INVOICE = 536_365
_BASKET = 20  # the most lines of an invoice; also the number of shelves, so that no basket holds a product twice
_WEEKDAY_WEIGHTS = (100, 105, 110, 120, 125, 90, 50)  # Monday first; they sum to 700, so a week has its 7 days of rows
_OPENS, _CLOSES = 8 * 3600, 20 * 3600
_CANCELLATIONS, _OF_INVOICES = 10, 400  # one more of them is bad debt
_ORDINARY_PRICES = 70  # of 100 lines; the next 20 are at a discount, the last 10 wholesale


@dataclass(frozen=True)
class Row:
    """One transaction line: the cells as they stand in the file, and what they mean.

    Attributes:
        cells: Cell text by source column, already quoted for CSV where needed.
        number: The line's number among all clean lines of the world.
        quantity: Units.
        cents: Unit price.
        kind: Index into `KINDS`.
    """

    cells: dict[str, str]
    number: int
    quantity: int
    cents: int
    kind: int


@dataclass(frozen=True)
class Segment:
    """A range of one day's clean rows, as one file holds them."""

    day: int
    first: int
    end: int

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.end - self.first


@dataclass(frozen=True)
class Chunk:
    """Some consecutive clean rows: their cells, column by column, and the numbers behind them."""

    first: int
    first_number: int
    cells: dict[str, pa.Array]
    product: Integers
    quantity: Integers
    cents: Integers
    kind: Integers

    def row(self, position: int) -> Row:
        """Return the row at a position of the chunk."""
        return Row(
            cells={name: column[position].as_py() for name, column in self.cells.items()},
            number=self.first_number + position,
            quantity=int(self.quantity[position]),
            cents=int(self.cents[position]),
            kind=int(self.kind[position]),
        )

    def count_into(self, tally: DayTally) -> None:
        """Add all rows of the chunk to a day's tally, in whole units and cents."""
        amounts = self.quantity * self.cents
        for index, kind in enumerate(KINDS):
            chosen = self.kind == index
            tally.publish(kind, int(chosen.sum()), int(self.quantity[chosen].sum()), int(amounts[chosen].sum()))


@dataclass(frozen=True)
class _Invoices:
    """The invoices of a chunk: how many lines each has, and their cells."""

    of_row: Integers
    line: Integers
    kind: Integers
    number: pa.Array
    moment: pa.Array
    customer: pa.Array
    country: pa.Array


def decimals(cents: Integers) -> pa.Array:
    """Return cents as decimal128(18, 2), exactly."""
    words = np.empty((len(cents), 2), dtype="<i8")
    words[:, 0] = cents
    words[:, 1] = cents >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 2), len(cents), [None, pa.py_buffer(words.tobytes())])


def quoted(text: str) -> str:
    """Return the text as a CSV cell."""
    if any(mark in text for mark in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


class Sales:
    """All clean sales of one world.

    Args:
        catalogue: What is sold, and to whom.
        start: The first day.
        days: How many days the shop is watched.
        rows_per_day: Clean rows of an average day; a week has seven times as many.
    """

    def __init__(self, catalogue: Catalogue, *, start: date, days: int, rows_per_day: int) -> None:
        """Prepare the lookup columns that every chunk takes its cells from."""
        self.start = start
        self.days = days
        self._seed = catalogue.seed
        self._rows_per_day = rows_per_day
        self._before = np.cumsum([0] + [self.rows_of(day) for day in range(days)]).tolist()
        self._prices = np.array([product.price_cents for product in catalogue.products], dtype=np.int64)
        self.places = {product.stock_code: place for place, product in enumerate(catalogue.products)}
        self._codes = pa.array(list(self.places))
        descriptions = [quoted(product.description) for product in catalogue.products]
        self._no_description = len(descriptions)
        self._damaged = len(descriptions) + 1
        self._descriptions = pa.array([*descriptions, "", "damaged?"])
        self._customer_ids = pa.array([str(FIRST_CUSTOMER_ID + index) for index in range(len(catalogue.customers))])
        self._countries = pa.array([customer.country for customer in catalogue.customers])
        clock = range(24 * 3600)
        self._clock = pa.array([f"{tick // 3600:02}:{tick // 60 % 60:02}:{tick % 60:02}" for tick in clock])
        self._shelves = len(catalogue.products) // _BASKET

    def date_of(self, day: int) -> date:
        """Return the calendar date of a day of the world; the first is day 0."""
        return self.start + timedelta(days=day)

    def rows_of(self, day: int) -> int:
        """Return how many clean rows a day has: weekdays are busier than Sundays."""
        return self._rows_per_day * _WEEKDAY_WEIGHTS[self.date_of(day).weekday()] // 100

    @property
    def first_free_number(self) -> int:
        """The first line number that no clean line of the world has."""
        return int(self._before[-1])

    def invoice_number(self, number: int) -> str:
        """Return the number an invoice gets whose first line has that number."""
        return str(_FIRST_INVOICE + number)

    def chunks(self, segment: Segment) -> Iterator[Chunk]:
        """Yield the clean rows of a segment, in order; the same segment is always the same rows."""
        for first in range(segment.first, segment.end, _CHUNK_ROWS):
            yield self._chunk(segment.day, first, min(first + _CHUNK_ROWS, segment.end))

    def _chunk(self, day: int, first: int, end: int) -> Chunk:
        """Make rows `[first, end)` of a day."""
        rows = end - first
        dice = Dice(self._seed, "sales", day, first)
        invoices = self._invoices(dice, day, first, rows)
        product = self._products(dice, invoices, rows)
        kind = invoices.kind[invoices.of_row]
        adjusted = (kind == SALE) & (dice.integers("adjusted", rows, 250) == 0)
        kind[adjusted] = ADJUSTMENT
        quantity, cents = self._quantities(dice, kind), self._unit_prices(dice, kind, product)
        description = np.where(dice.integers("undescribed", rows, 400) == 0, self._no_description, product)
        description[adjusted] = self._damaged
        of_row = pa.array(invoices.of_row)
        return Chunk(
            first=first,
            first_number=self._before[day] + first,
            cells={
                "InvoiceNo": invoices.number.take(of_row),
                "StockCode": self._codes.take(pa.array(product)),
                "Description": self._descriptions.take(pa.array(description)),
                "Quantity": pa.array(quantity).cast(pa.string()),
                "InvoiceDate": invoices.moment.take(of_row),
                "UnitPrice": decimals(cents).cast(pa.string()),
                "CustomerID": invoices.customer.take(of_row),
                "Country": invoices.country.take(of_row),
            },
            product=product,
            quantity=quantity,
            cents=cents,
            kind=kind,
        )

    def _invoices(self, dice: Dice, day: int, first: int, rows: int) -> _Invoices:
        """Divide the rows of a chunk into invoices and give each its moment, customer and country."""
        sizes = 1 + np.minimum(dice.integers("size", rows, _BASKET), dice.integers("size again", rows, _BASKET))
        kinds = dice.integers("kind", rows, _OF_INVOICES)
        kind = np.where(kinds == 0, BAD_DEBT, np.where(kinds <= _CANCELLATIONS, CANCELLATION, SALE))
        sizes[kind == BAD_DEBT] = 1
        count = int(np.searchsorted(np.cumsum(sizes), rows)) + 1
        sizes, kind = sizes[:count], kind[:count]
        starts = np.cumsum(sizes) - sizes
        of_row = np.repeat(np.arange(count), sizes)[:rows]
        numbers = pa.array(starts + _FIRST_INVOICE + self._before[day] + first).cast(pa.string())
        letters = pa.array(["", "C", "A"]).take(pa.array(kind))
        customer = pa.array(dice.integers("customer", count, len(self._customer_ids)))
        anonymous = pa.array(dice.integers("anonymous", count, 5) == 0)
        return _Invoices(
            of_row=of_row,
            line=np.arange(rows) - starts[of_row],
            kind=kind,
            number=pc.binary_join_element_wise(letters, numbers, ""),
            moment=self._moments(dice, day, first, rows, count),
            customer=pc.if_else(anonymous, "", self._customer_ids.take(customer)),
            country=pc.if_else(anonymous, HOME, self._countries.take(customer)),
        )

    def _moments(self, dice: Dice, day: int, first: int, rows: int, count: int) -> pa.Array:
        """Return when each invoice was written: in order, within opening hours, in the chunk's share of the day."""
        total, open_for = self.rows_of(day), _CLOSES - _OPENS
        begin = _OPENS + open_for * first // total
        lasts = max(1, open_for * rows // total)
        ticks = np.sort(begin + dice.integers("moment", count, lasts))
        return pc.binary_join_element_wise(str(self.date_of(day)), self._clock.take(pa.array(ticks)), " ")

    def _products(self, dice: Dice, invoices: _Invoices, rows: int) -> Integers:
        """Choose a product for each line: every line of a basket from another shelf, popular ones more often."""
        shelf = (dice.integers("first shelf", len(invoices.kind), _BASKET)[invoices.of_row] + invoices.line) % _BASKET
        popularity = dice.integers("popularity", rows, 1 << 16)
        rank = (popularity * popularity >> 16) * self._shelves >> 16
        return rank * _BASKET + shelf

    def _quantities(self, dice: Dice, kind: Integers) -> Integers:
        """Draw units: mostly small, sometimes by the dozen, negative where goods come back or are written off."""
        rows = len(kind)
        quantity = 1 + np.minimum(dice.integers("units", rows, 24), dice.integers("units again", rows, 24))
        quantity = np.where(dice.integers("dozens", rows, 20) == 0, quantity * 12, quantity)
        quantity = np.where(kind == CANCELLATION, -quantity, quantity)
        quantity = np.where(kind == BAD_DEBT, 1, quantity)
        written_off = (kind == ADJUSTMENT) & (dice.integers("written off", rows, 3) > 0)
        return np.where(written_off, -quantity, quantity)

    def _unit_prices(self, dice: Dice, kind: Integers, product: Integers) -> Integers:
        """Price each line in cents: list, discount or wholesale; nothing for adjustments, negative for bad debt."""
        tier = dice.integers("tier", len(kind), 100)
        percent = np.where(tier < _ORDINARY_PRICES, 100, np.where(tier < _ORDINARY_PRICES + 20, 85, 60))
        cents = np.maximum(1, self._prices[product] * percent // 100)
        cents = np.where(kind == ADJUSTMENT, 0, cents)
        debt = 10_000 + dice.integers("debt", len(kind), 2_000_000)
        return np.where(kind == BAD_DEBT, -debt, cents)
