"""A file of fixes: CSV, a line a row.

Rows are named by the column ``id``, or by ``source_file`` and ``source_record``; the other columns are named as
received or as in the contract, and an empty cell leaves a value as it is.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from lakehouse.corrections.fixes import Fix, refuse_twice
from lakehouse.errors import RequestError

_NAMES_A_ROW = ("id", "source_file", "source_record")


def read_fixes(path: Path) -> list[Fix]:
    """Return the fixes that a file holds.

    Raises:
        RequestError: it cannot be read, names a column twice, or does not say which rows are meant.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as opened:
            reader = csv.DictReader(opened)
            columns, lines = list(reader.fieldnames or ()), [(reader.line_num, line) for line in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{path} cannot be read: {error}") from error
    refuse_twice(columns, str(path))
    if "id" not in columns and not {"source_file", "source_record"} <= {*columns}:
        raise RequestError(
            f"{path} has no column id, nor source_file and source_record, which would say which rows are meant"
        )
    return [_fix(line, f"{path} line {number}") for number, line in lines]


def _fix(line: Mapping[str | None, str | None], origin: str) -> Fix:
    if None in line:
        raise RequestError(f"{origin} has more values than columns", hint="a value with a comma stands in quotes")
    values = {str(name): text or "" for name, text in line.items() if name not in _NAMES_A_ROW}
    row_id = line.get("id") or ""
    return Fix(
        values,
        id=row_id,
        source_file=line.get("source_file") or "",
        source_record=None if row_id else _record(line.get("source_record") or "", origin),
        keeps_empty=True,
        origin=origin,
    )


def _record(text: str, origin: str) -> int | None:
    try:
        return int(text) if text else None
    except ValueError:
        raise RequestError(f"{origin}: {text} is no number of a record") from None
