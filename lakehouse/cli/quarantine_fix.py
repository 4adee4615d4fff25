"""`lakehouse quarantine fix`: corrections of rejected records, judged before they are kept.

Belongs here: from what a person asks to decisions that would let their rows pass. What a fix does to a day is
``lakehouse.quarantine.decisions``' matter; days are made again by ``replaying``.
"""

from __future__ import annotations

import csv
import getpass
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from lakehouse.catalog.reader import Catalog
from lakehouse.cli.console import FAILED, OK, CommandError, JsonFlag, how_many, number, out, print_json, table
from lakehouse.corrections.rows import Selection, is_unread, quarantined, where_it_stands
from lakehouse.project import Lakehouse
from lakehouse.quarantine.decisions import FIX, Decision, RecordId, active_decisions, record_decisions
from lakehouse.settings import Settings

if TYPE_CHECKING:
    from lakehouse.engines.base import Engine
    from lakehouse.tables.declarations import ContractTable


def _why(reason: str) -> str:
    if not reason.strip():
        raise CommandError("--reason: say in a sentence why; it is kept with the decision")
    return reason


def _who(by: str | None) -> str:
    """Return who decides."""
    try:
        name = getpass.getuser() if by is None else by
    except (KeyError, OSError, ImportError):  # a user of a container may have a number only
        name = ""
    if not name.strip():
        raise CommandError("--by: say who decides; it is kept with the decision")
    return name


By = Annotated[
    str | None, typer.Option("--by", callback=_who, help="Who decides; the user of this machine unless said.")
]
Reason = Annotated[str, typer.Option(callback=_why, help="Why, in a sentence; it is kept with the decision.")]
Ids = Annotated[list[str] | None, typer.Option("--id", help="Only this row; may be given again. `show` tells ids.")]
Where = Annotated[
    str | None,
    typer.Option(help="Only rows for which this is true: SQL over quarantine's columns and those of the record."),
]
_ABOUT = ("id", "source_file", "source_record")


@dataclass(frozen=True)
class Correction:
    """A fix that is asked for, and what would become of its row.

    Attributes:
        row: the row of quarantine.
        decision: the fix, earlier ones of the same record included.
        rules: the rules the row would still break; none if it would pass.
    """

    row: Mapping[str, Any]
    decision: Decision
    rules: tuple[str, ...]


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
    table_name: Annotated[str | None, typer.Option("--table", help="Only rows for this table.")] = None,
    day: Annotated[str | None, typer.Option(help="Only this business date: yyyy-mm-dd.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only rows that broke this rule.")] = None,
    ids: Ids = None,
    where: Where = None,
    by: By = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would pass.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Correct rejected records, for `lakehouse quarantine replay` to publish them. Neither file nor bronze is edited.

    Each row is judged by the contract as it is now; a correction after which its row would pass is kept, others are
    not, and the exit code is 1. Columns are named as in the landing file, or as in the contract.

    * `lakehouse quarantine fix --table silver.transactions --where "Quantity = 'six'" --set Quantity=6 --reason typed`
    * `lakehouse quarantine fix --id 3f2a9c01b7de --set country=France --reason "asked the shop" --dry-run`
    * `lakehouse quarantine fix --file fixes.csv --reason "list of 4 March"`
    """
    if bool(sets) == (file is not None):
        raise CommandError("say what to correct: either --set column=value, or --file fixes.csv")
    settings = Settings.load()
    lake = Catalog(settings.root)
    if file is not None:
        asked = _of_file(lake, file)
    else:
        selection = Selection(table_name, day, rule, ids or (), where, sources=sources_of_all() if where else ())
        if selection.is_everything:
            raise CommandError("say which rows: --id, --where, --rule, --day or --table")
        pairs = [_pair(each) for each in sets or ()]
        _refuse_twice([name for name, _ in pairs], "--set")
        values = dict(pairs)
        asked = [(row, values) for row in quarantined(lake, selection)]
    if not asked:
        raise CommandError("no open row is meant by that; `lakehouse quarantine show` shows them")
    corrections = judged_corrections(engine_of(settings), asked, reason, by or getpass.getuser())
    passing = [each.decision for each in corrections if not each.rules]
    if passing and not dry_run:
        record_decisions(engine_of(settings), passing)
    if as_json:
        print_json({"fixes": [_as_data(each) for each in corrections], "kept": 0 if dry_run else len(passing)})
    else:
        _print(corrections, kept=not dry_run)
    raise typer.Exit(OK if len(passing) == len(corrections) else FAILED)


def judged_corrections(
    engine: Engine, asked: Sequence[tuple[Mapping[str, Any], Mapping[str, str]]], reason: str, by: str
) -> list[Correction]:
    """Return the fixes asked for, each with the rules that its row would still break.

    Raises:
        CommandError: a column is unknown, or a record cannot be fixed that way.
    """
    from lakehouse.corrections.replay import revalidate

    corrections: dict[RecordId, Correction] = {}
    for name, of_table in _by_table(asked).items():
        made = contract_table(name)
        before = active_decisions(engine, name, sorted({row["business_date"] for row, _ in of_table})).records
        decisions = {}
        for row, values in of_table:
            earlier = before.get(RecordId.of(row))
            given = [(_source(made, column), value or None) for column, value in values.items()]
            _refuse_twice([source for source, _ in given], row["id"])
            corrected = {**(earlier.corrected if earlier else {}), **dict(given)}
            _refuse_hopeless(made, row, corrected)
            decisions[RecordId.of(row)] = Decision(FIX, name, RecordId.of(row), reason, by, corrected=corrected)
        (bronze,) = made.inputs.values()
        judged = revalidate(
            engine, made.terms, made.transform, bronze, list(decisions), proposed=list(decisions.values())
        )
        for row, _ in of_table:
            place = RecordId.of(row)
            gone = (f"{where_it_stands(row)} does not count any more",)
            corrections[place] = Correction(row, decisions[place], judged.get(place, gone))
    return list(corrections.values())


def contract_tables() -> dict[str, ContractTable]:
    """Return the silver tables that rows are rejected from, by name."""
    from lakehouse.tables.declarations import ContractTable

    return {
        name: made
        for name, made in Lakehouse.open().tables.items()
        if isinstance(made, ContractTable) and made.layer == "silver"
    }


def contract_table(name: str) -> ContractTable:
    """Return the silver table of a name.

    Raises:
        CommandError: there is none.
    """
    tables = contract_tables()
    if name not in tables:
        raise CommandError(f"there is no table {name} that rejects rows; there are {', '.join(tables)}")
    return tables[name]


def sources_of(made: ContractTable) -> dict[str, str]:
    """Return the received columns of a table, by the contract's columns that are typed from them."""
    from lakehouse.contracts.contract import columns_of

    return {column.name: column.source for column in columns_of(made.terms.contract) if column.source}


def sources_of_all() -> list[str]:
    """Return every received column there is, for conditions."""
    return list(dict.fromkeys(source for made in contract_tables().values() for source in sources_of(made).values()))


def engine_of(settings: Settings) -> Engine:
    """Return the engine that the settings name."""
    return Lakehouse.open(settings=settings).engine


def _by_table(
    asked: Iterable[tuple[Mapping[str, Any], Mapping[str, str]]],
) -> dict[str, list[tuple[Mapping[str, Any], Mapping[str, str]]]]:
    found = defaultdict(list)
    for row, values in asked:
        found[row["table_name"]].append((row, values))
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandError(f"--set {text}: give column=value, such as Quantity=6")
    return name, value


def _refuse_twice(names: Sequence[str], where: str) -> None:
    """Refuse two values for one column: which of them is meant?"""
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise CommandError(f"{where}: {twice} is given twice; give one value for each column")


def _source(made: ContractTable, column: str) -> str:
    """Return the received column that a person means: by its own name, or by the contract's."""
    sources = sources_of(made)
    by_lower = {source.lower(): source for source in sources.values()}
    found = by_lower.get(column.lower()) or sources.get(column)
    if found is None:
        raise CommandError(f"{made.full_name} receives no column {column}; there are {', '.join(sources.values())}")
    return found


def _refuse_hopeless(made: ContractTable, row: Mapping[str, Any], corrected: Mapping[str, str | None]) -> None:
    """Refuse what no fix can mend, with what to do instead."""
    if row["source_record"] is None:
        raise CommandError(
            f"{row['id']}: {row['source_file']} was refused as a whole, so that there is no record to correct; send a "
            "corrected file under the same name, or discard the row"
        )
    missing = [source for source in sources_of(made).values() if source not in corrected]
    if is_unread(row) and missing:
        raise CommandError(
            f"{row['id']}: {where_it_stands(row)} could not be read, so that a fix must give every column; missing: "
            f"{', '.join(missing)} (an empty value is one: --set {missing[0]}=)"
        )


def _of_file(lake: Catalog, path: Path) -> list[tuple[Mapping[str, Any], Mapping[str, str]]]:
    """Read a file of fixes: rows by id, or by file and record, and the columns to correct."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            columns, lines = list(reader.fieldnames or ()), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    _refuse_twice(columns, str(path))
    if "id" not in columns and not {"source_file", "source_record"} <= {*columns}:
        raise CommandError(f"{path} has no column id, nor source_file and source_record, to say which rows are meant")
    found = quarantined(lake, Selection())
    by_id = {row["id"]: row for row in found}
    by_record = {(row["source_file"], str(row["source_record"])): row for row in found}
    asked: list[tuple[Mapping[str, Any], Mapping[str, str]]] = []
    for place, line in enumerate(lines, start=2):
        named = line.get("id") or (line.get("source_file"), line.get("source_record"))
        row = by_id.get(str(named)) or by_record.get(named if isinstance(named, tuple) else ("", ""))
        if row is None:
            raise CommandError(f"{path} line {place}: no open row is {named}; `lakehouse quarantine show` shows them")
        cells = {name: line[name] or "" for name in columns if name not in _ABOUT}
        asked.append((row, cells if is_unread(row) else {name: text for name, text in cells.items() if text}))
    return asked


def _as_data(correction: Correction) -> dict[str, Any]:
    row = correction.row
    return {
        "id": row["id"],
        "table": row["table_name"],
        "business_date": row["business_date"],
        "source_file": row["source_file"],
        "source_record": row["source_record"],
        "corrected": dict(correction.decision.corrected),
        "passes": not correction.rules,
        "rules": list(correction.rules),
    }


def _print(corrections: Sequence[Correction], *, kept: bool) -> None:
    made = table("id", "where", "correction", "would")
    for each in corrections:
        values = ", ".join(f"{name}={value or ''}" for name, value in each.decision.corrected.items())
        verdict = f"[red]still break {escape(', '.join(each.rules))}[/]" if each.rules else "pass"
        made.add_row(each.row["id"], escape(where_it_stands(each.row)), escape(values), verdict)
    out().print(made)
    passing = sum(not each.rules for each in corrections)
    of_all = f"{number(passing)} of {how_many(len(corrections), 'row')}"
    if not kept:
        out().print(f"{of_all} would pass; nothing is kept (--dry-run).")
    elif passing:
        out().print(f"{of_all} would pass, for which the fix is kept; `lakehouse quarantine replay` publishes.")
    else:
        out().print("No row would pass, and nothing is kept.")
