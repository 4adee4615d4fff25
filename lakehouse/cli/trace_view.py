"""A trace on the terminal and in JSON: levels, records, and the verdict."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from lakehouse.cli.console import how_many, number, out, span, table
from lakehouse.text import cell

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.lineage.row_trace import CellDifference, RecordTrace, RowTrace, Trace

_DIGEST = 64
_DIGITS_SHOWN = 12


def as_data(found: Trace) -> dict[str, Any]:
    """Return a trace for JSON."""
    return {**_level_as_data(found.row), "verified": found.is_verified, "differences": found.differences}


def _level_as_data(level: RowTrace) -> dict[str, Any]:
    data: dict[str, Any] = {"table": level.table.full_name, "found_by": level.found_by, "rows": level.rows.to_pylist()}
    if level.not_traceable_reason:
        data["unfollowed"] = level.not_traceable_reason
    if level.inputs:
        data["inputs"] = [_level_as_data(each) for each in level.inputs.values()]
    if level.records:
        records = level.records
        data["records"] = {
            "table": records.bronze,
            "behind": records.behind.to_pylist(),
            "fixed": records.fixed,
            "beside": records.beside,
        }
    return data


def print_trace(found: Trace, column: str | None, limit: int) -> None:
    """Show a trace to people: each level with its rows and records, and the verdict where it was verified."""
    if found.cell is None:
        for level in found.row.levels():
            _print_level(level, level.rows.column_names, limit)
            _print_records(level.records, None, limit)
    else:
        for cell_level in found.cell.levels():
            columns = [name for name in cell_level.level.rows.column_names if name in cell_level.columns]
            _print_level(cell_level.level, columns, limit, with_totals=True)
            _print_records(cell_level.level.records, cell_level.sources, limit)
    if found.differences is not None:
        levels = found.row.levels() if found.cell is None else (each.level for each in found.cell.levels())
        _print_verdict(list(levels), column, found.differences, limit)


def _print_level(level: RowTrace, columns: Sequence[str], limit: int, *, with_totals: bool = False) -> None:
    console, rows, name = out(), level.rows, level.table.full_name
    partitions = span(sorted({str(value) for value in rows.column(level.table.partition_column).to_pylist()}))
    found_by = (
        f"found by {', '.join(level.found_by)}"
        if level.found_by
        else f"all of {level.table.partition_column} {partitions}"
    )
    many = "1 row" if rows.num_rows == 1 else f"{how_many(rows.num_rows, 'row')}, {found_by}"
    totals = _totals(rows, columns) if with_totals and rows.num_rows > 1 else ""
    console.print(f"[bold]{name}[/]: {many}{totals}", soft_wrap=True)
    _print_rows(columns, rows.slice(0, limit).to_pylist(), rows.num_rows - limit)
    if level.not_traceable_reason:
        console.print(escape(f"{name}: {level.not_traceable_reason}"), soft_wrap=True)


def _totals(rows: pa.Table, columns: Iterable[str]) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    sums = [
        f"{name} {pc.sum(rows.column(name)).as_py() or Decimal(0):,f}"
        for name in columns
        if pa.types.is_decimal(rows.schema.field(name).type)
    ]
    return f"; in all {', '.join(sums)}" if sums else ""


def _print_records(records: RecordTrace | None, sources: Collection[str] | None, limit: int) -> None:
    if records is None:
        return
    console, behind = out(), records.behind
    files = len(set(zip(*(behind.column(name).to_pylist() for name in ("source_file", "source_version")), strict=True)))
    many = f"{how_many(behind.num_rows, 'record')} of {how_many(files, 'file version')}"
    console.print(f"[bold]{records.bronze}[/]: {many}, as received", soft_wrap=True)
    wanted = [name for name in records.sources if sources is None or name in sources]
    place = ["source_file", "source_version", "source_record"]
    _print_rows([*place, *wanted], behind.slice(0, limit).to_pylist(), behind.num_rows - limit)
    for title, found in (("corrected", records.fixed), ("beside them, and not counted", records.beside)):
        if not found:
            continue
        kinds: dict[str, int] = {}
        for each in found:
            kind = each["why"].partition(" ")[0].rstrip(":")
            kinds[kind] = kinds.get(kind, 0) + 1
        told = ", ".join(f"{number(count)} {kind}" for kind, count in sorted(kinds.items()))
        console.print(f"{title}: {told}", soft_wrap=True)
        more = ["corrected"] if title == "corrected" else ["received"]
        _print_rows(["why", *place[::2], *more], found[:limit], len(found) - limit)


def _print_rows(columns: Sequence[str], rows: list[dict[str, Any]], more: int) -> None:
    made = table(*columns)
    for row in rows:
        made.add_row(*[escape(_short(cell(row[name]))) for name in columns])
    out().print(made)
    if more > 0:
        out().print(f"and {number(more)} more; --limit shows them, --json all")


def _short(text: str) -> str:
    """Return a text as a narrow column holds it: the start of a digest is enough."""
    return f"{text[:_DIGITS_SHOWN]}…" if len(text) == _DIGEST and text.isalnum() else text


def _print_verdict(
    levels: Sequence[RowTrace], column: str | None, differences: Sequence[CellDifference], limit: int
) -> None:
    """Say whether the first of some levels is what the records of all of them come to."""
    console, first = out(), levels[0]
    if not differences:
        cells = 1 if column else first.rows.num_columns
        if first.not_traceable_reason:
            what = "the cell is" if column else "all cells are"
            console.print(f"[green]verified[/]: {what} the same when computed again from the tables")
            return
        records = sum(each.records.behind.num_rows for each in levels if each.records)
        what = f"the cell {column} is" if column else f"all {cells} cells are"
        console.print(f"[green]verified[/]: {what} what {number(records)} records come to")
        return
    console.print(f"[red]not verified[/]: {how_many(len(differences), 'difference')}", soft_wrap=True)
    made = table("table", "row", "column", "there", "computed again")
    for each in differences[:limit]:
        named = " ".join(f"{name}={_short(cell(value))}" for name, value in each.key.items())
        there, computed = ("there", "not there") if each.column is None else (cell(each.here), cell(each.computed))
        made.add_row(each.table, escape(named), each.column or "", escape(there), escape(computed))
    console.print(made)
