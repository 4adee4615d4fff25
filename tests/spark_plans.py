"""A program that runs skewed joins in a classic session and prints, as JSON, the plans that Spark came to run.

``python -m tests.spark_plans ROOT`` does it; the plans of Spark Connect cannot be looked at after they ran.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.engines.spark_session import open_session

DAYS = 20
ROWS = 100_000
SMALL = {
    "spark.sql.shuffle.partitions": "8",
    "spark.sql.autoBroadcastJoinThreshold": "-1",
    "spark.sql.adaptive.advisoryPartitionSizeInBytes": "64KB",
    "spark.sql.adaptive.skewJoin.skewedPartitionThresholdInBytes": "64KB",
    "spark.sql.adaptive.skewJoin.skewedPartitionFactor": "2",
}
"""What counts as large is small here; nothing else differs from the session that runs have."""


def main(root: str) -> None:
    """Make the tables, and join them."""
    spark = open_session(root, "local[2]")
    sales, products, days = made(spark, root)

    def of_holidays() -> DataFrame:
        return sales.join(days.where("kind = 'holiday'"), "business_date").groupBy("product_id").agg(F.max("note"))

    def by_segment() -> DataFrame:
        return sales.join(products, "product_id").groupBy("segment").agg(F.max("note"))

    told = {"few days": plan(of_holidays)}
    for name, value in SMALL.items():
        spark.conf.set(name, value)
    told["skewed"] = plan(by_segment)
    for option in ("optimizer.dynamicPartitionPruning", "adaptive.skewJoin", "adaptive"):
        spark.conf.set(f"spark.sql.{option}.enabled", "false")
    told["few days, told not to"] = plan(of_holidays)
    told["skewed, told not to"] = plan(by_segment)
    print(json.dumps(told))  # noqa: T201 - its answer


def made(spark: SparkSession, root: str) -> tuple[DataFrame, DataFrame, DataFrame]:
    """Make sales, nine of ten of one product; products in segments; and days, of which one is a holiday."""
    product = F.when(F.col("id") % 10 < F.lit(9), 0).otherwise((F.col("id") % 1000).cast("int"))
    day = F.expr(f"date_add(DATE '2024-01-01', cast(id % {DAYS} AS int))").alias("business_date")
    note = F.sha2(F.col("id").cast("string"), 256)
    segment = F.concat(F.lit("segment "), F.col("id") % 5)
    frames = {
        "sales": spark.range(ROWS).select(product.alias("product_id"), day, note.alias("note")),
        "products": spark.range(1000).select(F.col("id").cast("int").alias("product_id"), segment.alias("segment")),
        "days": spark.range(DAYS).select(day, F.when(F.col("id") == 1, "holiday").otherwise("day").alias("kind")),
    }
    for name, frame in frames.items():
        writer = frame.write.format("delta")
        (writer.partitionBy("business_date") if name == "sales" else writer).save(f"{root}/{name}")
    sales, products, days = (spark.read.format("delta").load(f"{root}/{name}") for name in frames)
    return sales, products, days


def plan(query: Callable[[], DataFrame]) -> str:
    """Run a query and return the plan that was run in the end."""
    frame = query()
    frame.collect()
    return str(frame._jdf.queryExecution().executedPlan().toString())  # noqa: SLF001 - Python has no name for it


if __name__ == "__main__":
    main(*sys.argv[1:])
