"""The story of the transactions: which files each day brings, in which wave, and what goes wrong with them.

The days with a story and the choice of faults belong here. The bytes of a file do not: `transactions.py` writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path

from examples.shop import schedule
from examples.shop.file_plan import Written, fault_of_file, told_of_file, until_corrected, write_copy, write_refused
from examples.shop.landing import CORRECTIONS, folder_of
from examples.shop.rng import Dice
from examples.shop.sales import Sales, Segment
from examples.shop.transaction_faults import (
    BROKEN_RECORDS,
    BROKEN_VALUES,
    EXTRA_COLUMN,
    FOREIGN,
    HELD_LINE,
    HELD_LINE_REPAIRED,
    LAST_LINE_CUT,
    LATIN1_LINE,
    UNUSUAL_BUT_GOOD,
    WITHOUT_CUSTOMER,
    Plant,
)
from examples.shop.transactions import SOURCE, FilePlan, TransactionWriter, first_row

_SHARES = {  # how the files of a special day share its clean rows, in percent
    schedule.LATE_FILE_DAY: (85, 15),
    schedule.SPLIT_DAY: (70, 30),
    schedule.TRUNCATED_ARCHIVE_DAY: (80, 20),
    schedule.ODD_LAYOUTS_DAY: (60, 20, 20),
    schedule.CORRECTED_DAY: (80, 20),
}
_RESERVED = frozenset({schedule.HELD_DAY, schedule.CORRECTED_DAY})
_HELD_PERCENT, _HELD_AT_LEAST = 8, 25  # a day is held from 5 % and 20 rejected rows on; stay clear of the edge
_DELIVERED_PERCENT = 60  # how much of the truncated archive arrives at first
_UTF16_FILE = "InvoiceNo,StockCode\r\n1,2\r\n".encode("utf-16")
_NEEDS_A_PAST = ("late_row", "late_and_broken", "duplicate_across_days")


class TransactionDays:
    """Writes all transactions files of the world, a day at a time.

    Args:
        sales: The clean sales.
        out: The landing root.
        seed: The seed of the world.
        rows_per_day: Clean rows of an average day.
    """

    def __init__(self, sales: Sales, out: Path, *, seed: int, rows_per_day: int) -> None:
        """Prepare the writer."""
        self._sales = sales
        self._out = out
        self._seed = seed
        self._copies = schedule.copies(rows_per_day)
        self._writer = TransactionWriter(sales, out)

    def write_day(self, day: int) -> Iterator[Written]:
        """Write the files of one day, those of later waves included."""
        stories = {
            schedule.LATE_FILE_DAY: self._late_file_day,
            schedule.SPLIT_DAY: self._split_day,
            schedule.TRUNCATED_ARCHIVE_DAY: self._truncated_archive_day,
            schedule.HELD_DAY: self._held_day,
            schedule.ODD_LAYOUTS_DAY: self._odd_layouts_day,
            schedule.CORRECTED_DAY: self._corrected_day,
            schedule.WRONG_ENCODING_DAY: self._wrong_encoding_day,
        }
        yield from stories.get(day, self._ordinary_day)(day)

    def _key(self, day: int, suffix: str = ".csv") -> str:
        """Return the key of a day's file."""
        return f"{SOURCE}/{self._sales.date_of(day)}{suffix}"

    def _segments(self, day: int) -> list[Segment]:
        """Return the clean rows of each of the day's files."""
        rows, edges = self._sales.rows_of(day), [0]
        for share in _SHARES.get(day, (100,)):
            edges.append(edges[-1] + rows * share // 100)
        edges[-1] = rows
        return [Segment(day, first, end) for first, end in pairwise(edges)]

    def _place(self, segment: Segment, plants: list[Plant], *, cut: bool = False) -> tuple[tuple[int, Plant], ...]:
        """Give the plants places in a segment, each after another clean row; a cut line comes last."""
        dice = Dice(self._seed, "places", segment.day, segment.first)
        places = [segment.first + place for place in dice.distinct("place", len(plants), segment.rows - 1)]
        shuffled = [plants[index] for index in _shuffle(dice, len(plants))]
        placed = tuple(zip(places, shuffled, strict=True))
        return (*placed, (segment.end - 1, LAST_LINE_CUT)) if cut else placed

    def _faults_of(self, day: int) -> list[Plant]:
        """Choose what goes wrong on a day with single lines."""
        values = schedule.falling_on(day, BROKEN_VALUES, _RESERVED)
        records = schedule.falling_on(day, BROKEN_RECORDS, _RESERVED)
        unusual = schedule.falling_on(day, UNUSUAL_BUT_GOOD, _RESERVED)
        past = schedule.falling_on(day, _NEEDS_A_PAST, _RESERVED | {0})
        again = chain(values * self._copies, records, unusual * self._copies)
        return [*again, *(self._from_the_past(day, kind) for kind in past)]

    def _from_the_past(self, day: int, kind: str) -> Plant:
        """Make a line that belongs to an earlier day."""
        dice = Dice(self._seed, kind, day)
        earlier = schedule.earlier_day(dice, day)
        moved_to = self._sales.date_of(earlier)
        if kind == "late_row":
            return Plant(kind, "late", moved_to=moved_to)
        if kind == "late_and_broken":
            return Plant(kind, "rejected", ("quantity:readable",), {"Quantity": "six"}, moved_to=moved_to)
        stable = next(other for other in range(day - 1, -1, -1) if other not in _RESERVED)
        original = first_row(self._sales, self._segments(stable)[0])
        return Plant(kind, "duplicate", verbatim=True, original=original)

    def _main_file(self, day: int, key: str, extra: list[Plant] | None = None) -> Written:
        """Write the file that carries the day's single faults."""
        segment = self._segments(day)[0]
        cut = day % schedule.CYCLE == schedule.ODD_LAYOUTS_DAY
        plants = self._place(segment, self._faults_of(day) + (extra or []), cut=cut)
        return self._writer.write(FilePlan(key, segment, plants))

    def _ordinary_day(self, day: int) -> Iterator[Written]:
        """One file, a few broken lines."""
        yield self._main_file(day, self._key(day))

    def _late_file_day(self, day: int) -> Iterator[Written]:
        """One till's file arrives with the corrections, days late."""
        yield self._main_file(day, self._key(day))
        late = FilePlan(self._key(day, ".late-till.csv"), self._segments(day)[1], wave=CORRECTIONS)
        yield told_of_file(self._writer.write(late), "late_file", "late", self._sales.date_of(day))

    def _split_day(self, day: int) -> Iterator[Written]:
        """Two files that overlap, a copy of the second re-sent later under another name, and an empty file."""
        morning, evening = self._segments(day)
        today = self._sales.date_of(day)
        yield self._main_file(day, self._key(day, "-am.csv"))
        twice = Plant("duplicate_across_files", "duplicate", verbatim=True, original=first_row(self._sales, morning))
        written = self._writer.write(FilePlan(self._key(day, "-pm.csv"), evening, self._place(evening, [twice])))
        yield written
        yield write_copy(self._out, written.version, self._key(day, "-pm.resent.csv"), CORRECTIONS, today)
        yield write_refused(self._out, self._key(day, "-empty.csv"), b"", today, ("empty_file", "file:header"))

    def _truncated_archive_day(self, day: int) -> Iterator[Written]:
        """A folder of parts; the compressed one first arrives truncated, later whole."""
        today = self._sales.date_of(day)
        folder = f"{SOURCE}/dt={today}"
        yield self._main_file(day, f"{folder}/part-0.csv")
        key = f"{folder}/part-1.csv.gz"
        whole = self._writer.write(FilePlan(key, self._segments(day)[1], wave=CORRECTIONS))
        content = (folder_of(self._out, CORRECTIONS) / key).read_bytes()
        start = content[: len(content) * _DELIVERED_PERCENT // 100]
        truncated = write_refused(self._out, key, start, today, ("archive_truncated", "file:gzip"))
        yield until_corrected(truncated)
        yield told_of_file(whole, "archive_whole", "kept", self._sales.date_of(day), replaced=truncated)

    def _held_day(self, day: int) -> Iterator[Written]:
        """A till that writes no quantities spoils the day; the corrected file opens it again."""
        (segment,) = self._segments(day)
        broken = max(_HELD_AT_LEAST, segment.rows * _HELD_PERCENT // 100)
        key = self._key(day)
        bad = FilePlan(key, segment, self._place(segment, [HELD_LINE] * broken))
        good = FilePlan(key, segment, self._place(segment, [HELD_LINE_REPAIRED] * broken), wave=CORRECTIONS)
        first = self._writer.write(bad)
        told = fault_of_file(first.version, HELD_LINE.kind, "held", self._sales.date_of(day))
        told = replace(told, rules=HELD_LINE.rules, records=first.unreported)
        yield until_corrected(first.with_faults(told))
        yield told_of_file(
            self._writer.write(good), "held_day_corrected", "released", self._sales.date_of(day), replaced=first
        )

    def _odd_layouts_day(self, day: int) -> Iterator[Written]:
        """A file with a column more, and one with another order, case, line end and a byte order mark."""
        _, app, kiosk = self._segments(day)
        yield self._main_file(day, self._key(day))
        extra = self._writer.write(FilePlan(self._key(day, "-app.csv"), app, layout=EXTRA_COLUMN))
        yield told_of_file(extra, "extra_column", "rescued", self._sales.date_of(day))
        foreign = self._writer.write(FilePlan(self._key(day, "-kiosk.csv"), kiosk, layout=FOREIGN))
        yield told_of_file(foreign, "other_order_case_and_line_ends", "kept", self._sales.date_of(day))

    def _corrected_day(self, day: int) -> Iterator[Written]:
        """A file whose later version changes, drops and adds lines, and withdraws a late one; one without customers."""
        main, phone = self._segments(day)
        key = self._key(day)
        moved_to = self._sales.date_of(schedule.earlier_day(Dice(self._seed, "withdrawn", day), day))
        late = Plant("late_row_withdrawn", "late", moved_to=moved_to)
        first = self._writer.write(FilePlan(key, main, self._place(main, [late])))
        yield until_corrected(first)
        changed = [Plant("line_corrected", "kept", verbatim=True, replaces=True, checks={"quantity": 3})] * 3
        dropped = Plant("line_withdrawn", "superseded", replaces=True, dropped=True)
        plants = self._place(main, [*changed, dropped, Plant("line_added", "kept")])
        corrected = self._writer.write(FilePlan(key, main, plants, wave=CORRECTIONS))
        (gone,) = first.faults
        withdrawn = replace(gone, kind="late_row_gone", expect="superseded", wave=CORRECTIONS, record=None)
        corrected = corrected.with_faults(withdrawn)
        yield told_of_file(corrected, "file_corrected", "superseded", self._sales.date_of(day), replaced=first)
        without = self._writer.write(FilePlan(self._key(day, "-phone.csv"), phone, layout=WITHOUT_CUSTOMER))
        yield told_of_file(without, "missing_column", "kept", self._sales.date_of(day))

    def _wrong_encoding_day(self, day: int) -> Iterator[Written]:
        """A few lines in Latin-1 among UTF-8, and a file in UTF-16."""
        today, key = self._sales.date_of(day), self._key(day, "-utf16.csv")
        yield self._main_file(day, self._key(day), [LATIN1_LINE] * 3)
        yield write_refused(self._out, key, _UTF16_FILE, today, ("utf16_file", "file:bom"))


def _shuffle(dice: Dice, count: int) -> list[int]:
    """Return the numbers below `count` in a random order."""
    keys = dice.integers("shuffle", count, 1 << 32).tolist()
    return sorted(range(count), key=lambda index: (keys[index], index))
