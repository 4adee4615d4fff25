"""How `lakehouse rules` shows a mutation test and a backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.markup import escape

from lakehouse.cli.console import err, number, out, table
from lakehouse.text import cell

if TYPE_CHECKING:
    from rich.table import Table

    from lakehouse.rule_testing.backtest import Backtest, DayBacktest
    from lakehouse.rule_testing.mutation import Mutant, MutationTest, Worth

_SHOWN_EFFECTS, _SHOWN_SAMPLES = 40, 10


def as_data(test: MutationTest, min_caught: float) -> dict[str, Any]:
    """Return a mutation test for JSON."""
    figures = {"caught": test.caught, "stopped": test.stopped, "kinds": test.kinds, "share": test.share}
    return {"passed": test.share >= min_caught, "min_caught": min_caught, **figures, **vars(test)}


def print_test(test: MutationTest, min_caught: float) -> None:
    """Show which rules caught which faults."""
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


def print_backtest(result: Backtest) -> None:
    """Show the days that would be different, and what of daily gold would be."""
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
