"""`lakehouse lineage`: the columns behind a column, down to the landing files, and those that are computed from it."""

from __future__ import annotations

from typing import Annotated

import typer

from lakehouse.cli.console import JsonFlag, err, print_json
from lakehouse.cli.lineage_view import as_data, print_lineage
from lakehouse.project import Lakehouse


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
        found = Lakehouse.open().lineage(name, downstream=downstream)
    if as_json:
        print_json(as_data(found))
    else:
        print_lineage(found)
