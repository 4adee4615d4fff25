"""`lakehouse reconcile`: does every row add up, from landing file to monthly gold?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lakehouse.cli.console import IMBALANCED, OK, JsonFlag, err, number, out, print_json, table
from lakehouse.cli.process import PROCESS
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    from lakehouse.reconciliation.compare import Reconciliation

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
    lake = Lakehouse.open()
    if strict:
        with err().status("starting the engine") as status:  # shown on a terminal only
            found = lake.reconcile(strict=True, progress=status.update)
    else:
        PROCESS.only_reads()
        found = lake.reconcile()
    if as_json:
        print_json(
            {
                "balanced": found.is_balanced,
                "compared": found.compared,
                "imbalances": found.discrepancies,
                "notes": found.notes,
                "damaged": found.damaged,
            }
        )
    else:
        _print(found)
    raise typer.Exit(OK if found.is_balanced or not strict else IMBALANCED)


def _print(found: Reconciliation) -> None:
    console = out()
    compared = table("compared", "#how many")
    for comparison, many in found.compared.items():
        compared.add_row(comparison, number(many))
    console.print(compared)
    if found.discrepancies:
        listed = table("off", "partition", "file", "what")
        for each in found.discrepancies:
            listed.add_row(each.table, str(each.partition or ""), escape(each.file or ""), escape(each.found))
        console.print(listed)
    for note in found.notes[:_SHOWN_NOTES]:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    if len(found.notes) > _SHOWN_NOTES:
        console.print(f"and {number(len(found.notes) - _SHOWN_NOTES)} more notes; --json lists them all")
    many = len(found.discrepancies)
    console.print(f"{number(many)} discrepanc{'y' if many == 1 else 'ies'}." if many else "Everything adds up.")
