"""How commands speak: results on stdout, everything else on stderr, tables for people and JSON for programs.

Belongs here: the consoles, exact JSON, and turning known errors into one sentence and an exit code. What a command has
to say is for its own module.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from lakehouse.errors import LakehouseError
from lakehouse.text import cleaned, plain

OK, FAILED, IMBALANCED, HELD, INTERRUPTED = 0, 1, 2, 3, 130

_WIDTH_OF_A_FILE = 200
_JSON = "lakehouse.json"


def _remembered(context: typer.Context, value: bool) -> bool:  # noqa: FBT001 - as typer calls it
    context.meta[_JSON] = value
    return value


JsonFlag = Annotated[
    bool,
    typer.Option(
        "--json",
        callback=_remembered,
        is_eager=True,  # so that it is known when another option is refused
        help="Print JSON for programs instead of tables for people.",
    ),
]


class CommandError(LakehouseError):
    """The words of a command do not go together; the message says why and what to do."""

    code = "usage"


class Commands(TyperGroup):
    """A group of commands whose expected errors are one sentence on stderr and exit code 1, not a traceback.

    With ``--json`` the sentence is on stdout, too: ``{"error": "..."}``.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not _is_expected(error):
                raise
            sentence = cleaned("; ".join(filter(None, (str(error), getattr(error, "hint", "")))))
            err().print(f"[red]error:[/] {escape(sentence)}", soft_wrap=True)
            if ctx.meta.get(_JSON):
                print_json({"error": sentence})
            raise typer.Exit(FAILED) from error


def _is_expected(error: Exception) -> bool:
    return isinstance(error, (LakehouseError, OSError))


def group(help_text: str) -> typer.Typer:
    """Return an empty group of commands."""
    return typer.Typer(
        cls=Commands,
        help=help_text,
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,  # what is not expected is a defect, and its plain traceback the report
    )


def out() -> Console:
    """Return the console for results, on stdout as it is now."""
    return _console(stderr=False)


def err() -> Console:
    """Return the console for progress, notes and errors."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH_OF_A_FILE
    return console


def table(*columns: str, title: str | None = None) -> Table:
    """Return an empty table for people; a column that starts with ``#`` holds numbers."""
    made = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for place, name in enumerate(columns):
        is_number = name.startswith("#")
        made.add_column(
            name.removeprefix("#"), justify="right" if is_number else "left", no_wrap=is_number or place == 0
        )
    return made


def number(value: float | None) -> str:
    """Return a count as people read it."""
    return "" if value is None else f"{value:,}"


def how_many(many: int, what: str) -> str:
    """Return a count with the word for what is counted: ``1 row``, ``2 rows``."""
    return f"{number(many)} {what}{'' if many == 1 else 's'}"


def span(days: Sequence[object]) -> str:
    """Return the first and the last of some sorted days."""
    if not days:
        return ""
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def time_of(text: str) -> dt.datetime:
    """Return the time that --as-of gives, in UTC unless it has an offset."""
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--as-of {text}: give a time like 2024-01-31T18:00 or 2024-01-31T18:00+01:00") from None
    return given if given.tzinfo else given.replace(tzinfo=dt.UTC)


def print_json(value: object) -> None:
    """Print a value as JSON: amounts as text, so that they stay exact, and times in ISO 8601."""
    typer.echo(json.dumps(plain(value), ensure_ascii=False, indent=2))
