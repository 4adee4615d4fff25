"""Every table is the same on Spark as on the embedded engine: one scenario a table, whatever tables there are.

The scenario is a small shop in which every case of the silver tables' own tests occurs. Each table is made of what the
embedded engine makes of the tables before it, so that a difference is that table's own.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lakehouse.contracts.contract import arrow_schema
from lakehouse.contracts.row_outcome import DIGEST, DUPLICATE, OUTCOME, PUBLISHED, REFUSED
from lakehouse.engines.base import Engine
from lakehouse.engines.sail import SailEngine
from lakehouse.publication.digests import to_contract
from lakehouse.publication.validation import judge_received
from lakehouse.tables.declarations import BronzeTable, ContractTable, Scd2Table
from lakehouse_assets.definitions import find_tables
from tests.conftest import engine_at
from tests.frames import FAULTS, TEN_LINES, as_frame
from tests.lakehouse_assets.silver.test_clicks import EVENTS
from tests.lakehouse_assets.silver.test_customers import CHANGES as OF_CUSTOMERS
from tests.lakehouse_assets.silver.test_inventory import MOVEMENTS
from tests.lakehouse_assets.silver.test_products import CHANGES as OF_PRODUCTS
from tests.lakehouse_assets.silver.test_transactions import ODD
from tests.lakehouse_assets.world import DAYS, ENDINGS, content, record
from tests.scenario import day, drop, ingestion

TABLES = {table.full_name: table for table in find_tables()}
BRONZE = [name for name, table in TABLES.items() if isinstance(table, BronzeTable)]
MADE = [name for name, table in TABLES.items() if isinstance(table, ContractTable)]
CASES = {
    "clicks": EVENTS,
    "customers": OF_CUSTOMERS,
    "inventory": MOVEMENTS,
    "products": OF_PRODUCTS,
    "transactions": [*TEN_LINES, *[line for line, _ in (*FAULTS.values(), *ODD.values())]],
}
"""The records of each source that the tests of its silver table are about, all of them of 1 March 2011."""
UNREADABLE = {"csv": b'"1","2\n', "jsonl": b'{"a": 1\n[2]\n', "parquet": b""}
"""What follows them in their file and is no record."""
EARLY, LATE = DAYS[:2], [*DAYS[2:], day(1)]
ALIKE = {"gold.dim_products": {"is_deleted"}}
"""Columns in which nothing can differ: no record of a product says that it is gone."""


@pytest.fixture(scope="module")
def landing(tmp_path_factory) -> Path:
    """The files of the shop: the known records of each source, some of them twice, and many random ones."""
    folder = tmp_path_factory.mktemp("shop") / "landing"
    chance, numbers = random.Random(20111209), itertools.count(1000)  # noqa: S311 - a shop, no secret
    for source, ending in ENDINGS.items():
        for date in (*DAYS, day(1)):
            records = [record(chance, numbers, source, [date]) for _ in range(chance.randrange(10, 60))]
            known = [*CASES[source], *CASES[source][:3]] if date == day(1) else []
            key = f"{source}/{date}.{ending}"
            drop(folder, key, content(key, [*records, *known]) + (UNREADABLE[ending] if known else b""))
    return folder


class Shop:
    """The shop's tables, each made once by the embedded engine."""

    def __init__(self, landing: Path) -> None:
        """Take the files of the shop; nothing is made yet."""
        self.engine = SailEngine(str(landing.parent))
        self.bronze = cache(lambda name: taken_in(self.engine, landing, name))
        self.outcome = cache(lambda name: outcome(self.engine, name, self))

    def rows(self, name: str) -> pa.Table:
        """Return the rows of a table, of silver those that are published."""
        if name in BRONZE:
            return self.bronze(name)
        schema, found = arrow_schema(TABLES[name].terms.contract).remove_metadata(), self.outcome(name)
        if OUTCOME in found.column_names:
            found = found.filter(pc.equal(found.column(OUTCOME), PUBLISHED))
        return found.select(schema.names).cast(schema)

    def inputs(self, name: str) -> dict[str, pa.Table]:
        """Return the rows that a table is made from, by the parameters of its function.

        A table that goes on from its own rows is made for the late days, from what the early ones come to.
        """
        tables = TABLES[name].inputs
        found = {own: self.rows(other) for own, other in tables.items() if other != name}
        if found.keys() == tables.keys():
            return found
        (of_itself,) = tables.keys() - found.keys()
        none = arrow_schema(TABLES[name].terms.contract).empty_table()
        early, late = (
            {own: rows if _is_history(tables[own]) else _of(rows, days) for own, rows in found.items()}
            for days in (EARLY, LATE)
        )
        return {**late, of_itself: computed(self.engine, name, {**early, of_itself: none})}


def _is_history(name: str) -> bool:
    return isinstance(TABLES[name], Scd2Table)


def _of(rows: pa.Table, days: list) -> pa.Table:
    return rows.filter(pc.is_in(rows.column("business_date"), pa.array(days)))


def taken_in(engine: Engine, landing: Path, name: str) -> pa.Table:
    """Take in the files of a bronze table and return its rows."""
    ingestion(engine, landing, TABLES[name].source).run([*DAYS, day(1)], run_id="run")
    return engine.collect(engine.read(name))


def computed(engine: Engine, name: str, inputs: dict[str, pa.Table]) -> pa.Table:
    """Return what a table's function makes of its inputs."""
    table = TABLES[name]
    frames = {own: as_frame(engine, rows) for own, rows in inputs.items()}
    return engine.collect(to_contract(table.transform(**frames), table.terms.contract))


def outcome(engine: Engine, name: str, shop: Shop) -> pa.Table:
    """Return what a table is made of the shop: of silver each row, and what becomes of it."""
    if not name.startswith("silver."):
        return computed(engine, name, shop.inputs(name))
    table, (bronze,) = TABLES[name], shop.inputs(name).values()
    frame = as_frame(engine, bronze)
    others = lambda other: as_frame(engine, shop.rows(other))  # noqa: E731
    return engine.collect(
        judge_received(frame, table.transform, table.terms.contract, table.terms.policy, tables=others)
    )


def differing(one: pa.Table, other: pa.Table) -> tuple[list[str], list[str]]:
    """Return the rows that only one of two tables has, and those that only the other has."""
    found, expected = (Counter(map(repr, table.to_pylist())) for table in (one, other))
    return sorted((found - expected).elements()), sorted((expected - found).elements())


@pytest.fixture(scope="module")
def shop(landing) -> Shop:
    return Shop(landing)


@pytest.fixture
def spark(spark_url, lake_root, monkeypatch) -> Engine:
    """Spark, over a lake of its own."""
    monkeypatch.setenv("LAKEHOUSE_SPARK_URL", spark_url)
    return engine_at(str(lake_root), "spark")


@pytest.mark.parametrize("name", BRONZE)
def test_files_become_the_same_rows_of_bronze(shop, spark, landing, name):
    found, expected = (
        rows.drop_columns(["ingestion_timestamp"]) for rows in (taken_in(spark, landing, name), shop.bronze(name))
    )
    assert differing(found, expected) == ([], [])


@pytest.mark.parametrize("name", MADE)
def test_a_table_is_the_same_on_both_engines(shop, spark, name):
    assert differing(outcome(spark, name, shop), shop.outcome(name)) == ([], [])


@pytest.mark.parametrize("name", MADE)
def test_the_scenario_has_more_than_one_value_in_each_column(shop, name):
    rows = shop.rows(name)
    alike = {column for column in rows.column_names if len({*rows.column(column).to_pylist()}) < 2}
    assert alike == ALIKE.get(name, set())


@pytest.mark.parametrize("name", [name for name in MADE if name.startswith("silver.")])
def test_the_scenario_has_rows_of_each_outcome(shop, name):
    judged = shop.outcome(name)
    repeats = {DUPLICATE} if DIGEST not in judged.column_names else set()  # with a digest, the audit finds them
    assert {*judged.column(OUTCOME).to_pylist()} == {PUBLISHED, REFUSED} | repeats
