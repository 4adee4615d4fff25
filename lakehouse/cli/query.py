"""`lakehouse query`: SQL over the lake's tables, now or as they were."""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from lakehouse.cli.console import CommandError, JsonFlag, err, out, table, time_of
from lakehouse.cli.process import PROCESS
from lakehouse.project import Lakehouse
from lakehouse.text import cell, plain

SHOWN_ROWS = 100


def query(
    sql: Annotated[str, typer.Argument(help="One statement that reads; tables have names like silver.transactions.")],
    *,
    version: Annotated[int | None, typer.Option(help="Read every table named at this Delta version.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="Read every table named as it was then: ISO 8601, UTC unless it has an offset.")
    ] = None,
    as_json: JsonFlag = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
    limit: Annotated[int | None, typer.Option(min=0, help=f"Rows to print; {SHOWN_ROWS} in a table, else all.")] = None,
) -> None:
    """Ask the tables in SQL (DuckDB's), read-only. Every table under the root is there, `system.*` too.

    Amounts are exact: text in JSON, plain digits in CSV.

    * `lakehouse query "SELECT * FROM gold.daily_sales_summary ORDER BY business_date"`
    * `lakehouse query --csv "FROM silver.customers" > customers.csv`
    * `lakehouse query --as-of 2024-01-31T18:00 "SELECT sum(amount) FROM silver.transactions"`
    """
    PROCESS.only_reads()
    if as_json and as_csv:
        raise CommandError("--json and --csv exclude each other")
    if version is not None and as_of is not None:
        raise CommandError("--version and --as-of exclude each other")
    found = Lakehouse.open().cursor(sql, version=version, as_of=None if as_of is None else time_of(as_of))
    if as_json:
        _print_json(found.columns, itertools.islice(found, limit))
    elif as_csv:
        _print_csv(found.columns, itertools.islice(found, limit))
    else:
        _print_table(found.columns, iter(found), SHOWN_ROWS if limit is None else limit)


def _print_json(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    """Print an array with a row a line, as the rows come."""
    separator = "[\n"
    for row in rows:
        line = json.dumps(plain(dict(zip(names, row, strict=True))), ensure_ascii=False)
        sys.stdout.write(f"{separator}{line}")
        separator = ",\n"
    sys.stdout.write("[]\n" if separator == "[\n" else "\n]\n")


def _print_csv(names: list[str], rows: Iterator[tuple[Any, ...]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([cell(value) for value in row] for row in rows)


def _print_table(names: list[str], rows: Iterator[tuple[Any, ...]], limit: int) -> None:
    shown = list(itertools.islice(rows, limit))
    numeric = [bool(shown) and all(_is_number(row[place]) for row in shown) for place in range(len(names))]
    made = table(*[f"#{name}" if is_number else name for name, is_number in zip(names, numeric, strict=True)])
    for row in shown:
        made.add_row(*[cell(value) for value in row])
    out().print(made)
    if next(rows, None) is not None:
        err().print(f"The first {limit} rows; --limit shows more, --csv and --json all.")


def _is_number(value: object) -> bool:
    from decimal import Decimal

    return value is None or (isinstance(value, (int, float, Decimal)) and not isinstance(value, bool))
