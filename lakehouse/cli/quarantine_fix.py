"""`lakehouse quarantine fix`: corrections of rejected records, validated before they are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.cli.console import FAILED, OK, CommandError, JsonFlag, how_many, number, out, print_json, table
from lakehouse.cli.quarantine_options import By, Day, Ids, Reason, Rule, Table, Where
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    from lakehouse.corrections.fixes import Correction


def fix(  # noqa: PLR0913 - its options
    *,
    reason: Reason,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="column=value; may be given again. An empty value takes the value away."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A CSV file: `id`, or `source_file` and `source_record`; then columns. Empty: unchanged."),
    ] = None,
    table_name: Table = None,
    day: Day = None,
    rule: Rule = None,
    ids: Ids = None,
    where: Where = None,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would pass.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Correct rejected records, for `lakehouse quarantine replay` to publish them. Neither file nor bronze is edited.

    Each row is validated by the contract as it is now. A correction is kept if its row would pass with it; if any would
    not, the exit code is 1. Columns are named as in the landing file, or as in the contract.

    * `lakehouse quarantine fix --table silver.transactions --where "Quantity = 'six'" --set Quantity=6 --reason typed`
    * `lakehouse quarantine fix --id 3f2a9c01b7de --set country=France --reason "asked the shop" --dry-run`
    * `lakehouse quarantine fix --file fixes.csv --reason "list of 4 March"`
    """
    from lakehouse.corrections.fixes_file import read_fixes
    from lakehouse.corrections.rows import Selection

    if bool(sets) == (file is not None):
        raise CommandError("say what to correct: either --set column=value, or --file fixes.csv")
    quarantine = Lakehouse.open().quarantine
    if file is not None:
        result = quarantine.fix_each(read_fixes(file), reason=reason, by=by or "", dry_run=dry_run)
    else:
        selection, values = Selection(table_name, day, rule, ids or (), where), _values(sets or ())
        result = quarantine.fix(selection, values, reason=reason, by=by or "", dry_run=dry_run)
    if as_json:
        print_json({"fixes": [_as_data(each) for each in result.corrections], "kept": result.kept})
    else:
        _print(result.corrections, kept=not dry_run)
    raise typer.Exit(OK if all(each.passes for each in result.corrections) else FAILED)


def _values(sets: Sequence[str]) -> dict[str, str | None]:
    """Return the values that --set gives, by column."""
    pairs: list[tuple[str, str | None]] = []
    for text in sets:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise CommandError(f"--set {text}: give column=value, such as Quantity=6")
        pairs.append((name, value))
    twice = next((name for name, times in Counter(name for name, _ in pairs).items() if times > 1), None)
    if twice is not None:
        raise CommandError(f"--set: {twice} is given twice; give one value for each column")
    return dict(pairs)


def _as_data(correction: Correction) -> dict[str, Any]:
    row = correction.row
    return {
        "id": row.id,
        "table": row.table_name,
        "business_date": row.business_date,
        "source_file": row.source_file,
        "source_record": row.source_record,
        "corrected": correction.decision.corrected,
        "passes": correction.passes,
        "rules": correction.rules,
    }


def _print(corrections: Sequence[Correction], *, kept: bool) -> None:
    shown = table("id", "where", "correction", "would")
    for each in corrections:
        values = ", ".join(f"{name}={value or ''}" for name, value in each.decision.corrected.items())
        verdict = "pass" if each.passes else f"[red]still break {escape(', '.join(each.rules))}[/]"
        shown.add_row(each.row.id, escape(each.row.position), escape(values), verdict)
    out().print(shown)
    passing = sum(each.passes for each in corrections)
    of_all = f"{number(passing)} of {how_many(len(corrections), 'row')}"
    if not kept:
        out().print(f"{of_all} would pass; nothing is kept (--dry-run).")
    elif passing:
        out().print(f"{of_all} would pass, for which the fix is kept; `lakehouse quarantine replay` publishes.")
    else:
        out().print("No row would pass, and nothing is kept.")
