"""`lakehouse rules`: what the rules of a table catch, and what a changed contract would have done."""

from __future__ import annotations

import datetime as dt
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.cli import console
from lakehouse.cli.console import FAILED, OK, CommandError, JsonFlag, err, number, out, print_json, table
from lakehouse.project import Lakehouse
from lakehouse.text import cell

if TYPE_CHECKING:
    from rich.table import Table

    from lakehouse.rule_testing.backtest import Backtest, DayBacktest, Made
    from lakehouse.rule_testing.mutation import Mutant, MutationTest, Worth
    from lakehouse.tables.declarations import ContractTable

_SHOWN_EFFECTS, _SHOWN_SAMPLES = 40, 10

app = console.group("Test the rules of a table: plant faults and see what catches them, or judge past days again.")

Name = Annotated[str, typer.Argument(metavar="TABLE", help="A silver table, such as silver.transactions.")]


@app.command()
def mutate(
    name: Name,
    *,
    day: Annotated[
        str | None, typer.Option(help="A published business date; the newest with enough rows unless given.")
    ] = None,
    min_caught: Annotated[
        float, typer.Option(min=0, max=1, help="Exit with 1 when a smaller share of the kinds of faults is caught.")
    ] = 0.9,
    seed: Annotated[int, typer.Option(help="Chooses the rows that are changed.")] = 7,
    rows: Annotated[int, typer.Option(min=1, help="Rows of the day to take at most; of more, a sample.")] = 20_000,
    without: Annotated[list[str] | None, typer.Option(help="Leave this rule out; may be given again.")] = None,
    each: Annotated[bool, typer.Option("--each", help="Tell of each rule what would be missed without it.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Plant typical faults into a copy of a day, one at a time, and tell which rules catch which. No table is changed.

    A rule has caught a fault when it counts at least a tenth of the planted rows more than without the fault, or, if it
    is about the whole day, when only the faulty day breaks it. A fault is stopped when its rows are rejected or the day
    is held; else it is only noticed: a warning is counted. A kind is caught when at least half of its faults are.

    Exit code 1: a smaller share of the kinds is caught than `--min-caught` asks for, or the test could not be made.
    """
    with err().status("starting the engine") as status:  # shown on a terminal only
        from lakehouse.rule_testing.mutation import Subject, mutation_test

        lake = Lakehouse.open()
        made = silver_table(lake, name)
        test = mutation_test(
            lake.engine,
            Subject(made.terms, made.transform, next(iter(made.inputs.values()))),
            day=a_day(day),
            seed=seed,
            rows=rows,
            without=without or (),
            each=each,
            report=status.update,
        )
    if as_json:
        print_json(_as_data(test, min_caught))
    else:
        _print_test(test, min_caught)
    raise typer.Exit(OK if test.share >= min_caught else FAILED)


@app.command()
def backtest(
    name: Name,
    *,
    first: Annotated[str | None, typer.Option("--from", help="The first business date: yyyy-mm-dd.")] = None,
    last: Annotated[str | None, typer.Option("--to", help="The last business date: yyyy-mm-dd.")] = None,
    contract: Annotated[
        Path | None,
        typer.Option(help="A changed copy of the table's file; else the file as it is now is compared with the past."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judge past days by a changed contract, before it is adopted: what would be rejected, warned of or held.

    The days are judged again from their received rows, and compared with what was adopted: the ledger, the quarantine
    and the table. Then the daily gold tables are computed from both. Nothing is written.
    """
    with err().status("starting the engine") as status:  # shown on a terminal only
        from lakehouse.rule_testing.backtest import backtest as judge_again

        lake = Lakehouse.open()
        made = silver_table(lake, name)
        result = judge_again(
            lake.engine,
            _made(made if contract is None else changed_table(contract, made)),
            _daily_readers(lake, made),
            since=a_day(first, "--from"),
            until=a_day(last, "--to"),
            report=status.update,
        )
    if as_json:
        print_json(result)
    else:
        _print_backtest(result)


def changed_table(file: Path, table: ContractTable) -> ContractTable:
    """Load a changed copy of a table's file and return the table as it is there; the one in place stays what it is."""
    from lakehouse.tables.declarations import ContractTable

    if not file.is_file():
        raise CommandError(f"--contract {file}: there is no such file; copy {table.file} and change the copy")
    module_name = f"changed.{table.full_name}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    if spec is None or spec.loader is None:
        raise CommandError(f"--contract {file}: this is no file of Python code")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # a table finds its module there
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise CommandError(f"--contract {file} cannot be loaded: {type(error).__name__}: {error}") from error
    finally:
        del sys.modules[module_name]
    for found in vars(module).values():
        if isinstance(found, ContractTable) and found.full_name == table.full_name:
            return found
    raise CommandError(f"--contract {file} declares no {table.full_name}; copy {table.file} and change the copy")


def _made(table: ContractTable) -> Made:
    from lakehouse.rule_testing.backtest import Made

    return Made(table.terms, table.transform, table.inputs)


def _daily_readers(lake: Lakehouse, table: ContractTable) -> list[Made]:
    """Return the tables that read a table partition by partition, and beside it nothing but dimensions."""
    from lakehouse.tables.declarations import ContractTable

    return [
        _made(found)
        for found in lake.tables.values()
        if isinstance(found, ContractTable)
        and table.full_name in found.inputs.values()
        and found.partition_column == table.partition_column
        and all(name != table.full_name for name in map(found.inputs.get, found.reads))
        and all(reads.whole for reads in found.reads.values())
    ]


def silver_table(lake: Lakehouse, name: str) -> ContractTable:
    """Return a silver table that is made from bronze, by its full name."""
    from lakehouse.tables.declarations import ContractTable

    tables = {
        made.full_name: made
        for made in lake.tables.values()
        if isinstance(made, ContractTable) and made.layer == "silver"
    }
    if name not in tables:
        raise CommandError(f"there is no table {name} that is judged as it arrives; there are {', '.join(tables)}")
    return tables[name]


def a_day(text: str | None, option: str = "--day") -> dt.date | None:
    """Return the date that an option gives."""
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{option} {text}: give a date like 2024-01-31") from None


def _as_data(test: MutationTest, min_caught: float) -> dict[str, Any]:
    figures = {"caught": test.caught, "stopped": test.stopped, "kinds": test.kinds, "share": test.share}
    return {"passed": test.share >= min_caught, "min_caught": min_caught, **figures, **vars(test)}


def _print_test(test: MutationTest, min_caught: float) -> None:
    console = out()
    used = number(test.rows) if test.rows == test.rows_used else f"{test.rows_used:,} of {test.rows:,}"
    console.print(f"{test.table} {test.day}, {used} rows, seed {test.seed}")
    if test.without:
        console.print(f"without {', '.join(test.without)}")
    made = table("kind", "column", "what happened", "#rows", "verdict", "caught by")
    for mutant in test.mutants:
        made.add_row(mutant.kind, ", ".join(mutant.columns), mutant.what, number(mutant.planted), *_verdict(mutant))
    console.print(made)
    for note in test.not_evaluated:
        console.print(f"note: not evaluated: {escape(note)}", soft_wrap=True)
    for kind in test.nothing_to_plant:
        console.print(f"note: there is no place for {kind}")
    if test.worth is not None:
        _print_worth(test.worth)
    kinds = test.kinds
    console.print(
        f"{sum(kinds.values())} of {len(kinds)} kinds caught; {test.caught} of {len(test.mutants)} faults caught, "
        f"{test.stopped} of them stopped."
    )
    if missed := [kind for kind, caught in kinds.items() if not caught]:
        console.print(f"Not caught: {', '.join(missed)}.")
    if test.share < min_caught:
        err().print(f"[red]{test.share:.0%} of the kinds are caught, {min_caught:.0%} are asked for.[/]")


def _verdict(mutant: Mutant) -> tuple[str, str]:
    """Return what became of a fault, and the rules that caught it with the rows they count."""
    if mutant.caught_by:
        rules = [rule if rows == 1 else f"{rule} {rows:,}" for rule, rows in mutant.caught_by.items()]
        return "stopped" if mutant.stopped else "noticed", ", ".join(rules)
    aside = f"but {mutant.set_aside:,} rows are set aside as duplicates" if mutant.set_aside else ""
    return "[red]not caught[/]", aside


def _print_worth(worth: list[Worth]) -> None:
    console = out()
    made = table("without", "#caught", "#stopped", "what only it catches or stops")
    for each in worth:
        if each.adds:
            lost = [f"{mutant.kind} {', '.join(mutant.columns)}".strip() for mutant in [*each.only, *each.weaker]]
            made.add_row(each.rule, number(each.caught), number(each.stopped), ", ".join(dict.fromkeys(lost)))
    console.print(made)
    for each in worth:
        if not each.adds:
            why = each.why_none or (
                f"others catch all {each.catches} faults that it catches" if each.catches else "no fault here breaks it"
            )
            console.print(f"{each.rule} adds nothing here: {escape(why)}", soft_wrap=True)


def _print_backtest(result: Backtest) -> None:
    console = out()
    different = [day for day in result.days if day.differs]
    made = table("day", "rule", "#rejected", "#would be", "#warned of", "#would be")
    for day in different:
        _add_day(made, day)
    if different:
        console.print(made)
    for day in different:
        _print_verdict(day)
    for sample in [sample for day in different for sample in day.samples][:_SHOWN_SAMPLES]:
        values = ", ".join(f"{name} = {value!r}" for name, value in sample.values.items())
        where = sample.file if sample.record is None else f"{sample.file} record {sample.record}"
        rules = ", ".join(sample.rules)
        console.print(f"newly rejected: {escape(f'{where}: {rules}; {values}')}", soft_wrap=True)
    _print_effects(result)
    for note in dict.fromkeys(result.notes):
        console.print(f"note: {escape(note)}", soft_wrap=True)
    versions = ", ".join(sorted({day.rules_version or "unknown" for day in result.days}))
    console.print(
        f"{len(different)} of {len(result.days)} days of {result.table} would be different: "
        f"{sum(day.newly_rejected for day in different):,} rows newly rejected, "
        f"{sum(day.no_longer_rejected for day in different):,} no longer. "
        f"Rules {result.rules_version}, adopted were {versions}. Nothing was written."
    )


def _add_day(made: Table, day: DayBacktest) -> None:
    sides = (day.before.rejected, day.after.rejected, day.before.warned, day.after.warned)
    rules = dict.fromkeys(rule for side in sides for rule in side)
    for rule in rules:
        figures = [side.get(rule, 0) for side in sides]
        if figures[0] != figures[1] or figures[2] != figures[3]:
            made.add_row(str(day.day), rule, *map(number, figures))


def _print_verdict(day: DayBacktest) -> None:
    console = out()
    if day.after.held and not day.before.held:
        console.print(f"[red]{day.day} would be held:[/] {escape(day.after.held)}", soft_wrap=True)
    elif day.before.held and not day.after.held:
        console.print(f"[green]{day.day} would be published;[/] it is held: {escape(day.before.held)}", soft_wrap=True)


def _print_effects(result: Backtest) -> None:
    console = out()
    if not result.effects:
        console.print("No figure of daily gold would be different.")
        return
    made = table("gold", "partition", "sum of", "#is", "#would be")
    for effect in result.effects[:_SHOWN_EFFECTS]:
        made.add_row(effect.table, str(effect.partition), effect.column, cell(effect.before), cell(effect.after))
    console.print(made)
    if len(result.effects) > _SHOWN_EFFECTS:
        console.print(f"and {len(result.effects) - _SHOWN_EFFECTS:,} more figures; --json has all")
