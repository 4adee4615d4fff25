"""`lakehouse plan`: which partitions of which tables would get new versions, before anything runs."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.catalog.landing_state import why_unroutable
from lakehouse.cli.backfill_selection import Code, Partitions, selected_partitions
from lakehouse.cli.console import (
    FAILED,
    HELD,
    OK,
    CommandError,
    JsonFlag,
    err,
    how_many,
    number,
    out,
    print_json,
    span,
    table,
)
from lakehouse.cli.progress import watched
from lakehouse.cli.run import print_failures, print_held, refuse_missing_landing
from lakehouse.landing.zone import open_landing
from lakehouse.orchestration.run_lock import is_alone
from lakehouse.project import Lakehouse
from lakehouse.storage.files import is_local

if TYPE_CHECKING:
    from lakehouse.orchestration.simulation import NewFile, PartitionChange, Simulation

_SHOWN_RANGES = 6


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
    as_json: JsonFlag = False,
) -> None:
    """List the partitions that the next `lakehouse run` gives a new version, and the rows that change in them.

    The run is made on a copy that shares the lake's files, so the list is exact; the lake is only read.

    * `lakehouse plan`: all that waits in the landing zone
    * `lakehouse plan --file transactions/2024-01-31.csv`: this file alone
    * `lakehouse plan --file ~/corrected.csv --as transactions/2024-01-31.csv`: a file that has not landed
    * `lakehouse plan --partition silver.transactions=2024-01-31`: a backfill of a partition, and what follows
    * `lakehouse plan --code`: partitions whose result differs under the current code

    Exit code 0: planned. 3: the run would hold some day. 1: it would fail, or cannot be planned.
    """
    lake = Lakehouse.open()
    settings = lake.settings
    if file and (partition or code):
        raise CommandError("give --file, --partition or --code; each is a run of its own")
    if as_key is not None and len(file or ()) != 1:
        raise CommandError("--as says where one file is to land; give it with that --file")
    refuse_missing_landing(lake)
    begun = time.monotonic()
    files = [_new_file(lake, given, as_key) for given in file or ()]
    if not is_alone(settings):
        err().print(
            "[yellow]noted:[/] somebody is at work on this lake; the plan is of the lake as it is at this moment"
        )
    with err().status("starting the engine"):  # shown on a terminal only
        selected = selected_partitions(lake, partition, code=code)
    with watched(simulated=True) as (progress, should_stop):
        found = lake.simulate(files=files, partitions=selected, progress=progress, should_stop=should_stop)
    seconds = time.monotonic() - begun
    if as_json:
        print_json(_as_data(found, seconds))
    else:
        _print(lake, found, seconds)
    print_failures(found.report)
    raise typer.Exit(FAILED if found.report.errors else HELD if found.held else OK)


def _new_file(lake: Lakehouse, given: str, key: str | None) -> NewFile:
    """Return the file that is meant: a key of the landing zone, a path into it, or a path and the key it will have.

    Raises:
        CommandError: there is no such file, or no source takes it under this key.
    """
    from lakehouse.orchestration.simulation import NewFile

    settings, path = lake.settings, Path(given).expanduser()
    landed = key is None
    if key is None:
        key = given
        if is_local(settings.landing) and path.resolve().is_relative_to(settings.landing):
            key = path.resolve().relative_to(settings.landing).as_posix()
        if Path(key).is_absolute() or open_landing(settings.landing).etag(key) is None:
            told = "say with --as under which key it is to land" if path.is_file() else "give a key or a path"
            raise CommandError(f"--file {given}: there is no such file in the landing zone {settings.landing}; {told}")
    elif not path.is_file():
        raise CommandError(f"--file {given}: there is no such file")
    if why := why_unroutable(key, lake.source_names, settings.start_date):
        raise CommandError(f"{key} is taken in by nobody: {why}")
    return NewFile(key, None if landed else path)


def _as_data(found: Simulation, seconds: float) -> dict[str, Any]:
    cells = [cell for each in found.tables.values() for cell in each]
    return {
        "tables": [{"table": name, "partitions": each} for name, each in found.tables.items()],
        "total": {
            "partitions": len(cells),
            **{count: sum(getattr(cell, count) for cell in cells) for count in ("rows", "added", "removed", "changed")},
        },
        "held": found.held,
        "runs": len(found.report.runs),
        "errors": found.report.errors,
        "seconds": round(seconds, 3),
    }


def _print(lake: Lakehouse, found: Simulation, seconds: float) -> None:
    console = out()
    if found.tables:
        made = table("table", "#parts", "#rows", "#added", "#removed", "#changed", "partitions")
        columns = {name: each.partition_column for name, each in lake.tables.items()}
        for name, cells in found.tables.items():
            made.add_row(name, number(len(cells)), *_counts(cells), _ranges(columns[name], cells))
        cells = [cell for each in found.tables.values() for cell in each]
        made.add_section()
        made.add_row("in all", number(len(cells)), *_counts(cells), "")
        console.print(made)
    print_held(found.held)
    runs = f"{how_many(len(found.report.runs), 'run')}, simulated in {seconds:.1f} s; nothing is written yet."
    console.print(runs if found.tables else f"No partition would get a new version. {runs}")


def _counts(cells: Sequence[PartitionChange]) -> list[str]:
    return [number(sum(getattr(cell, count) for cell in cells)) for count in ("rows", "added", "removed", "changed")]


def _ranges(partition_column: str, cells: Sequence[PartitionChange]) -> str:
    """Return partitions as ranges of those that follow each other: ``2024-01-01 to 2024-01-04, 2024-01-09``."""
    from lakehouse.tables.calendars import shifted

    ranges: list[list[dt.date]] = []
    for cell in cells:
        if ranges and shifted(partition_column, ranges[-1][-1], 1) == cell.partition:
            ranges[-1].append(cell.partition)
        else:
            ranges.append([cell.partition])
    told = [span(each[:1] + each[1:][-1:]) for each in ranges[:_SHOWN_RANGES]]
    more = len(ranges) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
