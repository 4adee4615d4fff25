"""The partitions that `run` and `plan` compute again: by name, or all whose result differs under today's code."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from lakehouse.cli.console import CommandError

if TYPE_CHECKING:
    from lakehouse.project import Lakehouse

Partitions = Annotated[
    list[str] | None,
    typer.Option(metavar="TABLE=DAY", help="Compute this partition again, such as silver.transactions=2024-01-31."),
]
Code = Annotated[
    bool,
    typer.Option(
        "--code", help="Compute again the partitions whose result differs under today's functions, contracts and rules."
    ),
]


def selected_partitions(
    lake: Lakehouse, partitions: Sequence[str] | None, *, code: bool
) -> Mapping[str, Collection[str]] | None:
    """Return the partitions that the options mean; None where neither is given.

    Raises:
        CommandError: both are given, or an option is not ``TABLE=DAY``.
        RequestError: there is no such table, or its calendar has no such day.
    """
    if partitions and code:
        raise CommandError("give --partition or --code; each is a run of its own")
    if code:
        return lake.stale_partitions()
    return lake.partition_keys([_pair(each) for each in partitions]) if partitions else None


def _pair(text: str) -> tuple[str, dt.date]:
    name, _, day = text.partition("=")
    try:
        return name, dt.date.fromisoformat(day)
    except ValueError:
        raise CommandError(
            f"--partition {text}: give a table and a day, such as silver.transactions=2024-01-31"
        ) from None
