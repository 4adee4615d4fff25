"""Accepting a proposal: two table files edited, and the rescued values moved into their columns by the next drain.

Belongs here: the order in which that is done, so that it can be interrupted anywhere. The intent is kept in the lake
before a file is touched, and a run without the new columns drops it; once the files are edited, any run completes it.
"""

from __future__ import annotations

import datetime as dt
import importlib
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakehouse.catalog.reader import Catalog
from lakehouse.errors import RequestError
from lakehouse.ingestion.manifest import ManifestFile, Refill
from lakehouse.schema_changes.findings import rescued_columns
from lakehouse.schema_changes.proposal import ColumnProposal, Proposal
from lakehouse.schema_changes.source_edits import Edit, bronze_file, with_bronze_column, with_silver_column
from lakehouse.text import cleaned


@dataclass(frozen=True)
class Acceptance:
    """What accepting columns of a proposal comes to.

    Attributes:
        edits: of table files; none where the columns are declared already.
        refill: the days to restate; None where no rescued value waits.
        rows: rows with rescued values of the columns, in ``files`` files.
    """

    source: str
    edits: Sequence[Edit]
    refill: Refill | None
    rows: int
    files: int


def plan(lake: Catalog, proposal: Proposal, columns: Sequence[ColumnProposal]) -> Acceptance:
    """Work out what is to be done for some columns of a proposal; nothing is changed.

    Raises:
        RequestError: the table files are not as the proposal takes them to be.
    """
    bronze = bronze_file(f"bronze.{proposal.source}")
    edits = _edits(bronze.table, proposal, columns)
    exact = bronze.landing_format == "JsonLinesFormat"
    rescued = rescued_columns(lake, proposal.source, exact_names=exact)
    waiting = [
        found
        for name, found in rescued.items()
        if any(name == each.column or (not exact and name.casefold() == each.column.casefold()) for each in columns)
    ]
    days = {day for found in waiting for day in found.days}
    landed = {day for found in waiting for day in found.landing_dates}
    if edits:  # of an interrupted acceptance, bronze may have the values and silver not the column
        for day, landing_date in _filled(lake, bronze.table, columns):
            days.add(day)
            landed.add(landing_date)
    names = [each.column for each in columns]
    refill = Refill(names, sorted(days), min(landed)) if days else None
    files = {file for found in waiting for file in found.files}
    return Acceptance(proposal.source, edits, refill, sum(found.rows for found in waiting), len(files))


def _edits(bronze: str, proposal: Proposal, columns: Sequence[ColumnProposal]) -> list[Edit]:
    """Return the edits of both files: bronze's first, for silver reads from it."""
    found = [_edited([(with_bronze_column, bronze, each.bronze) for each in columns])]
    typed = [each.silver for each in columns if each.silver is not None]
    if typed:
        if proposal.silver_table is None:
            raise RequestError("the proposal has lines for silver, but names no silver_table")
        found.append(_edited([(with_silver_column, proposal.silver_table, code) for code in typed]))
    return [edit for edit in found if edit is not None]


def _edited(steps: Sequence[tuple[Any, str, str]]) -> Edit | None:
    """Apply edits of one file one after the other."""
    first: Edit | None = None
    for add, table, code in steps:
        edit = add(table, code, first.after if first else None)
        if edit is not None:
            first = Edit(edit.path, first.before if first else edit.before, edit.after)
    return first


def _filled(lake: Catalog, bronze: str, columns: Sequence[ColumnProposal]) -> list[tuple[dt.date, dt.date]]:
    """Return business and landing dates of the rows that have values in columns that bronze has already."""
    there = (
        {name.casefold() for name in lake.open(bronze).schema().to_arrow().names} if bronze in lake.names() else set()
    )
    names = [each.column for each in columns if each.column.casefold() in there]
    if not names:
        return []
    any_value = " OR ".join(f'"{name}" IS NOT NULL' for name in names)
    sql = f"SELECT DISTINCT business_date, landing_date FROM {bronze} WHERE {any_value}"  # noqa: S608 - columns it has
    return [(row["business_date"], row["landing_date"]) for row in lake.rows(sql)]


def ask_and_edit(root: str, accepted: Acceptance) -> None:
    """Keep the intent in the lake, then edit the files; a drain does the rest. The caller holds the lake's lock.

    Raises:
        RequestError: a file is not any more as it was read, or the edited files cannot be imported; then they are put
            back as they were.
        OSError: a file cannot be written.
    """
    kept = ManifestFile(root, accepted.source)
    before = kept.read()
    if accepted.refill is not None:
        kept.write(f"accept-{uuid.uuid4()}", before.batches if before else [], accepted.refill)
    done: list[Edit] = []
    try:
        for edit in accepted.edits:
            _replace(edit.path, edit.before, edit.after)
            done.append(edit)
        for edit in accepted.edits:
            _imported(edit.path)
    except Exception as error:
        for edit in done:
            with suppress(RequestError):  # somebody has edited it since: that edit stays
                _replace(edit.path, edit.after, edit.before)
            _forget(edit.path)
        if before is None:
            kept.remove()
        else:
            kept.write(before.run_id, before.batches, before.refill)
        if isinstance(error, OSError | RequestError):
            raise
        named = ", ".join(f"{edit.path.parent.name}/{edit.path.name}" for edit in accepted.edits)
        raise RequestError(
            f"with the proposed lines {named} cannot be imported, so they are as they were: {cleaned(str(error))}"
        ) from error


def _replace(path: Path, before: str, text: str) -> None:
    """Give a file another text, at once, unless somebody else has given it one.

    Raises:
        RequestError: somebody has.
    """
    if path.read_text(encoding="utf-8") != before:
        raise RequestError(f"{path} was changed meanwhile and is left as it is; accept again")
    arriving = path.with_name(f".{path.name}.arriving")
    arriving.write_text(text, encoding="utf-8")
    arriving.chmod(path.stat().st_mode)
    arriving.replace(path)


def _module(path: Path) -> str:
    return f"lakehouse_assets.{path.parent.name}.{path.stem}"


def _forget(path: Path) -> None:
    """Have the next import read the file anew."""
    sys.modules.pop(_module(path), None)
    importlib.invalidate_caches()


def _imported(path: Path) -> None:
    """Import a table's file and build what it declares, as a drain does."""
    from lakehouse.tables.declarations import BronzeTable, ContractTable

    _forget(path)
    for declared in list(vars(importlib.import_module(_module(path))).values()):
        if isinstance(declared, BronzeTable):
            from lakehouse.ingestion.bronze_rows import bronze_layout

            bronze_layout(declared.source)
        elif isinstance(declared, ContractTable):
            _ = declared.terms.layout
