"""`lakehouse maintain restore`: an older version of a table becomes its newest one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.cli.console import CommandError, JsonFlag, how_many, number, out, print_json, table, time_of
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    from rich.console import Console

    from lakehouse.delta.model import Partition, Restoration
    from lakehouse.planning.downstream import Rebuild

_SHOWN_PARTITIONS = 20


def restore(
    table_name: Annotated[str, typer.Argument(help="The table, such as silver.transactions.")],
    *,
    version: Annotated[int | None, typer.Option(min=0, help="The version to go back to.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Or the version of this time: ISO 8601, UTC unless it has an offset.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only what would change is shown.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make an older version of a table its newest one. Nothing is deleted, so that another restore undoes it.

    What was computed from the table stays as it is; the command shows how to compute it again.

    * `lakehouse maintain restore silver.transactions --version 12`
    * `lakehouse maintain restore silver.transactions --as-of 2024-01-31T18:00 --yes`
    """
    if (version is None) == (as_of is None):
        raise CommandError("give either --version or --as-of")
    lake = Lakehouse.open()
    plan = lake.maintenance.restore_plan(table_name, time_of(as_of or "") if version is None else version)
    restored = lake.maintenance.restore(table_name, plan.restoration.version) if yes else None
    follow = [_with_command(lake, each) for each in plan.rebuilds]
    if as_json:
        print_json({**vars(plan.restoration), "restored": restored, "rebuild": follow})
    else:
        _print(plan.restoration, restored, follow)


def _with_command(lake: Lakehouse, each: Rebuild) -> dict[str, Any]:
    """Return partitions to compute again, with the command that does it."""
    first, last = each.first, each.last
    partitions = f"--partition {first}" if first == last else f"--partition-range {first}...{last}"
    command = (
        f"DAGSTER_HOME={shlex.quote(str(lake.settings.dagster_home))} dagster asset materialize "
        f"-m {lake.application.module} --select {each.table.replace('.', '/')} {partitions}"
    )
    return {**vars(each), "command": command}


def _print(plan: Restoration, restored: int | None, follow: Sequence[Mapping[str, Any]]) -> None:
    """Show what a restore has done, or would do, and what must follow it."""
    console = out()
    made = table("partition", "#rows now", f"#rows at version {plan.version}")
    for change in plan.changes[:_SHOWN_PARTITIONS]:
        made.add_row(escape(_partition(change.partition)), _rows(change.rows_before), _rows(change.rows_after))
    if plan.changes:
        console.print(made)
        if (more := len(plan.changes) - _SHOWN_PARTITIONS) > 0:
            console.print(f"and {how_many(more, 'partition')} more")
    else:
        console.print("No partition has other files in the two versions.")
    if plan.missing:
        console.print(
            f"[red]It cannot be restored:[/] {how_many(plan.missing, 'file')} of version {plan.version} have been "
            "deleted by a vacuum."
        )
        return
    if restored is None:
        console.print(
            f"Nothing is changed yet. {plan.table} is at version {plan.newest}; --yes makes version {plan.version} its "
            "newest."
        )
    else:
        console.print(
            f"{plan.table} is at version {restored} now, which is version {plan.version} again. To undo: "
            f"`lakehouse maintain restore {plan.table} --version {plan.newest} --yes`",
            soft_wrap=True,
        )
    _print_rebuilds(console, plan.table, follow)


def _print_rebuilds(console: Console, name: str, follow: Sequence[Mapping[str, Any]]) -> None:
    if not follow:
        return
    console.print(
        f"What is computed from {name} must be computed again then: in the UI of `lakehouse dev`, materialize these "
        "partitions, or run these commands; `lakehouse run` then computes what follows from them.",
        soft_wrap=True,
    )
    for each in follow:
        console.print(f"  {each['table']} {each['first']} to {each['last']}", soft_wrap=True)
        console.print(f"    {escape(each['command'])}", soft_wrap=True, style="dim")


def _partition(partition: Partition) -> str:
    return ", ".join("none" if value is None else value for _, value in partition) or "the whole table"


def _rows(rows: int | None) -> str:
    return "not counted" if rows is None else number(rows)
