"""`lakehouse drift`, `lakehouse contract propose`, `accept`: columns that came undeclared, and how they are taken."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from lakehouse.cli.console import CommandError, JsonFlag, err, number, out, print_json, table
from lakehouse.cli.process import PROCESS
from lakehouse.project import Lakehouse

if TYPE_CHECKING:
    from lakehouse.schema_changes.accept import SchemaChange

SourceOption = Annotated[str | None, typer.Option(help="Only this source, such as transactions.")]
_PROPOSAL = "proposal-{source}.yaml"


def drift(*, source: SourceOption = None, as_json: JsonFlag = False) -> None:
    """Show how the columns of landing files differ from those declared: new, missing, renamed and retyped ones.

    No value is lost by any of it: what is undeclared is kept in bronze's `rescued_data`, what cannot be read stands in
    quarantine. `lakehouse contract propose` says what could be declared.
    """
    PROCESS.only_reads()
    found = Lakehouse.open().contracts.drift(source)
    if as_json:
        print_json([column.as_data() for column in found])
        return
    if not found:
        out().print("Every file has the columns that are declared.")
        return
    made = table("source", "drift", "values are", "such as", "#files", "#first", "#last")
    for column in found:
        where = "in rescued_data" if column.rescued else "null" if column.kind == "missing" else "in their column"
        if column.kind == "retyped":
            where = "in quarantine" if column.is_ is None else "in their column, or the file is refused"
        samples = ", ".join(column.samples)
        made.add_row(
            column.source,
            escape(column.sentence.partition(" in ")[0]),
            where,
            escape(samples),
            number(len(column.files)),
            str(column.first),
            str(column.last),
        )
    out().print(made)


def propose_columns(
    *,
    source: SourceOption = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write here; by default proposal-SOURCE.yaml, and '-' is stdout.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Propose contract lines for columns that came undeclared, as a file to review. Nothing is changed by it.

    * `lakehouse contract propose`
    * `lakehouse contract propose --source transactions --out channel.yaml`
    """
    from lakehouse.schema_changes.proposal import as_yaml

    found = Lakehouse.open().contracts.propose(source)
    if as_json:
        print_json(list(found.values()))
        return
    if not found:
        out().print("Nothing to propose: every file has the columns that are declared.")
        return
    if out_file is not None and len(found) > 1 and str(out_file) != "-":
        raise CommandError(f"{', '.join(found)} have drifted, and a proposal is about one: add --source")
    for name, proposal in found.items():
        file = out_file or Path(_PROPOSAL.format(source=name))
        text = as_yaml(proposal, str(file))
        if str(file) == "-":
            typer.echo(text)
            continue
        file.write_text(text, encoding="utf-8")
        columns = [column["column"] for column in proposal["columns"]]
        what = f"new columns {', '.join(columns)}" if columns else "nothing to declare, but what else has drifted"
        out().print(f"{escape(str(file))}: {escape(what)}; touches {', '.join(proposal['touches'])}", soft_wrap=True)
        if columns:
            out().print(f"Review it, then: lakehouse contract accept {escape(str(file))} | git apply", soft_wrap=True)


def accept_columns(
    *,
    proposal_file: Annotated[Path, typer.Argument(metavar="PROPOSAL", help="A file that propose wrote.")],
    column: Annotated[list[str] | None, typer.Option(help="Only this column of it; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Changes nothing: accept never writes.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Print the patch of the two table files that declares proposed columns. Nothing is written.

    Apply it and commit it. The next `lakehouse run` finds the columns declared: it appends the rows with rescued values
    to bronze once more, with the values in their column, and restates only the days of those rows. Tables are widened,
    not rewritten.

    * `lakehouse contract accept proposal-transactions.yaml`
    * `lakehouse contract accept proposal-transactions.yaml --column Channel | git apply`
    """
    del dry_run  # it was once needed to change nothing
    change = Lakehouse.open().contracts.accept(proposal_file, column or ())
    if as_json:
        print_json({**vars(change), "edited": []})
        return
    typer.echo(change.diff, nl=False)
    err().print(escape(_sentence(change)), soft_wrap=True)


def _sentence(change: SchemaChange) -> str:
    """Return what is left to do, for people; the patch alone is on the standard output."""
    if not change.diff and not change.columns:
        return "Nothing to do: the columns are declared, and bronze has them."
    first = "Apply the patch with `git apply`. " if change.diff else "The columns are declared. "
    if not change.columns:
        return f"{first}No rescued value waits for these columns."
    days = len(change.business_dates)
    return (
        f"{first}Then `lakehouse run` moves the rescued values of {change.rows:,} rows of {change.files:,} files into "
        f"{', '.join(change.columns)} and restates {days:,} day{'' if days == 1 else 's'}."
    )
