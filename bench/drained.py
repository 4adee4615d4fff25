"""A drain of some tables and all that they are made from, as a process of its own, for benchmarks.

python -m bench.drained gold.monthly_sales_summary gold.sales_by_region
"""

from __future__ import annotations

import argparse
import logging
import warnings
from collections.abc import Iterable

from lakehouse.orchestration.instance.home import open_instance
from lakehouse.orchestration.runner import run_until_idle
from lakehouse.settings import Settings
from lakehouse.tables.declarations import BronzeTable, ContractTable, Table
from lakehouse_assets.definitions import build_defs, find_tables


def with_inputs(names: Iterable[str]) -> list[Table]:
    """Return some tables, all that they are made from, and the quarantine."""
    every = {table.full_name: table for table in find_tables()}
    wanted, left = {"silver.quarantine"}, [*names]
    while left:
        table = every[left.pop()]
        if table.full_name not in wanted and isinstance(table, ContractTable):
            left += table.inputs.values()
        wanted.add(table.full_name)
    return [table for name, table in every.items() if name in wanted]


def main() -> None:
    """Drain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+")
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    settings, tables = Settings.load(), with_inputs(parser.parse_args().tables)
    sources = [table.source for table in tables if isinstance(table, BronzeTable)]
    with open_instance(settings.dagster_home) as instance:
        drained = run_until_idle(build_defs(settings, tables), settings, sources, instance)
    if drained.errors:
        raise RuntimeError("; ".join(map(str, drained.errors)))


if __name__ == "__main__":
    main()
