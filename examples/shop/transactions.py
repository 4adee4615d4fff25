"""The transactions files of the world: which files each day has, what is planted in them, and their bytes.

The story of the days and the writing of CSV belong here. Clean sales come from `sales.py`, the kinds of broken
lines from `transaction_faults.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from examples.shop.answer_key import KINDS, Fault, FileVersion, Tally, new_tally
from examples.shop.csv_layout import Layout
from examples.shop.file_plan import Written
from examples.shop.landing import Sink, folder_of, new_file
from examples.shop.sales import Chunk, Row, Sales, Segment
from examples.shop.stock_units import Goods
from examples.shop.transaction_faults import STANDARD, Plant

SOURCE = "transactions"


@dataclass(frozen=True)
class FilePlan:
    """A transactions file before it is written.

    Attributes:
        key: Its key relative to the landing root.
        segment: The clean rows it holds.
        plants: Planted lines, each with the row of the day it follows, in order.
        layout: How lines are written.
        wave: The delivery it arrives with.
    """

    key: str
    segment: Segment
    plants: tuple[tuple[int, Plant], ...] = ()
    layout: Layout = STANDARD
    wave: int = 1


@dataclass
class _Progress:
    """What is known of a file while it is being written."""

    goods: Goods
    records: int = 0
    tally: Tally = field(default_factory=new_tally)
    faults: list[Fault] = field(default_factory=list)
    unreported: list[int] = field(default_factory=list)


class TransactionWriter:
    """Writes planned files and keeps account of what they hold.

    Args:
        sales: The clean sales.
        out: The landing root.
    """

    def __init__(self, sales: Sales, out: Path) -> None:
        """Remember where the sales come from and the files go."""
        self._sales = sales
        self._out = out

    def write(self, plan: FilePlan) -> Written:
        """Write one file: the clean rows block by block, the planted lines in between."""
        progress = _Progress(Goods(self._sales.places))
        path = folder_of(self._out, plan.wave) / plan.key
        with new_file(path, compress=path.suffix == ".gz") as (sink, receipt):
            sink.write(plan.layout.first_line)
            plants = iter(plan.plants)
            pending = next(plants, None)
            for chunk in self._sales.chunks(plan.segment):
                here = []
                while pending is not None and pending[0] < chunk.first + len(chunk.kind):
                    here.append(pending)
                    pending = next(plants, None)
                self._write_chunk(sink, plan, chunk, here, progress)
        version = FileVersion(
            key=plan.key,
            source=SOURCE,
            wave=plan.wave,
            sha256=receipt.sha256,
            size_bytes=receipt.size_bytes,
            records=progress.records,
            tally=progress.tally,
        )
        return Written(version, tuple(progress.faults), tuple(progress.unreported), progress.goods)

    def _write_chunk(
        self, sink: Sink, plan: FilePlan, chunk: Chunk, plants: Iterable[tuple[int, Plant]], progress: _Progress
    ) -> None:
        """Write a chunk's lines; what lies between two planted lines goes out as one slice of one buffer."""
        today = self._sales.date_of(plan.segment.day)
        chunk.count_into(progress.tally[today])
        progress.goods.move(today, chunk.kind, chunk.product, chunk.quantity)
        lines = _lines(chunk, plan.layout)
        text, offsets = memoryview(lines.buffers()[2]), memoryview(lines.buffers()[1]).cast("i")
        done = 0
        for after, plant in plants:
            position = after - chunk.first
            row = chunk.row(position)
            clean_until = position if plant.replaces else position + 1
            sink.write(text[offsets[done] : offsets[clean_until]])
            progress.records += clean_until - done
            done = position + 1
            if plant.replaces:
                _sell(progress, today, row, -1)
            if not plant.dropped:
                self._write_plant(sink, plan, row, plant, progress)
        sink.write(text[offsets[done] : offsets[len(lines)]])
        progress.records += len(lines) - done

    def _write_plant(self, sink: Sink, plan: FilePlan, row: Row, plant: Plant, progress: _Progress) -> None:
        """Write one planted line and enter it in the accounts."""
        planted = self._changed(row, plant)
        line = plant.reshape(plan.layout.line(planted.cells))
        ending = "" if plant.kind == "last_line_cut" else plan.layout.newline
        sink.write((line + ending).encode("utf-8", "surrogateescape"))
        progress.records += 1
        business_date = plant.moved_to or self._sales.date_of(plan.segment.day)
        if plant.original is not None:
            business_date = date.fromisoformat(plant.original.cells["InvoiceDate"][:10])
        _count(progress, business_date, planted, plant)
        if not plant.reported:
            progress.unreported.append(progress.records)
            return
        readable = plant.expect != "rejected"
        keys = {"invoice_no": planted.cells["InvoiceNo"], "stock_code": planted.cells["StockCode"]}
        progress.faults.append(
            Fault(
                kind=plant.kind,
                source=SOURCE,
                file=plan.key,
                record=progress.records,
                wave=plan.wave,
                expect=plant.expect,
                business_date=business_date,
                rules=plant.rules,
                line=keys | plant.checks if readable else None,
            )
        )

    def _changed(self, row: Row, plant: Plant) -> Row:
        """Return the line that is planted after a clean row."""
        base = plant.original or row
        cells = dict(base.cells)
        if not plant.verbatim:
            letter = cells["InvoiceNo"][0] if cells["InvoiceNo"][0].isalpha() else ""
            cells["InvoiceNo"] = letter + self._sales.invoice_number(self._sales.first_free_number + base.number)
        if plant.moved_to is not None:
            cells["InvoiceDate"] = f"{plant.moved_to}{cells['InvoiceDate'][10:]}"
        quantity = plant.checks.get("quantity", base.quantity)
        cells["Quantity"] = str(quantity)
        return replace(base, cells=cells | plant.cells, quantity=quantity)


def _lines(chunk: Chunk, layout: Layout) -> pa.StringArray:
    """Join the cells of a chunk to whole lines, line ends included."""
    cells = [chunk.cells.get(column, column) for _, column in layout.header]
    rows = len(chunk.kind)
    cells = [pa.array([cell] * rows) if isinstance(cell, str) else cell for cell in cells]
    cells[-1] = pc.binary_join_element_wise(cells[-1], layout.newline, "")
    return pc.binary_join_element_wise(*cells, ",")


def _sell(progress: _Progress, day: date, row: Row, times: int) -> None:
    """Count a published line, or with -1 take it back."""
    units = times * row.quantity
    progress.tally[day].publish(KINDS[row.kind], times, units, units * row.cents)
    progress.goods.move_one(day, row.kind, row.cells["StockCode"], units)


def _count(progress: _Progress, day: date, planted: Row, plant: Plant) -> None:
    """Count a planted line by what must become of it."""
    if plant.expect == "rejected":
        progress.tally[day].rejected += 1
    elif plant.expect == "duplicate":
        progress.tally[day].duplicates += 1
    else:
        _sell(progress, day, planted, 1)


def first_row(sales: Sales, segment: Segment) -> Row:
    """Return the first clean row of a segment."""
    return next(iter(sales.chunks(segment))).row(0)
