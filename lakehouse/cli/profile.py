"""`lakehouse profile`: what the rows of a table are like, and the rules they would bear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lakehouse.cli.console import JsonFlag, err, number, out, print_json, span, table
from lakehouse.cli.rules import a_day
from lakehouse.project import Lakehouse
from lakehouse.text import cell

if TYPE_CHECKING:
    from lakehouse.rule_testing.profiling import ColumnProfile, Profile

_SHOWN_VALUES = 4


def profile(
    name: Annotated[str, typer.Argument(metavar="TABLE", help="A silver or gold table, such as silver.transactions.")],
    *,
    day: Annotated[str | None, typer.Option(help="Only this partition, by its first day: yyyy-mm-dd.")] = None,
    last: Annotated[int, typer.Option(min=1, help="So many of the newest partitions.")] = 30,
    as_json: JsonFlag = False,
) -> None:
    """Measure the published rows of a table, and propose the rules that they would bear, beside those it has.

    Bounds are set half as far again as what was seen, and rounded outward. A proposal says what was, not what must be.
    """
    with err().status("starting the engine") as status:  # shown on a terminal only
        found = Lakehouse.open().profile(name, day=a_day(day), last=last, report=status.update)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _print(found: Profile) -> None:
    console = out()
    made = table("column", "type", "#missing", "#distinct", "#from", "#to", "looks like", "contract today")
    for column in found.columns:
        made.add_row(
            column.name,
            column.type,
            number(column.nulls),
            f"{number(column.distinct)}{' (unique)' if column.unique else ''}",
            cell(column.smallest),
            cell(column.largest),
            escape(_looks(column)),
            escape(column.today),
        )
    console.print(made)
    days = found.by_day
    console.print(f"Rows of a day: {days.fewest:,} to {days.most:,}, usually {days.usual:,.0f}.")
    if days.hours:
        console.print(f"Hours with rows, UTC: {', '.join(f'{hour}: {rows:,}' for hour, rows in days.hours.items())}")
    key = ", ".join(found.key)
    console.print(f"The key {key} {'names each row' if found.key_is_unique else 'does not name each row'}.")
    seen = f"{len(found.days)} day{'' if len(found.days) == 1 else 's'} ({span(found.days)}), {found.rows:,} rows"
    console.print(f"\nWhat {seen} would bear:\n")
    for column in found.columns:
        console.print(escape(f"    {column.code}"), soft_wrap=True)
    if days.code:
        console.print(escape(f"    day_rules = ({', '.join(days.code)},)"), soft_wrap=True)
    console.print()
    for note in days.notes:
        console.print(f"note: {escape(note)}", soft_wrap=True)
    console.print(
        "Rows that are rejected today are not in it; `lakehouse rules backtest` tells what a change would do."
    )


def _looks(column: ColumnProfile) -> str:
    if column.looks_like is not None and "isin" not in column.proposed:
        share = "" if column.share == 1 else f" ({column.share:.2%})"
        return f"{column.looks_like}{share}"
    values = [str(value) for value in column.values]
    more = ", …" if len(values) > _SHOWN_VALUES else ""
    return f"{', '.join(values[:_SHOWN_VALUES])}{more}"
