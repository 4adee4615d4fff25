"""`lakehouse maintain`: Delta's own operations on the lake's tables."""

from __future__ import annotations

import contextlib
import datetime as dt
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from lakehouse.catalog.reader import Catalog
from lakehouse.cli import console
from lakehouse.cli.console import CommandError, JsonFlag, print_json
from lakehouse.cli.maintain_view import (
    print_description,
    print_history,
    print_restoration,
    tell_rewritten,
    tell_vacuumed,
)
from lakehouse.delta.model import TableError
from lakehouse.engines.factory import open_engine
from lakehouse.errors import BusyError
from lakehouse.orchestration.run_lock import alone
from lakehouse.planning.downstream import rebuilds
from lakehouse.project import Lakehouse
from lakehouse.settings import Settings
from lakehouse.text import cleaned

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.planning.downstream import Rebuild

app = console.group(
    "Look after the tables: rewrite small files, delete old ones, look at versions and go back to one.\n\n"
    "Under `lakehouse dev` the jobs `optimize_tables` and `vacuum_tables` do this at night."
)

WEEK_HOURS = 168

Tables = Annotated[list[str] | None, typer.Argument(help="Tables, such as silver.transactions.")]
OneTable = Annotated[str, typer.Argument(help="The table, such as silver.transactions.")]
Partitions = Annotated[
    list[str] | None,
    typer.Option(
        "--partition",
        help="Only this partition: 2024-01-31, or column=value; may be given several times.",
    ),
]

T = TypeVar("T")


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
    settings = Settings.load()
    names = _names(settings, tables)
    engine = _engine(settings)
    with _alone(settings):
        done, failed = _each(
            names,
            lambda name: engine.optimize(
                name, _selections(engine, name, partitions), metadata={"command": "maintain optimize"}
            ),
        )
    tell_rewritten(done, failed, "no partition has more than one small file", as_json=as_json)


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
    settings = Settings.load()
    (name,) = _names(settings, [table_name])
    engine = _engine(settings)
    with _alone(settings):
        done = engine.optimize(
            name, _selections(engine, name, partitions), zorder=columns, metadata={"command": "maintain zorder"}
        )
    tell_rewritten({name: done}, {}, f"every partition is in the order of {', '.join(columns)}", as_json=as_json)


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
    """Delete the files that no version of late needs, and those of writes that never came to a commit.

    Without tables, of every table. Older versions cannot be read afterwards. Only counts unless --force is given.

    * `lakehouse maintain vacuum`
    * `lakehouse maintain vacuum --force`
    """
    if retain_hours is not None and retain_hours < WEEK_HOURS and not unsafe:
        raise CommandError(
            f"--retain-hours {retain_hours} is less than {WEEK_HOURS}, a week: versions of the last week could not be "
            "read any more, queries that run now may fail, and a write that goes on now may end as a table with files "
            "missing. If nothing else uses the lake: --unsafe"
        )
    settings = Settings.load()
    names = _names(settings, tables)
    engine = _engine(settings)
    with _alone(settings) if force else contextlib.nullcontext():
        done, failed = _each(
            names,
            lambda name: engine.vacuum(
                name,
                retain_hours=retain_hours,
                dry_run=not force,
                unsafe=unsafe,
                metadata={"command": "maintain vacuum"},
            ),
        )
    tell_vacuumed(done, failed, force=force, as_json=as_json)


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
    settings = Settings.load()
    (name,) = _names(settings, [table_name])
    commits = _engine(settings).history(name, limit)
    if as_json:
        print_json(commits)
        return
    print_history(commits)


@app.command()
def restore(
    table_name: OneTable,
    *,
    version: Annotated[int | None, typer.Option(min=0, help="The version to go back to.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Or the version of this time: ISO 8601, UTC unless it has an offset.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, only what would change is told.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Make an older version of a table its newest one. Nothing is deleted, so that a restore can be undone by another.

    What was made from the table is not made anew by that; how to do so is told.

    * `lakehouse maintain restore silver.transactions --version 12`
    * `lakehouse maintain restore silver.transactions --as-of 2024-01-31T18:00 --yes`
    """
    if (version is None) == (as_of is None):
        raise CommandError("give either --version or --as-of")
    settings = Settings.load()
    (name,) = _names(settings, [table_name])
    _refuse_irreplaceable(name)
    point: int | dt.datetime = _time(as_of or "") if version is None else version
    engine = _engine(settings)
    plan = engine.restoration(name, point)
    restored = None
    if yes:
        from lakehouse.orchestration.instance.home import prepare_home

        prepare_home(settings.dagster_home)  # the commands that are told need it
        with _alone(settings):
            restored = engine.restore(name, plan.version, metadata={"command": "maintain restore"})
    lake = Lakehouse.open(settings=settings)
    follow = [
        _rebuild(settings, lake.application.module, each)
        for each in rebuilds(lake.catalog, lake.tables.values(), name, [each.partition for each in plan.changes])
    ]
    if as_json:
        print_json({**vars(plan), "restored": restored, "rebuild": follow})
        return
    print_restoration(plan, restored, follow)


@app.command()
def describe(table_name: OneTable, *, as_json: JsonFlag = False) -> None:
    """Show what a table is: columns, partitions, files, protocol, properties, and when it was last looked after.

    * `lakehouse maintain describe silver.transactions`
    """
    settings = Settings.load()
    (name,) = _names(settings, [table_name])
    found = _engine(settings).describe(name)
    if as_json:
        columns = [
            {"name": column.name, "type": str(column.type), "nullable": column.nullable} for column in found.columns
        ]
        print_json({**vars(found), "columns": columns})
        return
    print_description(found)


def _rebuild(settings: Settings, module: str, each: Rebuild) -> dict[str, Any]:
    """Return a rebuild with the command that does it."""
    table, first, last = each.table, each.first, each.last
    partitions = f"--partition {first}" if first == last else f"--partition-range {first}...{last}"
    home = shlex.quote(str(settings.dagster_home))
    command = (
        f"DAGSTER_HOME={home} dagster asset materialize -m {module} --select {table.replace('.', '/')} {partitions}"
    )

    return {**vars(each), "command": command}


def _engine(settings: Settings) -> Engine:
    return open_engine(settings.root, settings.engine, settings.spark_url)


def _names(settings: Settings, asked: Sequence[str] | None) -> list[str]:
    """Return the tables asked for, or all; refuse those that are not there."""
    there = Catalog(settings.root).names()
    if not there:
        raise CommandError(f"there are no tables under {settings.root} yet; `lakehouse run` makes them")
    if missing := [name for name in asked or () if name not in there]:
        raise CommandError(f"{', '.join(missing)}: no such table under {settings.root}. Tables: {', '.join(there)}")
    return list(asked or there)


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep drains of this lake out while tables are changed, and ourselves out of theirs."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(alone(settings))
        except BusyError as error:
            raise CommandError(
                f"{error}; {error.hint}. `lakehouse dev` can do it itself: in its UI, launch the job optimize_tables "
                "or vacuum_tables"
            ) from error
        yield


def _each(names: Sequence[str], operation: Callable[[str], T]) -> tuple[dict[str, T], dict[str, str]]:
    """Do something with each table; a table that refuses does not keep the others from it."""
    done: dict[str, T] = {}
    failed: dict[str, str] = {}
    for name in names:
        try:
            done[name] = operation(name)
        except TableError as error:
            if len(names) == 1:
                raise
            failed[name] = cleaned(str(error))
    return done, failed


def _selections(engine: Engine, name: str, given: Sequence[str] | None) -> list[Mapping[str, str | None]] | None:
    """Return the partitions that options name."""
    if not given:
        return None
    columns = engine.describe(name).partition_columns
    selections: list[Mapping[str, str | None]] = []
    for text in given:
        column, separator, value = text.partition("=")
        if separator and column in columns:
            selections.append({column: value})
        elif len(columns) == 1:
            selections.append({columns[0]: text})
        else:
            raise CommandError(
                f"--partition {text}: {name} is partitioned by {', '.join(columns) or 'nothing'}; "
                "give column=value with one of its columns"
            )
    return selections


def _time(text: str) -> dt.datetime:
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--as-of {text}: give a time like 2024-01-31T18:00 or 2024-01-31T18:00+01:00") from None
    return given if given.tzinfo else given.replace(tzinfo=dt.UTC)


_IRREPLACEABLE = {
    "bronze": (
        "what was taken in once is never taken in again, so the rows of later files would be lost for good. To mend a "
        "day, land a corrected file under the same name"
    ),
    "system": (
        "files and audits are counted by it: files would be taken in twice, and nothing would add up. It needs no "
        "mending by hand; `lakehouse reconcile` says whether anything is off"
    ),
    "silver.quarantine": (
        "it holds what the newest audit of each day has rejected. To write a day of it anew, materialize that day of "
        "its silver table"
    ),
}


def _refuse_irreplaceable(name: str) -> None:
    reason = _IRREPLACEABLE.get(name) or _IRREPLACEABLE.get(name.partition(".")[0])
    if reason is not None:
        raise CommandError(f"{name} is not restored: {reason}")
