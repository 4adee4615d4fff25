"""The options that several `lakehouse quarantine` commands share."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer


def _user(by: str | None) -> str:
    """Return who decides; nobody where this machine has no name for its user."""
    try:
        return getpass.getuser() if by is None else by
    except (KeyError, OSError, ImportError):  # a user of a container may have a number only
        return ""


Table = Annotated[str | None, typer.Option("--table", help="Only rows for this table, such as silver.orders.")]
Day = Annotated[str | None, typer.Option(help="Only this business date: yyyy-mm-dd.")]
Rule = Annotated[str | None, typer.Option(help="Only rows that broke this rule, such as quantity:readable.")]
Status = Annotated[str, typer.Option(help="Only rows of this status: open, replayed, discarded, superseded; or all.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this row; may be given again. `show` lists ids.")]
Where = Annotated[
    str | None,
    typer.Option(help="Only rows for which this is true: SQL over quarantine's columns and those of the record."),
]
Reason = Annotated[str, typer.Option(help="Why, in a sentence; it is kept with the decision.")]
By = Annotated[
    str | None, typer.Option("--by", callback=_user, help="Who decides; the user of this machine unless said.")
]
