"""Column lineage on the terminal and in JSON: a tree of columns, and who decides which rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.tree import Tree

from lakehouse.cli.console import out, table

if TYPE_CHECKING:
    from lakehouse.lineage.columns import ColumnLineage
    from lakehouse.lineage.plan_walker import TableColumn


def as_data(found: ColumnLineage) -> dict[str, Any]:
    """Return lineage for JSON."""
    edges = {
        each: {"values": _texts(values), "rows": _texts(found.rows.get(each, ()))}
        for each, values in found.values.items()
    }
    if found.column is None:
        return {"table": found.table, "columns": {each.column: edge for each, edge in edges.items()}}
    start, *others = found.values
    if found.downstream:
        return {"column": str(start), "values": _texts(others), "rows": _texts(found.rows[start])}
    return {"column": str(start), "columns": {str(each): edge for each, edge in edges.items()}}


def print_lineage(found: ColumnLineage) -> None:
    """Show lineage to people."""
    if found.column is None:
        _print_table(found)
    elif found.downstream:
        _print_downstream(found)
    else:
        _print_upstream(found)


def _print_upstream(found: ColumnLineage) -> None:
    out().print(_tree(found, _nothing))
    rows = table("rows of", "are decided by")
    for name in _tables(found.values):
        deciding = {source for each in found.values if each.table == name for source in found.rows[each]}
        if deciding:
            rows.add_row(name, escape(_by_table(deciding)))
    if rows.row_count:
        out().print(rows)


def _print_downstream(found: ColumnLineage) -> None:
    start = next(iter(found.values))
    by_rows = found.rows[start]
    out().print(_tree(found, lambda each: "nothing is computed from it" if each == start else ""))
    rows = table("it decides rows behind", "columns")
    for name in _tables(by_rows):
        columns = {each.column for each in by_rows if each.table == name}
        computed = {each.column for each in found.values if each.table == name}
        is_rest = columns | computed == {*found.columns[name]}
        told = ("all others" if computed else "all") if is_rest else ", ".join(sorted(columns))
        rows.add_row(name, escape(told))
    if rows.row_count:
        out().print(rows)


def _print_table(found: ColumnLineage) -> None:
    listed = table(found.table, "is computed into" if found.downstream else "is computed from")
    for column, others in found.values.items():
        nothing = "" if found.downstream else f"[dim]{_nothing(column)}[/]"
        listed.add_row(escape(column.column), escape(_by_table(others)) or nothing)
    out().print(listed)
    deciding = {each for others in found.rows.values() for each in others}
    if not deciding:
        return
    if found.downstream:
        out().print(f"its columns decide rows of {', '.join(_tables(sorted(deciding)))}")
    else:
        out().print(f"its rows are decided by {escape(_by_table(deciding))}")


def _nothing(column: TableColumn) -> str:
    """Return what is said of a column that is computed from no other."""
    layer = column.table.partition(".")[0]
    return {"landing": "", "bronze": "added by the run"}.get(
        layer, "from no column: constant, counted, or added by the run"
    )


def _tree(found: ColumnLineage, end: Callable[[TableColumn], str]) -> Tree:
    """Return the first column with what is reached from it below it; a column that appears again is not unfolded."""
    shown = set()

    def grow(each: TableColumn, parent: Tree | None) -> Tree:
        following = list(found.values[each])
        note = "" if following else end(each)
        if each in following:
            note = "and from itself, a partition before"
            following.remove(each)
        again = each in shown and bool(following)
        note = "as above" if again else note
        label = escape(str(each)) + (f" [dim]({note})[/]" if note else "")
        tree = Tree(f"[bold]{label}[/]") if parent is None else parent.add(label)
        if not again:
            shown.add(each)
            for one in following:
                grow(one, tree)
        return tree

    return grow(next(iter(found.values)), None)


def _tables(columns: Iterable[TableColumn]) -> list[str]:
    return list(dict.fromkeys(each.table for each in columns))


def _by_table(columns: Collection[TableColumn]) -> str:
    """Return columns as people read them, with the name of each table once."""
    return "; ".join(
        f"{name}: {', '.join(sorted(each.column for each in columns if each.table == name))}"
        for name in _tables(sorted(columns))
    )


def _texts(columns: Iterable[TableColumn]) -> list[str]:
    return [str(each) for each in columns]
