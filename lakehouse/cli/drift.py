"""`lakehouse drift`, `lakehouse contract propose`, `accept`: columns that came undeclared, and how they are taken."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import FAILED, HELD, OK, CommandError, JsonFlag, err, number, out, print_json, table
from lakehouse.cli.process import PROCESS
from lakehouse.project import Lakehouse
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from lakehouse.schema_changes.accept import Acceptance
    from lakehouse.schema_changes.proposal import Proposal

SourceOption = Annotated[str | None, typer.Option(help="Only this source, such as transactions.")]
_PROPOSAL = "proposal-{source}.yaml"


def drift(*, source: SourceOption = None, as_json: JsonFlag = False) -> None:
    """Show how the columns of landing files differ from those declared: new, missing, renamed and retyped ones.

    No value is lost by any of it: what is undeclared is kept in bronze's `rescued_data`, what cannot be read stands in
    quarantine. `lakehouse contract propose` says what could be declared.
    """
    PROCESS.only_reads()
    from lakehouse.schema_changes.findings import drifted

    found = [column for column in drifted(Catalog(Settings.load().root)) if source in {None, column.source}]
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
    from lakehouse.schema_changes.findings import drifted
    from lakehouse.schema_changes.proposal import as_yaml, propose

    lake = Catalog(Settings.load().root)
    drift_of_all = drifted(lake)
    asked = [source] if source else Lakehouse.open().source_names
    if source and source not in Lakehouse.open().source_names:
        raise CommandError(f"no source is called {source}: there are {', '.join(Lakehouse.open().source_names)}")
    found = {
        name: proposal
        for name in asked
        if (proposal := propose(lake, name, [column for column in drift_of_all if column.source == name]))
    }
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
            out().print(f"Review it, then: lakehouse contract accept {escape(str(file))}", soft_wrap=True)


def accept_columns(
    *,
    proposal_file: Annotated[Path, typer.Argument(metavar="PROPOSAL", help="A file that propose wrote.")],
    column: Annotated[list[str] | None, typer.Option(help="Only this column of it; may be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the edits, and change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Declare proposed columns: edit the two table files, and restate the days that have values for them.

    Tables are widened, not rewritten. The rows with rescued values are appended to bronze once more with the values in
    their column, and only the days of those rows are made anew in silver and gold. It can be interrupted anywhere:
    accept again, or `lakehouse run`, completes it.

    * `lakehouse contract accept proposal-transactions.yaml --dry-run`
    * `lakehouse contract accept proposal-transactions.yaml --column Channel`
    """
    from lakehouse.catalog.ledger_views import held_days
    from lakehouse.cli.progress import as_data, watched
    from lakehouse.cli.run import print_failures, print_held, print_notes
    from lakehouse.orchestration.run_lock import alone
    from lakehouse.schema_changes.accept import ask_and_edit, plan
    from lakehouse.schema_changes.proposal import read_proposal

    proposal = _chosen(read_proposal(proposal_file), column, proposal_file)
    settings = Settings.load()
    lake = Catalog(settings.root)
    if dry_run:
        accepted = plan(lake, proposal, proposal.columns)
        if as_json:
            print_json(_as_data(accepted))
            return
        for edit in accepted.edits:
            out().print(escape(edit.diff), soft_wrap=True)
        out().print(_sentence(accepted, "would be"), soft_wrap=True)
        return
    with alone(settings):
        accepted = plan(lake, proposal, proposal.columns)
        if not accepted.edits and accepted.refill is None:
            if as_json:
                print_json(_as_data(accepted))
            else:
                out().print("Nothing to do: the columns are declared, and no rescued value of them is left.")
            return
        begun = time.monotonic()
        ask_and_edit(settings.root, accepted)
        for edit in accepted.edits:
            err().print(f"edited {escape(str(edit.path))}", soft_wrap=True)
        with watched() as (progress, should_stop):
            drained = Lakehouse.open(settings=settings).runner.run(progress=progress, should_stop=should_stop)
    held = held_days(lake)
    if as_json:
        print_json({**_as_data(accepted), **as_data(drained), "held": held})
    else:
        print_held(held)
        print_notes(drained)
        print_failures(drained)
        out().print(_sentence(accepted, "were to be" if drained.errors else "are"), soft_wrap=True)
        runs = f"{len(drained.runs)} run{'' if len(drained.runs) == 1 else 's'} in {time.monotonic() - begun:.1f} s"
        out().print(f"{runs}. See the edits: `git diff`. {_next(failed=bool(drained.errors))}")
    raise typer.Exit(FAILED if drained.errors else HELD if held else OK)


def _chosen(proposal: Proposal, names: list[str] | None, file: Path) -> Proposal:
    """Return a proposal of only some columns.

    Raises:
        CommandError: it has no such column, or none at all.
    """
    there = [each.column for each in proposal.columns]
    unknown = sorted(set(names or []) - set(there))
    if unknown or not there:
        has = f"columns {', '.join(there)}" if there else "no columns to accept"
        raise CommandError(f"{file} has {has}" + (f", not {', '.join(unknown)}" if unknown else ""))
    return replace(proposal, columns=[each for each in proposal.columns if not names or each.column in names])


def _as_data(accepted: Acceptance) -> dict[str, Any]:
    return {
        "source": accepted.source,
        "edited": [str(edit.path) for edit in accepted.edits],
        "diff": "".join(edit.diff for edit in accepted.edits),
        "columns": accepted.refill.columns if accepted.refill else [],
        "business_dates": accepted.refill.business_dates if accepted.refill else [],
        "rows": accepted.rows,
        "files": accepted.files,
    }


def _sentence(accepted: Acceptance, verb: str) -> str:
    if accepted.refill is None:
        return "No rescued value waits for these columns."
    columns = ", ".join(accepted.refill.columns)
    days = len(accepted.refill.business_dates)
    return (
        f"{escape(columns)}: rescued values of {accepted.rows:,} rows of {accepted.files:,} files "
        f"{verb} in their column; {days:,} day{'' if days == 1 else 's'} {verb} restated."
    )


def _next(*, failed: bool) -> str:
    if failed:
        return "Something failed; mend the cause and `lakehouse run`, which completes it. Nothing is lost."
    return "All other days are untouched."
