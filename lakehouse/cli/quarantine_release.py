"""`lakehouse quarantine release`: publish a held day as it is."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from lakehouse.cli.console import FAILED, HELD, OK, JsonFlag, out, print_json
from lakehouse.cli.progress import watched
from lakehouse.cli.quarantine_options import By, Reason
from lakehouse.cli.run import print_failures, print_held
from lakehouse.project import Lakehouse


def release(
    *,
    table_name: Annotated[str, typer.Option("--table", help="The table that holds the day: silver.orders.")],
    day: Annotated[str, typer.Option(help="The day: yyyy-mm-dd.")],
    reason: Reason,
    by: By = None,
    as_json: JsonFlag = False,
) -> None:
    """Publish a held day as it is, by somebody's decision. Its bad rows stay in quarantine.

    The decision lapses as soon as anything new arrives for the day, or the table's rules change. A day that does not
    add up, or in which keys repeat, is never released. Exit code 3: the day is still held.

    * `lakehouse quarantine release --table silver.orders --day 2024-01-04 --reason "few orders on a holiday"`
    """
    with watched() as (progress, should_stop):
        result = Lakehouse.open().quarantine.release(
            table_name, day, reason=reason, by=by or "", progress=progress, should_stop=should_stop
        )
    held = result.held
    if as_json:
        print_json({"released": held is None, "reason": held.reason if held else None, "runs": result.report.runs})
    elif held is None:
        out().print(escape(f"{table_name} {day} is published, by the decision of {result.decision.decided_by}."))
    else:
        print_held([held])
        out().print("No decision can publish such a day: send a corrected file, or correct the table's function.")
    print_failures(result.report)
    raise typer.Exit(FAILED if result.report.errors else HELD if held else OK)
