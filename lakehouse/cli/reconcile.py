"""`lakehouse reconcile`: does every row add up, from landing file to monthly gold?"""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from lakehouse.catalog.landing_state import landing_state
from lakehouse.cli.console import IMBALANCED, OK, CommandError, JsonFlag, err, number, out, print_json, table
from lakehouse.project import Lakehouse
from lakehouse.reconciliation.compare import Reconciliation, compare_data_files, compare_tables

_SHOWN_NOTES = 20


def reconcile(
    *,
    strict: Annotated[
        bool, typer.Option("--strict", help="Compute silver and gold again, too; exit with 2 when anything is off.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Recount the lake from its tables: files, bronze, silver, quarantine, ledger and gold must agree.

    Of every silver day: rows in bronze = published + rejected + duplicates + superseded + discarded. Of every file: its
    rows in bronze are its records. Of every table: its data files are there.

    With `--strict`, every silver day is computed again from bronze and every gold partition from its inputs, and
    compared row for row; what differs is named by table, partition, key, column and file.
    """
    opened = Lakehouse.open()
    settings, lake = opened.settings, opened.catalog
    if not lake.names():
        raise CommandError(f"there are no tables under {settings.root} yet; `lakehouse run` makes them")
    found = Reconciliation()
    compare_data_files(found, lake)
    compare_tables(
        found,
        lake,
        opened.source_names,
        None if "system.landing_files" in found.damaged else landing_state(settings, lake, opened.source_names),
    )
    if strict:
        _prove(found, opened)
    if as_json:
        print_json({"balanced": not found.imbalances, **vars(found)})
    else:
        _print(found)
    raise typer.Exit(IMBALANCED if strict and found.imbalances else OK)


def _prove(found: Reconciliation, lake: Lakehouse) -> None:
    with err().status("starting the engine") as status:  # shown on a terminal only
        from lakehouse.reconciliation.strict import prove

        prove(found, lake.catalog, lake.recomputation, status.update)


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
    for note in found.notes[:_SHOWN_NOTES]:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    if len(found.notes) > _SHOWN_NOTES:
        console.print(f"and {number(len(found.notes) - _SHOWN_NOTES)} more notes; --json lists them all")
    console.print(f"{len(found.imbalances)} imbalances." if found.imbalances else "Everything adds up.")
