"""Clustered tables: what Spark does with them, and that no other engine gets hold of one."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from lakehouse.delta.model import TableError, TableLayout, Token
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from lakehouse.engines.spark import SparkEngine
from tests.scenario import day
from tests.spark_servers import in_one_task

SCHEMA = pa.schema(
    [
        pa.field("business_date", pa.date32(), nullable=False),
        ("shop", pa.string()),
        ("quantity", pa.int32()),
        ("price", pa.decimal128(18, 3)),
    ]
)
SALES = TableLayout("gold.sales", SCHEMA, (), description="What's sold.", cluster_by=("business_date", "shop"))
ONLY_SPARK = r"gold\.sales is clustered, and only Spark writes such a table: set LAKEHOUSE_ENGINE=spark, or declare it"


def table(*rows, schema: pa.Schema = SCHEMA) -> pa.Table:
    filled = [(*row, *[None] * (len(schema) - len(row))) for row in rows]
    return pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in filled], schema=schema)


def on(*numbers: int) -> Predicate:
    return Predicate("business_date", tuple(day(number) for number in numbers))


def rows(engine, **pinned) -> list[tuple]:
    """The first three columns of all rows, sorted."""
    found = engine.collect(engine.read("gold.sales", **pinned)).to_pylist()
    return sorted((row["business_date"], row["shop"], row["quantity"]) for row in found)


@pytest.fixture
def spark(lake_root, spark_url) -> SparkEngine:
    """The engine that writes clustered tables."""
    engine = SparkEngine(str(lake_root), spark_url)
    in_one_task(engine.session())
    return engine


def test_a_table_has_either_partitions_or_clusters():
    with pytest.raises(TableError, match=r"gold\.sales has partitions and clusters; a Delta table has either"):
        replace(SALES, partition_by=("business_date",))


def test_the_embedded_engine_refuses_to_make_a_clustered_table(lake_root):
    sail = SailEngine(str(lake_root))
    for write in (
        lambda: sail.publish(SALES, table((day(1), "a", 1)), on(1)),
        lambda: sail.append(SALES, table((day(1), "a", 1))),
        lambda: sail.merge(SALES, table((day(1), "a", 1)), ["shop"]),
    ):
        with pytest.raises(TableError, match=ONLY_SPARK):
            write()
    assert not (lake_root / "gold").exists()


def test_a_clustered_table_has_the_features_that_takes_and_the_embedded_engine_refuses_it(spark, lake_root):
    spark.publish(SALES, table((day(1), "a", 1)), on(1))
    sail, plain = SailEngine(str(lake_root)), replace(SALES, cluster_by=())
    for use in (
        lambda: sail.read("gold.sales"),
        lambda: sail.version("gold.sales"),
        lambda: sail.publish(plain, table((day(1), "b", 1)), on(1)),
        lambda: sail.optimize("gold.sales"),
        lambda: sail.vacuum("gold.sales"),
        lambda: sail.describe("gold.sales"),
    ):
        with pytest.raises(TableError, match=ONLY_SPARK):
            use()
    assert rows(spark) == [(day(1), "a", 1)]
    found = spark.describe("gold.sales")
    assert found.features == ("appendOnly", "clustering", "domainMetadata", "invariants")
    assert (found.protocol, found.partition_columns, found.description) == ((1, 7), (), "What's sold.")
    assert found.columns.names == SCHEMA.names
    assert not found.columns.field("business_date").nullable


def test_a_clustered_table_is_published_merged_and_widened_like_any_other(spark):
    assert spark.version("gold.sales") is None
    first = spark.publish(SALES, table((day(1), "a", 1), (day(2), "b", 2), (day(3), None, 3)), on(1, 2, 3))
    assert first == 1
    spark.publish(SALES, table((day(2), "b", 20)), on(2), metadata={"run_id": "some"})
    assert rows(spark, version=first)[1] == (day(2), "b", 2)
    with pytest.raises(TableError, match=r"gold\.sales"):
        spark.publish(SALES, table((day(3), "c", 1)), on(2))
    spark.merge(SALES, table((day(1), "a", 10), (day(4), "d", 4)), ["shop"])
    wider = replace(SALES, schema=SCHEMA.append(pa.field("colour", pa.string())))
    spark.publish(wider, table((day(5), "e", 5, None, "red"), schema=wider.schema), on(5))
    found = spark.collect(spark.read("gold.sales")).to_pylist()
    assert sorted((row["shop"] or "", row["quantity"], row["colour"]) for row in found) == [
        ("", 3, None),
        ("a", 10, None),
        ("b", 20, None),
        ("d", 4, None),
        ("e", 5, "red"),
    ]
    assert [commit.metadata.get("run_id") for commit in spark.history("gold.sales")].count("some") == 1


def test_a_day_without_rows_and_a_token_of_none_are_committed(spark):
    nothing = spark.publish(SALES, table(), on(1), metadata={"run_id": "some"})
    assert spark.version("gold.sales") == nothing == 1
    assert spark.history("gold.sales")[0].metadata["run_id"] == "some"
    assert spark.append(SALES, table(), token=Token("some", 7)) == 2
    assert spark.last_token("gold.sales", "some") == 7
    assert spark.append(SALES, table((day(1), "a", 1)), token=Token("some", 7)) is None
    spark.publish(SALES, table((day(1), "a", 1)), on(1))
    assert rows(spark) == [(day(1), "a", 1)]


def test_an_optimization_clusters_what_is_new_and_nothing_else(spark, lake_root):
    often = replace(SALES, properties={"delta.checkpointInterval": "4"})
    for number in (1, 2):
        spark.append(often, table((day(number), "a", number), (day(9 - number), "b", number)))
    before = [(day(1), "a", 1), (day(2), "a", 2), (day(7), "b", 2), (day(8), "b", 1)]
    done = spark.optimize("gold.sales", metadata={"run_id": "tonight"})
    assert done.files[0] >= 2
    assert (done.files[1], done.version) == (1, 3)
    assert spark.optimize("gold.sales").version == 3
    assert rows(spark) == before
    log = DeltaTable(lake_root / "gold" / "sales")
    assert log.history(1)[0]["operationParameters"]["clusterBy"] == '["business_date","shop"]'
    for number in (5, 6):  # past a checkpoint, which must keep by what the table is clustered
        spark.append(often, table((day(number), "c", number)))
    assert list((lake_root / "gold" / "sales" / "_delta_log").glob(f"{4:020}.checkpoint*"))
    done = spark.optimize("gold.sales")
    assert done.files[0] >= 2
    assert DeltaTable(lake_root / "gold" / "sales").history(1)[0]["operationParameters"]["clusterBy"] != "[]"
    assert rows(spark) == sorted([*before, (day(5), "c", 5), (day(6), "c", 6)])
    with pytest.raises(TableError, match=r"gold\.sales is clustered and has an order of its own"):
        spark.optimize("gold.sales", zorder=["shop"])
