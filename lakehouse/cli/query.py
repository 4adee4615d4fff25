"""`lakehouse query`: SQL over the lake's tables, now or as they were."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lakehouse.catalog.reader import Catalog, qualified
from lakehouse.cli.console import CommandError, JsonFlag, err, out, table
from lakehouse.settings import Settings
from lakehouse.text import cell, plain

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SHOWN_ROWS = 100
_ROWS_AT_ONCE = 10_000
_READING = {"SELECT", "EXPLAIN", "MULTI"}  # DuckDB calls a PIVOT, which reads its columns first, MULTI


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
    if as_json and as_csv:
        raise CommandError("--json and --csv exclude each other")
    if version is not None and as_of is not None:
        raise CommandError("--version and --as-of exclude each other")
    lake = Catalog(Settings.load().root, version, _time(as_of))
    result = _execute(lake, lake.connect(sql), sql)
    names = [column[0] for column in result.description or ()]
    if as_json:
        _print_json(names, itertools.islice(_rows(result), limit))
    elif as_csv:
        _print_csv(names, itertools.islice(_rows(result), limit))
    else:
        _print_table(names, _rows(result), SHOWN_ROWS if limit is None else limit)


def _time(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--as-of {text}: give a time like 2024-01-31T18:00 or 2024-01-31T18:00+01:00") from None
    return given if given.tzinfo else given.replace(tzinfo=dt.UTC)


def _execute(lake: Catalog, connection: DuckDBPyConnection, sql: str) -> DuckDBPyConnection:
    import duckdb

    try:
        statements = connection.extract_statements(qualified(sql))
        if len(statements) != 1 or statements[0].type.name not in _READING:
            raise CommandError("give one statement that reads, such as SELECT; the tables are written by runs only")
        return connection.execute(statements[0])
    except duckdb.CatalogException as error:
        tables = ", ".join(lake.names()) or f"none yet under {lake.root}"
        raise CommandError(f"{_first_line(error)}. Tables: {tables}") from error
    except duckdb.Error as error:
        raise CommandError(str(error).strip()) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _rows(result: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    import duckdb

    try:
        while rows := result.fetchmany(_ROWS_AT_ONCE):
            yield from rows
    except duckdb.Error as error:
        raise CommandError(str(error).strip()) from error


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
