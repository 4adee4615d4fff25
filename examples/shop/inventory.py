"""The inventory source: CSV files of stock movements, which files each day brings, and what is broken in them.

Its columns, files and kinds of broken line belong here. The sound movements come from `stock.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

from examples.shop import schedule
from examples.shop.answer_key import FileVersion
from examples.shop.csv_layout import Layout, foreign, standard
from examples.shop.file_plan import Written, fault_of_file, told_of_file, until_corrected, write_copy, write_refused
from examples.shop.landing import CORRECTIONS, FIRST_WAVE, folder_of, write_bytes
from examples.shop.rng import Dice
from examples.shop.rows import FileRow, RowPlant, RowSource, Values, account, strewn
from examples.shop.stock import Movement

COLUMNS = ("movement_id", "stock_code", "movement_type", "quantity", "moved_at")
SOURCE = RowSource("inventory", "movement_id", lambda values: (values["movement_type"], int(values["quantity"])))

_ODD_LAYOUTS_DAY, _SPLIT_DAY, _LATE_FILE_DAY, _HELD_DAY, _CORRECTED_DAY, _UTF16_DAY = 1, 2, 3, 4, 5, 6
_RESERVED = frozenset({_HELD_DAY, _CORRECTED_DAY})
_LATE = {2: "sale", 3: "count"}  # on these days of each week, a movement of the day before comes with the day's
_HELD_PERCENT, _HELD_AT_LEAST = 10, 25  # a day is held from 5 % and 20 rejected rows on; stay clear of the edge
_NORTH, _SOUTH = 5, 7  # every fifth movement is one of the north, and so on
_STANDARD, _FOREIGN = standard(COLUMNS), foreign(COLUMNS)
_SCANNER = Layout((*_STANDARD.header, ("scanner", "S7")))
_UTF16_FILE = "movement_id,stock_code\r\n1,2\r\n".encode("utf-16")
_PLANTS = (
    RowPlant("movement_id_missing", ("movement_id:not_null",), {"movement_id": ""}),
    RowPlant("stock_code_missing", ("stock_code:not_null",), {"stock_code": ""}),
    RowPlant("movement_type_unknown", ("movement_type:isin",), {"movement_type": "theft"}),
    RowPlant("movement_type_missing", ("movement_type:not_null",), {"movement_type": ""}),
    RowPlant("quantity_not_a_number", ("quantity:readable",), {"quantity": "a dozen"}),
    RowPlant("quantity_with_a_fraction", ("quantity:readable",), {"quantity": "-2.5"}),
    RowPlant("quantity_missing", ("quantity:not_null",), {"quantity": ""}),
    RowPlant("quantity_out_of_range", ("quantity:in_range",), {"quantity": "-2500000"}),
    RowPlant("receipt_that_takes", ("row:receipt_adds",), {"movement_type": "receipt", "quantity": "-24"}),
    RowPlant("sale_that_adds", ("row:sale_takes",), {"quantity": "6"}),
    RowPlant("count_negative", ("row:count_is_not_negative",), {"movement_type": "count", "quantity": "-1"}),
    RowPlant("time_unreadable", ("moved_at:readable",), {"moved_at": "after closing"}),
    RowPlant("time_missing", ("moved_at:not_null",), {"moved_at": ""}),
    RowPlant("time_in_the_far_future", ("moved_at:on_business_date",), {"moved_at": "2199-01-01 10:00:00"}),
    RowPlant("time_before_the_shop", ("moved_at:on_business_date",), {"moved_at": "1999-12-31 10:00:00"}),
    RowPlant(
        "movement_broken_twice", ("movement_type:isin", "quantity:readable"), {"movement_type": "?", "quantity": "?"}
    ),
    RowPlant("row_too_short", ("record:fields",), damage=lambda line: line.rsplit(b",", 2)[0]),
    RowPlant("row_too_long", ("record:fields",), damage=lambda line: line + b",one cell too many"),
    RowPlant("nul_byte", ("record:nul",), damage=lambda line: line.replace(b",sale,", b",sa\0le,")),
)
_SIGN_LOST = RowPlant("signs_lost", ("row:sale_takes",))
_UNUSUAL = ("movement_booked_twice", "movement_number_used_again", "unknown_product", "adjustment_of_nothing")


class InventoryDays:
    """Writes all inventory files of the world, a day at a time.

    Args:
        movements: The sound movements of each day.
        out: The landing root.
        seed: The seed of the world.
        start: The first day.
    """

    def __init__(self, movements: Sequence[Sequence[Movement]], out: Path, *, seed: int, start: date) -> None:
        """Remember where the movements come from and the files go."""
        self._movements = movements
        self._out = out
        self._seed = seed
        self._start = start

    def write_day(self, day: int) -> Iterator[Written]:
        """Write the files of one day, those of later waves included."""
        stories = {
            _ODD_LAYOUTS_DAY: self._odd_layouts_day,
            _SPLIT_DAY: self._split_day,
            _LATE_FILE_DAY: self._late_file_day,
            _HELD_DAY: self._held_day,
            _CORRECTED_DAY: self._corrected_day,
            _UTF16_DAY: self._utf16_day,
        }
        yield from stories.get(day, self._ordinary_day)(day)

    def _date_of(self, day: int) -> date:
        return self._start + timedelta(days=day)

    def _key(self, day: int, suffix: str = ".csv") -> str:
        """Return the key of a day's file."""
        return f"{SOURCE.name}/{self._date_of(day)}{suffix}"

    def _rows(self, day: int) -> list[FileRow]:
        """Return the sound movements that come with a day: its own but for one, and one of the day before."""
        late = self._held_back(day)
        rows = [self._row(day, movement) for movement in self._movements[day] if movement is not late]
        before = self._held_back(day - 1) if day else None
        if before is not None:
            row = self._row(day - 1, before)
            rows.append(replace(row, expect="late", kind=f"{before.movement_type}_booked_late"))
        return rows

    def _held_back(self, day: int) -> Movement | None:
        """Return the movement that comes with the files of the next day."""
        wanted = _LATE.get((day + 1) % schedule.CYCLE)
        if wanted is None or day + 1 == len(self._movements):
            return None
        return next(movement for movement in self._movements[day] if movement.movement_type == wanted)

    def _row(self, day: int, movement: Movement) -> FileRow:
        values = {
            "movement_id": movement.movement_id,
            "stock_code": movement.stock_code,
            "movement_type": movement.movement_type,
            "quantity": str(movement.quantity),
            "moved_at": str(movement.moved_at),
        }
        return FileRow(values, self._date_of(day))

    def _sale(self, day: int, number: int) -> Values:
        """Return a sale of a day, which nobody made, to plant something with."""
        movement = next(each for each in self._movements[day] if each.movement_type == "sale")
        return self._row(day, movement).values | {"movement_id": f"{self._date_of(day):%Y%m%d}-X{number:04}"}

    def _planted(self, day: int, rows: list[FileRow]) -> list[FileRow]:
        """Return rows with what goes wrong on a day with single lines among them."""
        today = self._date_of(day)
        plants = schedule.falling_on(day, _PLANTS, _RESERVED)
        planted = [plant.broken(self._sale(day, number), today) for number, plant in enumerate(plants)]
        kinds, last = schedule.falling_on(day, _UNUSUAL, _RESERVED), []
        other, again = self._sale(day, 900), next(row for row in rows if row.expect is None)
        if "movement_booked_twice" in kinds:
            planted.append(replace(again, expect="duplicate", kind="movement_booked_twice"))
        if "movement_number_used_again" in kinds:
            checks = {"quantity": int(again.values["quantity"])}
            values = again.values | {"quantity": str(checks["quantity"] + 1_000)}
            last.append(FileRow(values, today, "duplicate", "movement_number_used_again", checks=checks))
        if "unknown_product" in kinds:
            planted.append(FileRow(other | {"stock_code": "ZZ-SAMPLE"}, today, "kept", "unknown_product"))
        if "adjustment_of_nothing" in kinds:
            nothing = other | {"movement_type": "adjustment", "quantity": "0"}
            planted.append(FileRow(nothing, today, "kept", "adjustment_of_nothing"))
        return [*strewn(rows, planted, Dice(self._seed, SOURCE.name, "places", day)), *last]

    def _write(
        self, key: str, rows: Sequence[FileRow], *, layout: Layout = _STANDARD, wave: int = FIRST_WAVE
    ) -> Written:
        """Write one file."""
        lines = [layout.first_line]
        for row in rows:
            line = layout.line(row.values).encode()
            lines.append((row.damage(line) if row.damage else line) + layout.newline.encode())
        receipt = write_bytes(folder_of(self._out, wave) / key, b"".join(lines))
        books = account(SOURCE, rows, key, wave)
        version = FileVersion(key, SOURCE.name, wave, receipt.sha256, receipt.size_bytes, len(rows), books.tally)
        return Written(version, books.faults, books.unreported)

    def _ordinary_day(self, day: int) -> Iterator[Written]:
        """One file, a few broken lines."""
        yield self._write(self._key(day), self._planted(day, self._rows(day)))

    def _split_day(self, day: int) -> Iterator[Written]:
        """Counts in a file of their own, with a movement of the other one, re-sent later; and an empty file."""
        today, rows = self._date_of(day), self._rows(day)
        counts = [row for row in rows if row.values["movement_type"] == "count"]
        rest = [row for row in rows if row.values["movement_type"] != "count"]
        yield self._write(self._key(day), self._planted(day, rest))
        again = replace(rest[-1], expect="duplicate", kind="movement_in_two_files")
        written = self._write(self._key(day, "-counts.csv"), [*counts, again])
        yield written
        yield write_copy(self._out, written.version, self._key(day, "-counts.resent.csv"), CORRECTIONS, today)
        yield write_refused(self._out, self._key(day, "-empty.csv"), b"", today, ("empty_file", "file:header"))

    def _late_file_day(self, day: int) -> Iterator[Written]:
        """The movements of the depot in the north arrive with the corrections."""
        rows = self._rows(day)
        north = [row for place, row in enumerate(rows) if row.expect is None and place % _NORTH == 0]
        rest = [row for place, row in enumerate(rows) if row.expect or place % _NORTH]
        yield self._write(self._key(day), self._planted(day, rest))
        late = self._write(self._key(day, "-north.csv"), north, wave=CORRECTIONS)
        yield told_of_file(late, "late_file", "late", self._date_of(day))

    def _odd_layouts_day(self, day: int) -> Iterator[Written]:
        """A file with another order, case, line end and a byte order mark, and one with a column more."""
        today, rows = self._date_of(day), self._rows(day)
        south = [row for place, row in enumerate(rows) if row.expect is None and place % _SOUTH == 0]
        scanned = [row for place, row in enumerate(rows) if row.expect is None and place % _SOUTH == 1]
        rest = [row for place, row in enumerate(rows) if row.expect or place % _SOUTH > 1]
        yield self._write(self._key(day), self._planted(day, rest))
        foreign = self._write(self._key(day, "-south.csv"), south, layout=_FOREIGN)
        yield told_of_file(foreign, "other_order_case_and_line_ends", "kept", today)
        extra = self._write(self._key(day, "-scanner.csv"), scanned, layout=_SCANNER)
        yield told_of_file(extra, "extra_column", "rescued", today)

    def _held_day(self, day: int) -> Iterator[Written]:
        """The sign of many sales is lost, which spoils the day; the corrected file opens it again."""
        today, rows, key = self._date_of(day), self._rows(day), self._key(day)
        sales = [place for place, row in enumerate(rows) if row.values["movement_type"] == "sale"]
        spoiled = sales[: max(_HELD_AT_LEAST, len(rows) * _HELD_PERCENT // 100)]
        broken = list(rows)
        for place in spoiled:
            values = rows[place].values
            unsigned = values | {"quantity": values["quantity"].removeprefix("-")}
            broken[place] = replace(_SIGN_LOST.broken(unsigned, today), reported=False)
        first = self._write(key, broken)
        told = fault_of_file(first.version, _SIGN_LOST.kind, "held", today)
        told = replace(told, rules=_SIGN_LOST.rules, records=first.unreported)
        yield until_corrected(first.with_faults(told))
        corrected = self._write(key, rows, wave=CORRECTIONS)
        yield told_of_file(corrected, "signs_restored", "released", today, replaced=first)

    def _corrected_day(self, day: int) -> Iterator[Written]:
        """A file whose later version has other quantities, one movement less and one more."""
        today, rows, key = self._date_of(day), self._rows(day), self._key(day)
        sales = [place for place, row in enumerate(rows) if row.values["movement_type"] == "sale"]
        *mistyped, forgotten = sales[:4]
        never, wrong, right = FileRow(self._sale(day, 0), today), list(rows), list(rows)
        for place in mistyped:
            values = rows[place].values
            wrong[place] = replace(rows[place], values=values | {"quantity": f"{values['quantity']}0"})
            checks = {"quantity": int(values["quantity"])}
            right[place] = replace(rows[place], expect="kept", kind="quantity_corrected", checks=checks)
        right[forgotten] = replace(rows[forgotten], expect="kept", kind="movement_added")
        del wrong[forgotten]
        first = self._write(key, [*wrong, never])
        yield until_corrected(first)
        corrected = self._write(key, right, wave=CORRECTIONS)
        gone = fault_of_file(corrected.version, "movement_withdrawn", "superseded", today)
        gone = replace(gone, rows=None, line={SOURCE.key: never.values[SOURCE.key]})
        yield told_of_file(corrected.with_faults(gone), "file_corrected", "superseded", today, replaced=first)

    def _utf16_day(self, day: int) -> Iterator[Written]:
        """A file in UTF-16 beside the ordinary one."""
        yield from self._ordinary_day(day)
        yield write_refused(
            self._out, self._key(day, "-utf16.csv"), _UTF16_FILE, self._date_of(day), ("utf16_file", "file:bom")
        )
