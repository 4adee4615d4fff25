"""Lineage is true: it covers every table, agrees with the contracts, and what it does not name makes no difference."""

from __future__ import annotations

import datetime as dt
import os
import random
import subprocess
import sys
from collections import Counter
from decimal import Decimal

import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812
import pytest
from pyspark.sql.pandas.types import to_arrow_schema

from lakehouse.contracts.contract import columns_of
from lakehouse.errors import RequestError
from lakehouse.ingestion.bronze_rows import METADATA
from lakehouse.lineage.columns import Lineage
from lakehouse.lineage.plan_walker import LineageError, TableColumn
from lakehouse.orchestration.asset_factory import asset_key
from lakehouse.tables.declarations import BronzeTable, ContractTable, Scd2Table
from lakehouse_assets.definitions import find_tables
from tests.conftest import engine_at
from tests.line import good_lines

LINEAGE = Lineage(find_tables())
DERIVED = [table for table in LINEAGE.tables.values() if isinstance(table, ContractTable)]
SILVER = [table for table in DERIVED if table.layer == "silver"]
ROWS = 100


def values(table, column):
    return {str(each) for each in LINEAGE.values(table)[column]}


@pytest.mark.parametrize("table", DERIVED, ids=lambda table: table.full_name)
def test_every_column_of_every_table_has_a_lineage_to_columns_that_exist(table):
    found = LINEAGE.of(table.full_name)
    assert list(found) == [column.name for column in columns_of(table.terms.contract)]
    inputs = {name: set(LINEAGE.values(name)) for name in [*table.inputs.values(), *referenced(table)]}
    for origin in found.values():
        assert origin.all <= {TableColumn(name, column) for name, columns in inputs.items() for column in columns}
    made_from = {each.table for origin in found.values() for each in origin.all}
    assert {*table.inputs.values()} <= made_from


def referenced(table):
    return [column.references.table for column in columns_of(table.terms.contract) if column.references]


@pytest.mark.parametrize("table", SILVER, ids=lambda table: table.full_name)
def test_a_column_with_a_source_is_made_from_that_source(table):
    (bronze,) = table.inputs.values()
    sourced = {
        column.name: {f"{bronze}.{column.source}"} for column in columns_of(table.terms.contract) if column.source
    }
    assert len(sourced) > 3
    assert {name: values(table.full_name, name) for name in sourced} == sourced


def test_a_key_made_from_many_columns_names_them_all():
    sent = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
    assert values("silver.transactions", "line_id") == {f"bronze.transactions.{name}" for name in sent}
    assert values("silver.transactions", "amount") == {"bronze.transactions.Quantity", "bronze.transactions.UnitPrice"}


def test_what_rules_and_keys_look_at_decides_which_rows_of_silver_there_are():
    rows = {str(each) for each in LINEAGE.of("silver.customers")["phone"].rows}
    assert {"bronze.customers.segment", "bronze.customers.updated_at", "bronze.customers.reject_reason"} <= rows
    assert "bronze.customers.city" not in rows


def test_bronze_is_made_from_landing_files_and_dated_by_their_column():
    assert values("bronze.transactions", "Quantity") == {"landing.transactions.Quantity"}
    assert values("bronze.transactions", "business_date") == {"landing.transactions.InvoiceDate"}
    assert values("bronze.transactions", "batch_id") == set()


def test_columns_made_from_a_column_are_found_in_every_table():
    made = LINEAGE.dependents(TableColumn("silver.transactions", "country"))
    by_values = {str(each) for each, origin in made.items() if ("silver.transactions", "country") in origin.values}
    assert "gold.sales_by_region.country" in by_values
    assert {"gold.sales_by_region.net_sales"} <= {str(each) for each in made} - by_values


def test_a_table_that_is_not_there_is_said_to_be_missing():
    with pytest.raises(LineageError, match=r"there is no table gold\.nothing"):
        LINEAGE.of("gold.nothing")


def test_a_column_leads_upstream_the_nearest_first_to_landing_files():
    found = LINEAGE.explore("gold.sales_by_region.net_sales")
    assert (found.table, found.column, found.downstream) == ("gold.sales_by_region", "net_sales", False)
    assert [str(each) for each in found.values] == [
        "gold.sales_by_region.net_sales",
        "silver.transactions.amount",
        "bronze.transactions.Quantity",
        "bronze.transactions.UnitPrice",
        "landing.transactions.Quantity",
        "landing.transactions.UnitPrice",
    ]
    deciding = found.rows[TableColumn("gold.sales_by_region", "net_sales")]
    assert [str(each) for each in deciding] == ["silver.transactions.business_date", "silver.transactions.country"]


def test_downstream_are_the_columns_that_a_change_touches_by_value_or_else_by_rows():
    start = TableColumn("landing.transactions", "Country")
    found = LINEAGE.explore(str(start), downstream=True)
    values, rows = [*map(str, found.values)], [*map(str, found.rows[start])]
    assert values[:2] == ["landing.transactions.Country", "bronze.transactions.Country"]
    assert {"silver.transactions.country", "silver.transactions.line_id", "gold.sales_by_region.country"} <= {*values}
    assert "gold.sales_by_region.net_sales" in rows
    assert not {*values} & {*rows}
    assert not [each for each in values + rows if each.startswith(("bronze.products", "silver.products"))]
    assert set(found.columns["gold.sales_by_region"]) >= {"country", "net_sales"}


def test_downstream_and_upstream_are_each_others_inverse():
    cost = TableColumn("bronze.products", "cost")
    touched = LINEAGE.explore(str(cost), downstream=True).values
    assert TableColumn("gold.fact_sales", "cost_amount") in touched
    assert all(cost in LINEAGE.explore(str(each)).values for each in touched)
    assert cost not in LINEAGE.explore("gold.fact_sales.amount").values


def test_a_table_is_explored_one_step_far():
    amount, country = TableColumn("silver.transactions", "amount"), TableColumn("silver.transactions", "country")
    behind, after = LINEAGE.explore("silver.transactions"), LINEAGE.explore("silver.transactions", downstream=True)
    assert [str(each) for each in behind.values[amount]] == [
        "bronze.transactions.Quantity",
        "bronze.transactions.UnitPrice",
    ]
    assert [each.column for each in behind.values] == LINEAGE.columns("silver.transactions")
    net_sales = TableColumn("gold.sales_by_region", "net_sales")
    assert net_sales in after.values[amount]
    assert net_sales in after.rows[country]


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("gold.sales_by_regions", "there is no table gold.sales_by_regions", "did you mean gold.sales_by_region"),
        ("gold.sales_by_region.netsales", "gold.sales_by_region has no column netsales", "did you mean net_sales"),
        ("transactions", "there is no table transactions", "did you mean "),
        (
            "gold.sales_by_region.zzz",
            "gold.sales_by_region has no column zzz",
            "there are business_date, country, orders",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_near_ones(name, message, hint):
    with pytest.raises(RequestError, match=message) as refused:
        LINEAGE.explore(name)
    assert refused.value.hint.startswith(hint)


def test_no_engine_is_started():
    code = (
        "import os, sys\n"
        "from lakehouse_assets.definitions import find_tables\n"
        "from lakehouse.lineage.columns import Lineage\n"
        "lineage = Lineage(find_tables())\n"
        "assert all(len(lineage.of(name)) for name in lineage.tables)\n"
        "assert 'SPARK_CONNECT_MODE_ENABLED' not in os.environ\n"
        "from pyspark import SparkContext\n"
        "print([name for name in ('pysail', 'deltalake') if name in sys.modules], SparkContext._gateway)\n"
    )
    fresh = {name: value for name, value in os.environ.items() if not name.startswith("SPARK_")}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=fresh)
    assert answer.stdout == "[] None\n"
    assert answer.stderr == ""


def test_the_newest_materialization_of_each_table_shows_the_columns_behind_its_own(line):
    line.land(1, *good_lines(1), *good_lines(9))
    line.land(4)
    assert line.run(1, 4).success  # reports the ninth of March, too, and before the others
    line.drain()
    for name in ("bronze.transactions", "silver.transactions", "gold.daily_sales_summary", "gold.weekly_sales_summary"):
        event = line.instance.get_latest_materialization_event(asset_key(name))
        found = event.asset_materialization.metadata["dagster/column_lineage"].value.deps_by_column
        shown = {column: {(*dep.asset_key.path, dep.column_name) for dep in deps} for column, deps in found.items()}
        values = LINEAGE.values(name).items()
        assert shown == {
            column: {(*each.table.split("."), each.column) for each in made} for column, made in values if made
        }


@pytest.mark.parametrize("rounds", [1, pytest.param(4, marks=pytest.mark.long)])
@pytest.mark.parametrize("table", DERIVED, ids=lambda table: table.full_name)
def test_columns_that_lineage_does_not_name_make_no_difference(table, lake_root, rounds):
    session = engine_at(str(lake_root), "sail").session()
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")  # noqa: T201 - which rows were made
    chance = random.Random(seed)  # noqa: S311 - a test's choice, not a secret
    given = {name: rows_of(LINEAGE.tables[name], chance) for name in table.inputs.values()}
    values, is_exact = LINEAGE.values(table.full_name), table.full_name in EXACT

    def outcome(inputs):
        frames = {parameter: session.createDataFrame(inputs[name]) for parameter, name in table.inputs.items()}
        rows = table.transform(**frames).select(*values).toArrow()
        return {name: Counter(map(str, rows.column(name).to_pylist())) for name in values}

    usual = outcome(given)
    assert all(sum(counted.values()) for counted in usual.values())
    differing = {}
    for name, rows in given.items():
        for column in rows.column_names:
            changes = [with_other_values(rows, column, key_of(name), chance) for _ in range(rounds + is_exact)]
            outcomes = [outcome({**given, name: changed}) for changed in changes]
            differing[name, column] = {each for each in usual for made in outcomes if made[each] != usual[each]}

    # Rules have no say here: silver's functions drop no row.
    named = values if table.layer == "silver" else {n: origin.all for n, origin in LINEAGE.of(table.full_name).items()}
    missed = [(each, made) for each, columns in differing.items() for made in columns if each not in named[made]]
    assert missed == []
    edges = {(each, made) for made, columns in values.items() for each in columns}
    unseen = {(each, made) for each, made in edges if made not in differing[each]}
    assert unseen != edges
    if is_exact:
        assert unseen == set()


EXACT = {"silver.customers", "silver.products", "silver.inventory", "gold.sales_by_product"}
"""Tables of which the random rows show that each column that lineage names does make a difference."""


def key_of(name):
    table = LINEAGE.tables[name]
    return table.terms.policy.key if isinstance(table, ContractTable) else ()


def rows_of(table, chance):
    """Return random rows of a table, of few values, so that they meet those of others; no two with one key."""
    if isinstance(table, BronzeTable):
        return received(table, chance)
    columns = columns_of(table.terms.contract)
    # Of a member one version: versions that overlap, as random ones would, are of no dimension.
    key = (table.history.natural_key,) if isinstance(table, Scd2Table) else table.terms.policy.key
    single = [name for name in table.terms.policy.key if name != table.partition_column]
    single = single if len(table.terms.policy.key) <= 2 else []
    rows = {}
    for number in range(ROWS):
        row = {column.name: a_value(column, chance) for column in columns}
        for column in columns:
            if column.name in single[-1:] and isinstance(column.type, T.StringType) and not choices(column):
                row[column.name] = f"{column.name} {number}"
        rows.setdefault(tuple(row[name] for name in key), row)
    schema = to_arrow_schema(T.StructType([T.StructField(c.name, c.type) for c in columns]), timezone="UTC")
    return pa.Table.from_pylist(list(rows.values()), schema=schema)


def received(table, chance):
    (silver,) = [each for each in SILVER if table.full_name in each.inputs.values()]
    typed = {column.source: column for column in columns_of(silver.terms.contract) if column.source}
    metadata = {name for name, _, _ in METADATA}
    schema = pa.schema(
        [*table.source.format.schema, *[(name, type_) for name, type_, _ in METADATA if name == "business_date"]]
    )
    rows = []
    for _ in range(ROWS):
        row = {"business_date": dt.date(2024, 1, chance.randint(1, 28))}
        for field in table.source.format.schema:
            if field.name in metadata or field.name not in typed:
                continue
            value = a_value(typed[field.name], chance)
            row[field.name] = as_text(value) if pa.types.is_string(field.type) else value
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=schema)


def as_text(value):
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    return None if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def choices(column):
    return next((arguments["allowed_values"] for check, arguments in column.checks if check == "isin"), None)


def a_value(column, chance):
    """Return one of a few values that a column may have."""
    if allowed := choices(column):
        return chance.choice(sorted(allowed))
    pools = {
        T.BooleanType: lambda: chance.random() < 0.5,
        T.StringType: lambda: f"{chance.choice('ABC')}1000{chance.randint(1, 2)}",
        T.DateType: lambda: dt.date(2024, 1, 1) + dt.timedelta(days=7 * chance.randint(0, 10)),
        T.TimestampType: lambda: dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=chance.randint(0, 1800)),
        T.DecimalType: lambda: Decimal(chance.randint(-4, 12)) / 4,
        T.DoubleType: lambda: chance.randint(-50, 50) / 8,
    }
    return pools.get(type(column.type), lambda: chance.randint(1, 5))()


def with_other_values(rows, column, key, chance):
    """Return rows with other values in a column: of a key in all of them, so that it stays one, else in most."""
    before = rows.column(column).to_pylist()
    pool = sorted({value for value in before if value is not None})
    after = [value if column not in key and chance.random() < 0.2 else other(value, pool) for value in before]
    place = rows.schema.get_field_index(column)
    return rows.set_column(place, rows.schema.field(column), pa.array(after, rows.schema.field(column).type))


def other(value, pool):
    if value is None:
        return None
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return pool[(pool.index(value) + 1) % len(pool)]
    if isinstance(value, dt.date):
        return value + dt.timedelta(days=40, hours=7)
    return value + 1
