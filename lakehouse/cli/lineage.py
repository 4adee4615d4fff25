"""`lakehouse lineage`: the columns behind a column, down to the landing files, and those that are made from it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from lakehouse.cli.console import CommandError, JsonFlag, err, out, print_json, table
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    from lakehouse.lineage.columns import Lineage
    from lakehouse.lineage.plan_walker import TableColumn

    Neighbours = Callable[[TableColumn], Iterable[TableColumn]]


def lineage(
    name: Annotated[
        str,
        typer.Argument(metavar="TABLE[.COLUMN]", help="A column, such as gold.sales_by_region.net_sales, or a table."),
    ],
    *,
    downstream: Annotated[
        bool, typer.Option("--downstream", help="Show what is made from it, not what it is made from.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show which columns a column is made from, or which ones a change of it would touch.

    The answer is read from the plans of the tables' functions; there need not be a lake yet.

    * `lakehouse lineage gold.daily_sales_summary.net_sales`
    * `lakehouse lineage landing.transactions.UnitPrice --downstream`
    * `lakehouse lineage silver.transactions`
    """
    with err().status("reading the tables"):  # shown on a terminal only
        from lakehouse.lineage.columns import Lineage
        from lakehouse.lineage.plan_walker import LineageError

    found = Lineage(Lakehouse.open().tables.values())
    columns = _asked(found, name)
    try:
        if name.count(".") == 1:
            _show_table(found, columns, downstream=downstream, as_json=as_json)
        elif downstream:
            _show_downstream(found, columns[0], as_json=as_json)
        else:
            _show_upstream(found, columns[0], as_json=as_json)
    except LineageError as error:
        raise CommandError(str(error)) from error


def _asked(found: Lineage, name: str) -> list[TableColumn]:
    """Return the column that is asked for, or all of a table.

    Raises:
        CommandError: there is none of this name.
    """
    from lakehouse.lineage.plan_walker import TableColumn

    layer, _, rest = name.partition(".")
    short, _, column = rest.partition(".")
    of = f"{layer}.{short}" if short else layer
    if of not in found.names:
        raise CommandError(f"there is no table {of}{_near(of, found.names)}")
    columns = list(found.columns(of))
    if column and column not in columns:
        raise CommandError(f"{of} has no column {column}{_near(column, columns)}")
    return [TableColumn(of, each) for each in columns if each == column or not column]


def _near(name: str, names: Collection[str]) -> str:
    """Return how a message about an unknown name ends: with the names that are like it, or else with all."""
    near = difflib.get_close_matches(name, names, n=3)
    return f"; did you mean {' or '.join(near)}?" if near else f"; there are {', '.join(names)}"


def _show_upstream(found: Lineage, column: TableColumn, *, as_json: bool) -> None:
    def behind(each: TableColumn) -> Iterable[TableColumn]:
        return sorted(found.origin(each).values)

    every = _reached(column, behind)
    if as_json:
        made = {each: found.origin(each) for each in every}
        columns = {
            str(each): {"values": _texts(sorted(one.values)), "rows": _texts(sorted(one.rows))}
            for each, one in made.items()
        }
        print_json({"column": str(column), "columns": columns})
        return
    out().print(_tree(column, behind, _nothing))
    rows = table("rows of", "are decided by")
    for name in _tables(every):
        deciding = {source for each in every if each.table == name for source in found.origin(each).rows}
        if deciding:
            rows.add_row(name, escape(_by_table(deciding)))
    if rows.row_count:
        out().print(rows)


def _show_downstream(found: Lineage, column: TableColumn, *, as_json: bool) -> None:
    def computed(each: TableColumn) -> Iterable[TableColumn]:
        return [made for made, origin in found.made_of(each).items() if each in origin.values]

    every = _reached(column, computed)
    by_rows = [each for each in _reached(column, found.made_of) if each not in every]
    if as_json:
        print_json({"column": str(column), "values": _texts(every[1:]), "rows": _texts(by_rows)})
        return
    out().print(_tree(column, computed, lambda each: "nothing is computed from it" if each == column else ""))
    rows = table("it decides rows behind", "columns")
    for name in _tables(by_rows):
        columns = {each.column for each in by_rows if each.table == name}
        computed_ones = {each.column for each in every if each.table == name}
        is_rest = columns | computed_ones == {*found.columns(name)}
        told = ("all others" if computed_ones else "all") if is_rest else ", ".join(sorted(columns))
        rows.add_row(name, escape(told))
    if rows.row_count:
        out().print(rows)


def _show_table(found: Lineage, columns: Sequence[TableColumn], *, downstream: bool, as_json: bool) -> None:
    values, rows = {}, {}
    for column in columns:
        if downstream:
            made = found.made_of(column)
            values[column] = [each for each, origin in made.items() if column in origin.values]
            rows[column] = [each for each, origin in made.items() if column in origin.rows]
        else:
            origin = found.origin(column)
            values[column], rows[column] = sorted(origin.values), sorted(origin.rows)
    name = columns[0].table
    if as_json:
        shown = {each.column: {"values": _texts(values[each]), "rows": _texts(rows[each])} for each in columns}
        print_json({"table": name, "columns": shown})
        return
    listed = table(name, "is computed into" if downstream else "is computed from")
    for column in columns:
        nothing = "" if downstream else f"[dim]{_nothing(column)}[/]"
        listed.add_row(escape(column.column), escape(_by_table(values[column])) or nothing)
    out().print(listed)
    deciding = {each for one in rows.values() for each in one}
    if deciding:
        told = ", ".join(_tables(sorted(deciding))) if downstream else _by_table(deciding)
        out().print(f"its columns decide rows of {told}" if downstream else f"its rows are decided by {escape(told)}")


def _reached(column: TableColumn, neighbours: Neighbours) -> list[TableColumn]:
    """Return a column and all that is reached from it, the nearest first."""
    reached = {column: None}
    waiting = [column]
    for each in waiting:
        new = [one for one in neighbours(each) if one not in reached]
        reached |= dict.fromkeys(new)
        waiting += new
    return waiting


def _nothing(column: TableColumn) -> str:
    """Return what is said of a column that is computed from no other."""
    layer = column.table.partition(".")[0]
    return {"landing": "", "bronze": "added by the run"}.get(
        layer, "from no column: constant, counted, or added by the run"
    )


def _tree(column: TableColumn, neighbours: Neighbours, end: Callable[[TableColumn], str]) -> Tree:
    """Return a column with what is reached from it below it; what stands in the tree already is not unfolded again."""
    shown = set()

    def grow(each: TableColumn, parent: Tree | None) -> Tree:
        following = list(neighbours(each))
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

    return grow(column, None)


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
