"""`lakehouse maintain`: Delta's own operations on the lake's tables."""

from __future__ import annotations

from typing import Annotated

import typer

from lakehouse.cli import console, maintain_restore
from lakehouse.cli.console import CommandError, JsonFlag, print_json
from lakehouse.cli.maintain_view import print_description, print_history, print_rewritten, print_vacuumed
from lakehouse.delta.maintenance import WEEK_HOURS
from lakehouse.project import Lakehouse

app = console.group(
    "Look after the tables: rewrite small files, delete old ones, look at versions and go back to one.\n\n"
    "Under `lakehouse dev` the jobs `optimize_tables` and `vacuum_tables` do this at night."
)

Tables = Annotated[list[str] | None, typer.Argument(help="Tables, such as silver.transactions.")]
OneTable = Annotated[str, typer.Argument(help="The table, such as silver.transactions.")]
Partitions = Annotated[
    list[str] | None,
    typer.Option(
        "--partition",
        help="Only this partition: 2024-01-31, or column=value; may be given several times.",
    ),
]


@app.command()
def optimize(
    tables: Tables = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every table of the lake.")] = False,
    partitions: Partitions = None,
    as_json: JsonFlag = False,
) -> None:
    """Make few large files of many small ones. No row changes, and partitions that need nothing are left alone.

    * `lakehouse maintain optimize --all`
    * `lakehouse maintain optimize bronze.transactions --partition 2024-01-31`
    """
    if every == bool(tables):
        raise CommandError("name the tables to optimize, or give --all")
    results = Lakehouse.open().maintenance.optimize(tables or (), partitions or ())
    print_rewritten(results, "no partition has more than one small file", as_json=as_json)


@app.command()
def zorder(
    table_name: OneTable,
    *,
    by: Annotated[str, typer.Option("--by", help="Columns that queries filter by, such as customer_id,stock_code.")],
    partitions: Partitions = None,
    as_json: JsonFlag = False,
) -> None:
    """Sort rows so that each file holds a narrow range of every column: queries that filter by them skip files.

    Partitions that are in this order and have not changed since are left alone.

    * `lakehouse maintain zorder silver.transactions --by customer_id,stock_code`
    """
    columns = [name.strip() for name in by.split(",") if name.strip()]
    if not columns:
        raise CommandError("--by names no column")
    results = Lakehouse.open().maintenance.optimize([table_name], partitions or (), zorder=columns)
    print_rewritten(results, f"every partition is in the order of {', '.join(columns)}", as_json=as_json)


@app.command()
def vacuum(
    tables: Tables = None,
    *,
    retain_hours: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Keep files that have been out of use for less; {WEEK_HOURS} unless a table says otherwise."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force/--dry-run", help="Delete the files, or only count them.")] = False,
    unsafe: Annotated[
        bool,
        typer.Option("--unsafe", help="Allow less time: older versions, and whoever reads or writes now, may break."),
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Delete the files that no recent version needs, and those of writes that never came to a commit.

    Without tables, of every table. Older versions cannot be read afterwards. Only counts unless --force is given.

    * `lakehouse maintain vacuum`
    * `lakehouse maintain vacuum --force`
    """
    results = Lakehouse.open().maintenance.vacuum(
        tables or (), retain_hours=retain_hours, dry_run=not force, unsafe=unsafe
    )
    print_vacuumed(results, force=force, as_json=as_json)


@app.command()
def history(
    table_name: OneTable,
    *,
    limit: Annotated[int, typer.Option(min=1, help="Versions to show, newest first.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """Show the versions of a table: when, by what, and by which run.

    * `lakehouse maintain history silver.transactions`
    """
    commits = Lakehouse.open().maintenance.history(table_name, limit)
    if as_json:
        print_json(commits)
    else:
        print_history(commits)


app.command()(maintain_restore.restore)


@app.command()
def describe(table_name: OneTable, *, as_json: JsonFlag = False) -> None:
    """Show what a table is: columns, partitions, files, protocol, properties, and when it was last looked after.

    * `lakehouse maintain describe silver.transactions`
    """
    found = Lakehouse.open().maintenance.describe(table_name)
    if as_json:
        columns = [
            {"name": column.name, "type": str(column.type), "nullable": column.nullable} for column in found.columns
        ]
        print_json({**vars(found), "columns": columns})
    else:
        print_description(found)
