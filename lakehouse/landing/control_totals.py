"""Control totals: what a source says a file holds, and whether it does.

Belongs here: the file beside a landing file that announces it, and the comparison. A source that sends one writes it
first, under the landing file's name and ``.control``, as ``{"records": 2003, "sums": {"Quantity": "12345"}}``; either
may be left out. A file that does not hold what was announced is refused whole, as a truncated one is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal, InvalidOperation
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.landing.zone import CONTROL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakehouse.landing.zone import Landing

REFUSED = "file:control"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)$"
_USUAL = r"^[+-]?\d{1,18}(\.\d{1,9})?$"
"""Numbers that are added up in columns; longer ones one by one."""
_EXACT = pa.decimal128(38, 9)
_ANY_LENGTH = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass
class ControlTotals:
    """What is announced of a file, and what has been found of it so far.

    Attributes:
        records: how many records it must hold, readable or not; None where that was not said.
        sums: what columns of the source must sum up to; a value that is no number counts as nothing.
        unreadable: why the control file itself cannot be read.
    """

    records: int | None = None
    sums: Mapping[str, Decimal] = field(default_factory=dict)
    unreadable: str | None = None
    found_records: int = 0
    found_sums: dict[str, Decimal] = field(default_factory=dict)

    def count(self, rows: pa.RecordBatch) -> None:
        """Take rows of the file into account."""
        self.found_records += rows.num_rows
        for name in self.sums:
            if name in rows.schema.names:
                total = _sum(rows.column(name))
                self.found_sums[name] = _ANY_LENGTH.add(self.found_sums.get(name, Decimal(0)), total)

    def refusal(self) -> str | None:
        """Return why the file is not what was announced, as the reason to refuse it, or None."""
        if self.unreadable is not None:
            return f"{REFUSED}: {self.unreadable}"
        differences = []
        if self.records is not None and self.records != self.found_records:
            differences.append(f"{self.found_records} records of {self.records} announced")
        for name, announced in self.sums.items():
            if name not in self.found_sums:
                differences.append(f"no column {name}, of which {announced} was announced")
            elif self.found_sums[name] != announced:
                found = self.found_sums[name].normalize(_ANY_LENGTH)
                differences.append(f"{name} sums up to {found:f}, announced {announced:f}")
        return f"{REFUSED}: {'; '.join(differences)}" if differences else None


def announced(landing: Landing, key: str) -> ControlTotals | None:
    """Return what is announced of a landing file; None where nothing is."""
    try:
        with landing.open(key + CONTROL_SUFFIX) as opened:
            text = opened.read()
    except FileNotFoundError:
        return None
    try:
        said = json.loads(text, parse_float=Decimal)
        records = _whole(said.get("records"))
        sums = {str(name): Decimal(value) for name, value in said.get("sums", {}).items()}
    except (ValueError, TypeError, AttributeError, InvalidOperation) as error:
        expected = '{"records": 2003, "sums": {"Quantity": "12345"}}'
        return ControlTotals(unreadable=f"{key + CONTROL_SUFFIX} cannot be read ({error}); it must be like {expected}")
    return ControlTotals(records, sums)


def _whole(records: object) -> int | None:
    if records is None:
        return None
    if isinstance(records, bool) or not isinstance(records, int):
        raise TypeError("records is no whole number")
    return records


def _sum(values: pa.Array) -> Decimal:
    """Return the exact sum of the numbers among some values."""
    texts = pc.utf8_trim_whitespace(values.cast(pa.string()))
    numbers = texts.filter(pc.fill_null(pc.match_substring_regex(texts, _NUMBER), fill_value=False))
    usual = pc.match_substring_regex(numbers, _USUAL)
    total = pc.sum(numbers.filter(usual).cast(_EXACT)).as_py() or Decimal(0)
    return reduce(_ANY_LENGTH.add, map(Decimal, numbers.filter(pc.invert(usual)).to_pylist()), total)
