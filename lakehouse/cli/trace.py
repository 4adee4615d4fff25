"""`lakehouse trace`: from a row of gold or silver back to the landing files, and forth again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from lakehouse.cli.console import IMBALANCED, OK, CommandError, JsonFlag, err, print_json
from lakehouse.cli.trace_view import as_data, print_trace
from lakehouse.project import Lakehouse


def trace(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="A silver or gold table, such as gold.sales_by_region.")],
    *,
    key: Annotated[
        list[str], typer.Option(help="column=value that names the row; give it for each column of the key.")
    ],
    column: Annotated[str | None, typer.Option(help="Only this cell, and the columns behind it.")] = None,
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
    pairs, lake = _pairs(key), Lakehouse.open()
    with err().status("starting the engine") as status:  # shown on a terminal only
        found = lake.trace(name, pairs, column, verify=verify, progress=status.update)
    if as_json:
        print_json(as_data(found))
    else:
        print_trace(found, column, limit)
    raise typer.Exit(IMBALANCED if found.differences else OK)


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
