"""Fixes: corrected values for rejected records, validated before they are kept.

Belongs here: from requested values to decisions with the rules that their rows would still break. What a fix does to a
day is in ``lakehouse.quarantine.decisions``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.corrections.columns import received_column, received_columns, rejecting_table
from lakehouse.errors import RequestError
from lakehouse.quarantine.decisions import FIX, Decision, RecordId, active_decisions

if TYPE_CHECKING:
    from lakehouse.corrections.rows import QuarantinedRow
    from lakehouse.engines.base import Engine
    from lakehouse.tables.declarations import ContractTable, Table

Values = Mapping[str, str | None]
"""New text by column, named as received or as in the contract; None and the empty text take the value away."""


@dataclass(frozen=True)
class Fix:
    """Values for one open row, which is named by its id, or by its file and record.

    Attributes:
        values: the new values.
        id: the row's id.
        source_file: its file, where no id is given.
        source_record: its number in the file.
        keeps_empty: an empty value leaves the column as it is. A record that could not be read has none to leave.
        origin: where the fix stands, for messages: ``fixes.csv line 2``.
    """

    values: Values
    id: str = ""
    source_file: str = ""
    source_record: int | None = None
    keeps_empty: bool = False
    origin: str = "a fix"


@dataclass(frozen=True)
class Correction:
    """A requested fix, and what would become of its row.

    Attributes:
        row: the row of the quarantine.
        decision: the fix, earlier ones of the same record included.
        rules: the rules that the row would still break; none if it would pass.
    """

    row: QuarantinedRow
    decision: Decision
    rules: tuple[str, ...]

    @property
    def passes(self) -> bool:
        """Whether the row would pass."""
        return not self.rules


def corrections_of(
    engine: Engine,
    tables: Mapping[str, Table],
    requested: Sequence[tuple[QuarantinedRow, Values]],
    reason: str,
    by: str,
) -> list[Correction]:
    """Return the requested fixes, each with the rules that its row would still break. Nothing is kept.

    Raises:
        RequestError: a column is unknown or given twice, or a record cannot be fixed that way.
    """
    from lakehouse.corrections.replay import revalidate

    by_table = defaultdict(list)
    for row, values in requested:
        by_table[row.table_name].append((row, values))
    corrections: dict[RecordId, Correction] = {}
    for name, of_table in by_table.items():
        table = rejecting_table(tables, name)
        earlier = active_decisions(engine, name, sorted({row.business_date for row, _ in of_table})).by_record
        decisions = {
            row.record_id: _decision(table, row, values, earlier.get(row.record_id), reason, by)
            for row, values in of_table
        }
        (bronze,) = table.inputs.values()
        rules = revalidate(
            engine, table.terms, table.transform, bronze, list(decisions), proposed=list(decisions.values())
        )
        for row, _ in of_table:
            outdated = (f"{row.position} is no longer current",)
            corrections[row.record_id] = Correction(row, decisions[row.record_id], rules.get(row.record_id, outdated))
    return list(corrections.values())


def match_fixes(fixes: Sequence[Fix], rows: Sequence[QuarantinedRow]) -> list[tuple[QuarantinedRow, Values]]:
    """Return each fix's row with its values.

    Raises:
        RequestError: a fix names no row.
    """
    by_id = {row.id: row for row in rows}
    by_record = {(row.source_file, row.source_record): row for row in rows}
    return [_matched(fix, _named(fix, by_id, by_record)) for fix in fixes]


def _matched(fix: Fix, row: QuarantinedRow) -> tuple[QuarantinedRow, Values]:
    if fix.keeps_empty and not row.is_unread:
        return row, {name: text for name, text in fix.values.items() if text}
    return row, fix.values


def _named(
    fix: Fix,
    by_id: Mapping[str, QuarantinedRow],
    by_record: Mapping[tuple[str, int | None], QuarantinedRow],
) -> QuarantinedRow:
    row = by_id.get(fix.id) if fix.id else by_record.get((fix.source_file, fix.source_record))
    if row is None:
        named = fix.id or f"record {fix.source_record} of {fix.source_file}"
        raise RequestError(f"{fix.origin}: no open row is {named}", hint="`lakehouse quarantine show` lists them")
    return row


def _decision(
    table: ContractTable, row: QuarantinedRow, values: Values, earlier: Decision | None, reason: str, by: str
) -> Decision:
    """Return the fix of a row, with the columns that were fixed before."""
    given = [(received_column(table, column), value or None) for column, value in values.items()]
    refuse_twice([column for column, _ in given], row.id)
    corrected = {**(earlier.corrected if earlier else {}), **dict(given)}
    _refuse_hopeless(table, row, corrected)
    return Decision(FIX, table.full_name, row.record_id, reason, by, corrected=corrected)


def refuse_twice(columns: Sequence[str], origin: str) -> None:
    """Refuse two values for one column, since either may be meant.

    Raises:
        RequestError: a column is given twice.
    """
    twice = next((name for name, times in Counter(columns).items() if times > 1), None)
    if twice is not None:
        raise RequestError(f"{origin}: {twice} is given twice", hint="give one value for each column")


def _refuse_hopeless(table: ContractTable, row: QuarantinedRow, corrected: Values) -> None:
    """Refuse what no fix can correct, and say what to do instead."""
    if row.source_record is None:
        raise RequestError(
            f"{row.id}: {row.source_file} was refused as a whole, so that there is no record to correct",
            hint="send a corrected file under the same name, or discard the row",
        )
    missing = [column for column in received_columns(table).values() if column not in corrected]
    if row.is_unread and missing:
        raise RequestError(
            f"{row.id}: {row.position} could not be read, so that a fix must give every column; missing: "
            f"{', '.join(missing)}",
            hint="an empty value is one",
        )
