"""What `lakehouse plan` shows: affected partitions by the graph, or changed rows by a simulation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from lakehouse.cli.console import how_many, number, out, print_json, span, table
from lakehouse.cli.run import print_held
from lakehouse.tables.calendars import shifted

if TYPE_CHECKING:
    from lakehouse.orchestration.simulation import PartitionChange, Simulation
    from lakehouse.planning.affected import AffectedTable
    from lakehouse.project import Lakehouse

_SHOWN_RANGES = 6


def show_affected(lake: Lakehouse, affected: Sequence[AffectedTable], seconds: float, *, as_json: bool) -> None:
    """Show the partitions that a run may rewrite."""
    total = sum(len(each.partitions) for each in affected)
    if as_json:
        tables = [
            {
                "table": each.table,
                "partitions": [{"partition": day} for day in each.partitions],
                "with_members_of": each.with_members_of,
            }
            for each in affected
        ]
        figures = {"partitions": total}
        print_json({"exact": False, "tables": tables, "total": figures, "errors": [], "seconds": round(seconds, 3)})
        return
    console = out()
    if not affected:
        console.print(f"No partition would get a new version. Planned in {seconds:.1f} s.")
        return
    made = table("table", "#parts", "partitions", "and those with changed members of")
    for each in affected:
        column = lake.tables[each.table].partition_column
        made.add_row(
            each.table, number(len(each.partitions)), _ranges(column, each.partitions), ", ".join(each.with_members_of)
        )
    made.add_section()
    made.add_row("in all", number(total), "", "")
    console.print(made)
    console.print(
        f"At most these partitions get a new version, planned in {seconds:.1f} s; `--exact` simulates the run and "
        "counts the rows. Nothing is written yet."
    )


def show_simulation(lake: Lakehouse, found: Simulation, seconds: float, *, as_json: bool) -> None:
    """Show the partitions that a run changes, and the rows that change in them."""
    if as_json:
        print_json({"exact": True, **_as_data(found, seconds)})
        return
    console = out()
    if found.tables:
        made = table("table", "#parts", "#rows", "#added", "#removed", "#changed", "partitions")
        for name, changes in found.tables.items():
            column = lake.tables[name].partition_column
            ranges = _ranges(column, [each.partition for each in changes])
            made.add_row(name, number(len(changes)), *_counts(changes), ranges)
        changes = [change for each in found.tables.values() for change in each]
        made.add_section()
        made.add_row("in all", number(len(changes)), *_counts(changes), "")
        console.print(made)
    print_held(found.held)
    runs = f"{how_many(len(found.report.runs), 'run')}, simulated in {seconds:.1f} s; nothing is written yet."
    console.print(runs if found.tables else f"No partition would get a new version. {runs}")


def _as_data(found: Simulation, seconds: float) -> dict[str, Any]:
    changes = [change for each in found.tables.values() for change in each]
    return {
        "tables": [{"table": name, "partitions": each} for name, each in found.tables.items()],
        "total": {
            "partitions": len(changes),
            **{count: sum(getattr(change, count) for change in changes) for count in _COUNTS},
        },
        "held": found.held,
        "runs": len(found.report.runs),
        "errors": found.report.errors,
        "seconds": round(seconds, 3),
    }


_COUNTS = ("rows", "added", "removed", "changed")


def _counts(changes: Sequence[PartitionChange]) -> list[str]:
    return [number(sum(getattr(change, count) for change in changes)) for count in _COUNTS]


def _ranges(partition_column: str, partitions: Iterable[dt.date]) -> str:
    """Return partitions as ranges of those that follow each other: ``2024-01-01 to 2024-01-04, 2024-01-09``."""
    ranges: list[list[dt.date]] = []
    for partition in partitions:
        if ranges and shifted(partition_column, ranges[-1][-1], 1) == partition:
            ranges[-1].append(partition)
        else:
            ranges.append([partition])
    told = [span(each[:1] + each[1:][-1:]) for each in ranges[:_SHOWN_RANGES]]
    more = len(ranges) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
