"""What the rules of a contract cost: the same days published with them and without any, in turn in one process.

Bronze to silver of generated invoice lines: typing, keys, duplicates, the audit's counting, the commit, quarantine and
ledger are there either way. With rules, customers and products are there to be looked up, and the days lie a week
apart, so that each is compared with those before it.

    python -m bench.rules [--rows 5000000] [--json]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from bench.backfill import ROWS_PER_DAY, lines_of_day
from lakehouse.contracts.contract import Contract, column, columns_of
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from lakehouse.ingestion.bronze_rows import bronze_layout
from lakehouse.publication.publish import publish_received
from lakehouse_assets.bronze.transactions import transactions as bronze
from lakehouse_assets.silver.customers import customers
from lakehouse_assets.silver.products import products
from lakehouse_assets.silver.transactions import transactions

START = dt.date(2026, 1, 5)
WITH, WITHOUT = "with rules", "without rules"


def without_rules(contract: type[Contract]) -> type[Contract]:
    """Return a contract of the same columns that asks nothing of them."""
    columns = columns_of(contract)
    body = {own.name: column(own.description, nullable=True) for own in columns}
    return type("WithoutRules", (Contract,), {**body, "__annotations__": {own.name: own.type for own in columns}})


def measured(rows: int) -> dict[str, dict[str, float]]:
    """Publish the same days on both terms, the one first and then the other, and return what each cost."""
    bare = replace(
        transactions.terms,
        name="silver.without_rules",
        contract=without_rules(transactions.terms.contract),
        policy=replace(transactions.terms.policy, event_time=None),
    )
    terms = {WITH: transactions.terms, WITHOUT: bare}
    found = {name: {"wall_s": 0.0, "cpu_s": 0.0} for name in terms}
    with tempfile.TemporaryDirectory(prefix="lakehouse-bench-") as root:
        engine = SailEngine(root)
        _look_ups(engine)
        for place, day in enumerate(_landed(engine, rows)):
            for name in sorted(terms, reverse=place % 2 == 1):
                wall, cpu = time.monotonic(), time.process_time()
                _publish(engine, terms[name], day)
                found[name]["wall_s"] += time.monotonic() - wall
                found[name]["cpu_s"] += time.process_time() - cpu
    found["ratio"] = {figure: found[WITH][figure] / found[WITHOUT][figure] for figure in found[WITH]}
    return found


def _publish(engine: SailEngine, terms: TableSpec, day: dt.date) -> None:
    frame = engine.read(f"bronze.{bronze.name}", Predicate("business_date", (day,)))
    result = publish_received(engine, terms, transactions.transform, frame, [day], run_id="bench")
    if result.held:
        raise RuntimeError(f"{terms.name} {result.held}")


def _landed(engine: SailEngine, rows: int) -> Iterator[dt.date]:
    """Write days of bronze rows, and a first small one that is published unmeasured, to have everything started."""
    layout = bronze_layout(bronze.source)
    for week, size in enumerate([1000, *[min(rows, ROWS_PER_DAY)] * max(1, rows // ROWS_PER_DAY)]):
        day = START + dt.timedelta(weeks=week)
        lines = lines_of_day(day, size)
        about = {
            "source_file": pa.repeat(f"transactions/{day}.csv", size),
            "data_source": pa.repeat(bronze.name, size),
            "source_version": pa.repeat("v1", size),
            "source_record": pa.array(range(1, size + 1)),
            "landing_date": pa.repeat(pa.scalar(day), size),
            "business_date": pa.repeat(pa.scalar(day), size),
            "batch_id": pa.repeat(pa.scalar(week, pa.int64()), size),
        }
        columns = {**{name: lines.column(name) for name in lines.schema.names}, **about}
        table = pa.table({own.name: columns.get(own.name, pa.nulls(size, own.type)) for own in layout.schema})
        engine.append(layout, table.cast(layout.schema))
        del lines, columns, table
        if week:
            yield day
        else:
            _publish(engine, transactions.terms, day)


def _look_ups(engine: SailEngine) -> None:
    """Write the customers and products of the generated lines."""
    keys = [
        (customers, pa.array(range(12_000, 17_000))),
        (products, pa.array(range(20_000, 24_000)).cast(pa.string())),
    ]
    for table, values in keys:
        schema, key = table.terms.layout.schema, table.terms.policy.key[0]
        rows = {own.name: pa.nulls(len(values), own.type) for own in schema}
        rows |= {key: values, "business_date": pa.repeat(pa.scalar(START), len(values))}
        where = Predicate("business_date", (START,))
        engine.publish(table.terms.layout, pa.table(rows).cast(schema), where)


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measured(arguments.rows)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{'':16}{'wall s':>10}{'CPU s':>10}")
    for name, figures in found.items():
        print(f"{name:16}{figures['wall_s']:>10.2f}{figures['cpu_s']:>10.2f}")


if __name__ == "__main__":
    main()
