"""`lakehouse trace`: from a row of gold or silver back to the landing files, and forth again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.cli.console import IMBALANCED, OK, CommandError, JsonFlag, err, number, out, print_json, span, table
from lakehouse.project import Lakehouse
from lakehouse.text import cell

if TYPE_CHECKING:
    import pyarrow as pa

    from lakehouse.lineage.trace import CellDifference, Records, Traced

_DIGEST = 64
_DIGITS_SHOWN = 12


def trace(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="A silver or gold table, such as gold.sales_by_region.")],
    *,
    key: Annotated[
        list[str], typer.Option(help="column=value that names the row; give it for each column of the key.")
    ],
    column: Annotated[str | None, typer.Option(help="Only this cell, and the columns that it is made from.")] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compute the row again from the records found; exit with 2 if it differs.")
    ] = False,
    limit: Annotated[int, typer.Option(min=0, help="Rows to show of each table.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """Show what a row is made from: the rows of the tables behind it, the records of the landing files behind those.

    Beside them stand the records of the same days that do not count, and why: rejected, duplicate, superseded by a
    newer version of their file, discarded by somebody.

    * `lakehouse trace gold.daily_sales_summary --key business_date=2024-01-01`
    * `lakehouse trace gold.weekly_sales_summary --key week_start=2024-01-01 --column net_sales --verify`
    """
    opened = Lakehouse.open()
    settings, lake = opened.settings, opened.catalog
    if not lake.names():
        raise CommandError(f"there are no tables under {settings.root} yet; `lakehouse run` makes them")
    with err().status("starting the engine") as status:  # shown on a terminal only
        from lakehouse.lineage.trace import Tracer
        from lakehouse.reconciliation.strict import newest_lines

        tracer = Tracer(opened.recomputation, newest_lines(lake))
        declared, row = tracer.row(name, _pairs(key))
        if column is not None and column not in row.column_names:
            raise CommandError(f"{name} has no column {column}: it has {', '.join(row.column_names)}")
        status.update("looking for what is behind the row")
        traced = tracer.trace(declared, row)
        shown = tracer.columns(traced, column) if column else {}
        differences = None
        if verify:
            status.update("computing it again")
            differences = tracer.verify(traced, column)
    if as_json:
        print_json(
            {
                **_as_data(traced),
                "verified": None if differences is None else not differences,
                "differences": differences,
            }
        )
    else:
        _print(traced, shown, limit)
        if differences is not None:
            levels = [each for each in traced.levels() if not shown or id(each) in shown]
            _print_verdict(levels, column, differences, limit)
    raise typer.Exit(IMBALANCED if differences else OK)


def _pairs(given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for each in given:
        name, separator, text = each.partition("=")
        if not separator:
            raise CommandError(f"--key {each}: give column=value, such as business_date=2024-01-31")
        if name in pairs:
            raise CommandError(f"--key {each}: {name} is given twice; give one value for each column")
        pairs[name] = text
    return pairs


def _as_data(traced: Traced) -> dict[str, Any]:
    data: dict[str, Any] = {"table": traced.table.full_name, "found_by": traced.by, "rows": traced.rows.to_pylist()}
    if traced.unfollowed:
        data["unfollowed"] = traced.unfollowed
    if traced.inputs:
        data["inputs"] = [_as_data(each) for each in traced.inputs.values()]
    if traced.records:
        records = traced.records
        data["records"] = {
            "table": records.bronze,
            "behind": records.behind.to_pylist(),
            "fixed": records.fixed,
            "beside": records.beside,
        }
    return data


def _print(traced: Traced, shown: dict[int, set[str]], limit: int) -> None:
    for each in traced.levels():
        if not shown or id(each) in shown:
            _print_level(each, shown, limit)


def _print_level(traced: Traced, shown: dict[int, set[str]], limit: int) -> None:
    console, rows, name = out(), traced.rows, traced.table.full_name
    partitions = span(sorted({str(value) for value in rows.column(traced.table.partition_column).to_pylist()}))
    found = f"found by {', '.join(traced.by)}" if traced.by else f"all of {traced.table.partition_column} {partitions}"
    many = "1 row" if rows.num_rows == 1 else f"{_many(rows.num_rows, 'row')}, {found}"
    columns = [each for each in rows.column_names if not shown or each in shown[id(traced)]]
    console.print(
        f"[bold]{name}[/]: {many}{_totals(rows, columns) if shown and rows.num_rows > 1 else ''}", soft_wrap=True
    )
    _print_rows(columns, rows.slice(0, limit).to_pylist(), rows.num_rows - limit)
    if traced.unfollowed:
        console.print(escape(f"{name}: {traced.unfollowed}"), soft_wrap=True)
    if traced.records is not None:
        _print_records(traced.records, shown.get(id(traced.records)), limit)


def _totals(rows: pa.Table, columns: Iterable[str]) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    sums = [
        f"{name} {pc.sum(rows.column(name)).as_py() or Decimal(0):,f}"
        for name in columns
        if pa.types.is_decimal(rows.schema.field(name).type)
    ]
    return f"; in all {', '.join(sums)}" if sums else ""


def _print_records(records: Records, sources: set[str] | None, limit: int) -> None:
    console, behind = out(), records.behind
    files = len(set(zip(*(behind.column(name).to_pylist() for name in ("source_file", "source_version")), strict=True)))
    console.print(
        f"[bold]{records.bronze}[/]: {_many(behind.num_rows, 'record')} of {_many(files, 'file version')}, as received",
        soft_wrap=True,
    )
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
        told = ", ".join(f"{number(many)} {kind}" for kind, many in sorted(kinds.items()))
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


def _many(count: int, what: str) -> str:
    return f"{number(count)} {what}{'' if count == 1 else 's'}"


def _short(text: str) -> str:
    """Return a text as a narrow column holds it: the start of a digest is enough."""
    return f"{text[:_DIGITS_SHOWN]}…" if len(text) == _DIGEST and text.isalnum() else text


def _print_verdict(
    levels: Sequence[Traced], column: str | None, differences: Sequence[CellDifference], limit: int
) -> None:
    """Tell whether the first of some levels is what the records of all of them come to."""
    console, traced = out(), levels[0]
    if not differences:
        cells = 1 if column else traced.rows.num_columns
        if traced.unfollowed:
            told = "the cell is" if column else "all cells are"
            console.print(f"[green]verified[/]: {told} what comes out when computed again from the tables")
            return
        records = sum(each.records.behind.num_rows for each in levels if each.records)
        what = f"the cell {column} is" if column else f"all {cells} cells are"
        console.print(f"[green]verified[/]: {what} what {number(records)} records come to")
        return
    console.print(f"[red]not verified[/]: {_many(len(differences), 'difference')}", soft_wrap=True)
    made = table("table", "row", "column", "there", "computed again")
    for each in differences[:limit]:
        named = " ".join(f"{name}={_short(cell(value))}" for name, value in each.key.items())
        there, computed = ("there", "not there") if each.column is None else (cell(each.here), cell(each.computed))
        made.add_row(each.table, escape(named), each.column or "", escape(there), escape(computed))
    console.print(made)
