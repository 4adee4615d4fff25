"""`lakehouse plan`: which partitions of which tables would get new versions, before anything runs."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from lakehouse.cli.backfill_selection import Code, Partitions, selected_partitions
from lakehouse.cli.console import FAILED, HELD, OK, CommandError, JsonFlag, err
from lakehouse.cli.plan_view import show_affected, show_simulation
from lakehouse.cli.progress import watched
from lakehouse.cli.run import print_failures, refuse_missing_landing
from lakehouse.orchestration.run_lock import is_alone
from lakehouse.project import Lakehouse


def plan(
    *,
    file: Annotated[
        list[str] | None,
        typer.Option(
            help="Only what this landing file changes: its key, such as transactions/2024-01-31.csv, or its path."
        ),
    ] = None,
    as_key: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="SOURCE/NAME", help="The key under which --file, a file from anywhere, is to land."
        ),
    ] = None,
    partition: Partitions = None,
    code: Code = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="Run on a copy of the lake, and list what changes there, row by row.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the partitions that the next `lakehouse run` may rewrite. The lake is only read.

    The list follows from the graph of tables, in seconds, and holds every partition that can change. With `--exact` the
    run is made on a copy that shares the lake's files: the list then holds only what changes, with rows added, removed
    and changed.

    * `lakehouse plan`: all that waits in the landing zone
    * `lakehouse plan --exact`: the same, simulated
    * `lakehouse plan --file transactions/2024-01-31.csv`: this file alone
    * `lakehouse plan --file ~/corrected.csv --as transactions/2024-01-31.csv`: a file that has not landed
    * `lakehouse plan --partition silver.transactions=2024-01-31`: a backfill of a partition, and what follows
    * `lakehouse plan --code`: partitions whose result differs under the current code

    Exit code 0: planned. With `--exact`, 3: the run would hold some day; 1: it would fail, or cannot be simulated.
    """
    lake = Lakehouse.open()
    if file and (partition or code):
        raise CommandError("give --file, --partition or --code; each is a run of its own")
    if as_key is not None and len(file or ()) != 1:
        raise CommandError("--as says where one file is to land; give it with that --file")
    refuse_missing_landing(lake)
    begun = time.monotonic()
    files = [lake.landing_file(given, as_key) for given in file or ()]
    if not is_alone(lake.settings):
        err().print(
            "[yellow]noted:[/] somebody is at work on this lake; the plan is of the lake as it is at this moment"
        )
    with err().status("looking for what changes"):  # shown on a terminal only
        selected = selected_partitions(lake, partition, code=code)
    if not exact:
        affected = lake.plan(files=files or None, partitions=selected)
        show_affected(lake, affected, time.monotonic() - begun, as_json=as_json)
        raise typer.Exit(OK)
    with watched(simulated=True) as (progress, should_stop):
        found = lake.simulate(files=files, partitions=selected, progress=progress, should_stop=should_stop)
    show_simulation(lake, found, time.monotonic() - begun, as_json=as_json)
    print_failures(found.report)
    raise typer.Exit(FAILED if found.report.errors else HELD if found.held else OK)
