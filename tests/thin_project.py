"""A lakehouse of few tables, for tests: a run of it costs a fifteenth of one of all tables.

Belongs here: one source with its silver table and one gold table, as an object and as a project for the command line.
"""

from __future__ import annotations

from pathlib import Path

from bench.drained import with_inputs
from lakehouse.project import Lakehouse
from lakehouse.settings import Settings
from tests.scenario import csv_bytes, drop, sale

TABLES = ("gold.sales_by_region",)
_DEFINITIONS = """
import dagster as dg

from lakehouse.settings import Settings
from lakehouse.tables.registry import find_tables
from lakehouse_assets import definitions


def build_defs(settings, tables=None):
    return definitions.build_defs(settings, find_tables(__package__) if tables is None else tables)


@dg.definitions
def defs():
    return build_defs(Settings.load())
"""


def thin_lakehouse(root: Path) -> Lakehouse:
    """Return the lakehouse at a root, with invoice lines in bronze and silver, and a day's sales by country."""
    return Lakehouse.open(settings=Settings(root=str(root), landing=f"{root}/landing"), tables=with_inputs(TABLES))


def write_thin_project(folder: Path) -> Path:
    """Write a project of these tables, for commands that are run in its folder."""
    package = folder / "thin_lakehouse"
    for layer in ("bronze", "silver", "gold"):
        (package / layer).mkdir(parents=True)
        (package / layer / "__init__.py").touch()
    for table in with_inputs(TABLES):
        declared = f"from lakehouse_assets.{table.full_name} import {table.name}\n\n__all__ = ['{table.name}']\n"
        (package / table.layer / f"{table.name}.py").write_text(declared)
    (package / "__init__.py").touch()
    (package / "definitions.py").write_text(_DEFINITIONS)
    (folder / "pyproject.toml").write_text('[tool.dagster]\nmodule_name = "thin_lakehouse.definitions"\n')
    return folder


def lines_of(day: str, count: int, **changed: str) -> list[dict[str, str]]:
    """Return invoice lines of a day, of 2.50 each unless changed."""
    return [
        sale(f"{day[-2:]}{number:04}", f"{day} 10:00:00", Quantity="1", UnitPrice="2.50") | changed
        for number in range(count)
    ]


def land(root: Path, name: str, lines: list[dict[str, str]]) -> Path:
    """Drop a file of invoice lines."""
    return drop(root / "landing", f"transactions/{name}", csv_bytes(lines))


def land_three_days(root: Path) -> None:
    """Drop a sound day, one with a duplicate and a rejected line, and one bad enough to be held."""
    land(root, "2024-01-01.csv", lines_of("2024-01-01", 3))
    second = lines_of("2024-01-02", 2)
    broken = sale("999999", "2024-01-02 11:00:00", Quantity="many", StockCode="")
    land(root, "2024-01-02.csv", [*second, second[0], broken])
    bad = [{**line, "InvoiceNo": f"B{line['InvoiceNo']}"} for line in lines_of("2024-01-03", 25, Quantity="x")]
    land(root, "2024-01-03.csv", [*lines_of("2024-01-03", 5), *bad])
