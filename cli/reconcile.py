"""`lakehouse reconcile`: does every row add up, from landing file to monthly gold?"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from cli.console import IMBALANCED, OK, CommandError, JsonFlag, number, out, print_json, table
from cli.imbalances import Reconciliation, reconcile_lake
from cli.lake import Lake
from cli.landing_state import landing_state
from resources.settings import Settings


def reconcile(
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 when anything is off.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Recount the lake from its tables: files, bronze, silver, quarantine, ledger and gold must agree.

    Of every silver day: rows in bronze = published + rejected + duplicates + superseded. Of every file: its rows in
    bronze are its records. Of every gold partition: its sales are those of the table it sums up.
    """
    settings = Settings.load()
    lake = Lake(settings.root)
    if not lake.names():
        raise CommandError(f"there are no tables under {settings.root} yet; `lakehouse run` makes them")
    found = reconcile_lake(lake, landing_state(settings, lake))
    if as_json:
        print_json({"balanced": not found.imbalances, **vars(found)})
    else:
        _print(found)
    raise typer.Exit(IMBALANCED if strict and found.imbalances else OK)


def _print(found: Reconciliation) -> None:
    console = out()
    compared = table("compared", "#how many")
    for comparison, many in found.compared.items():
        compared.add_row(comparison, number(many))
    console.print(compared)
    if found.imbalances:
        made = table("off", "partition", "file", "what")
        for each in found.imbalances:
            made.add_row(each.table, str(each.partition or ""), escape(each.file or ""), escape(each.found))
        console.print(made)
    for note in found.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    console.print(f"{len(found.imbalances)} imbalances." if found.imbalances else "Everything adds up.")
