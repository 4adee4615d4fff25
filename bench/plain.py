"""The yardstick: the same three layers as one plain script, Sail for DataFrames and delta-rs for commits.

What a competent engineer writes in an afternoon: text bronze, typed and deduplicated silver, daily to monthly gold. No
orchestration, no checks, no quarantine, no safe reader, no second chance.

    python -m bench.plain LANDING ROOT [--days-at-once N]
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

from lakehouse.engines.sail import SailEngine

COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
MONEY = "decimal(18,3)"


def stream(frame: DataFrame) -> pa.RecordBatchReader:
    """Stream a result in bounded memory."""
    client: Any = frame.sparkSession.client
    items = client.to_table_as_iterator(frame._plan.to_proto(client), {})  # noqa: SLF001 - no public stream
    tables = (item for item in items if isinstance(item, pa.Table))
    first = next(tables, None)
    first = frame.limit(0).toArrow() if first is None else first
    schema = pa.schema([field.with_nullable(True) for field in first.schema])  # noqa: FBT003 - its only argument
    batches = (batch for table in itertools.chain([first], tables) for batch in table.cast(schema).to_batches())
    return pa.RecordBatchReader.from_batches(schema, batches)


def put(frame: DataFrame, path: str, column: str, first: dt.date, last: dt.date) -> None:
    """Replace some partitions."""
    predicate = f"{column} >= '{first}' AND {column} <= '{last}'"
    Path(path).mkdir(parents=True, exist_ok=True)
    if Path(path, "_delta_log").exists():
        write_deltalake(path, stream(frame), mode="overwrite", predicate=predicate)
    else:
        write_deltalake(path, stream(frame), mode="overwrite", partition_by=[column])


def silver(bronze: DataFrame) -> DataFrame:
    """Type, classify and deduplicate."""
    lines = bronze.select(
        F.col("InvoiceNo").alias("invoice_no"),
        F.upper(F.trim("StockCode")).alias("stock_code"),
        F.trim("Description").alias("description"),
        F.col("Quantity").try_cast("int").alias("quantity"),
        F.col("InvoiceDate").try_cast("timestamp").alias("invoiced_at"),
        F.col("UnitPrice").try_cast(MONEY).alias("unit_price"),
        F.col("CustomerID").try_cast("decimal(18,2)").try_cast("bigint").alias("customer_id"),
        F.col("Country").alias("country"),
        "business_date",
    )
    texts = [F.coalesce(F.col(c).cast("string"), F.lit("")) for c in lines.columns if c != "business_date"]
    lines = lines.withColumn("amount", (F.col("quantity").cast("decimal(10,0)") * F.col("unit_price")).cast(MONEY))
    kind = (
        F.when(F.col("invoice_no").startswith("C"), "cancellation")
        .when(F.col("invoice_no").startswith("A"), "bad_debt")
        .when(F.col("unit_price") == 0, "adjustment")
        .otherwise("sale")
    )
    keyed = lines.withColumn("kind", kind).withColumn("line_id", F.sha2(F.concat_ws("|", *texts), 256))
    once = F.row_number().over(Window.partitionBy("line_id").orderBy("invoiced_at")) == 1
    return (
        keyed.where(F.col("quantity").isNotNull() & F.col("unit_price").isNotNull())
        .withColumn("once", once)
        .where("once")
        .drop("once")
    )


def measures(frame: DataFrame, *keys: str, distinct: bool = True) -> DataFrame:
    """Sum lines by some keys."""
    sums = [
        F.count(F.lit(1)).alias("lines"),
        F.sum(F.col("quantity").cast("bigint")).alias("units"),
        F.sum(F.when(F.col("kind") == "sale", F.col("amount"))).cast(MONEY).alias("gross_sales"),
        F.sum(F.when(F.col("kind") == "cancellation", F.col("amount"))).cast(MONEY).alias("returns"),
        F.sum("amount").cast(MONEY).alias("net_sales"),
    ]
    counts = [F.countDistinct("invoice_no").alias("orders"), F.countDistinct("customer_id").alias("customers")]
    return frame.groupBy(*keys).agg(*sums, *(counts if distinct else []))


def run(landing: Path, root: str, days_at_once: int) -> None:
    """Bring a landing folder to gold."""
    session = SailEngine(root).session()
    files = sorted((landing / "transactions").glob("*.csv"))
    days = sorted({dt.date.fromisoformat(file.name[:10]) for file in files})
    schema = ", ".join(f"`{name}` string" for name in COLUMNS)
    for start in range(0, len(days), days_at_once):
        first, last = days[start], days[min(start + days_at_once, len(days)) - 1]
        paths = [str(file) for file in files if first <= dt.date.fromisoformat(file.name[:10]) <= last]
        text = session.read.schema(schema).options(header="true", multiLine="true", escape='"').csv(paths)
        business_date = F.coalesce(F.col("InvoiceDate").try_cast("timestamp").cast("date"), F.lit(first))
        put(text.withColumn("business_date", business_date), f"{root}/bronze", "business_date", first, last)
        within = F.col("business_date").between(F.lit(first), F.lit(last))
        put(silver(_read(session, root, "bronze").where(within)), f"{root}/silver", "business_date", first, last)
        lines = _read(session, root, "silver").where(within)
        put(measures(lines, "business_date"), f"{root}/daily", "business_date", first, last)
        put(measures(lines, "business_date", "country"), f"{root}/region", "business_date", first, last)
        products = measures(lines, "business_date", "stock_code", distinct=False)
        put(products, f"{root}/product", "business_date", first, last)
    for period in ("week", "month"):
        starts = F.to_date(F.date_trunc(period, "business_date")).alias("start")
        names = ("orders", "lines", "units", "gross_sales", "returns", "net_sales")
        sums = [F.sum(name).alias(name) for name in names]
        put(_read(session, root, "daily").groupBy(starts).agg(*sums), f"{root}/{period}", "start", days[0], days[-1])


def _read(session: Any, root: str, table: str) -> DataFrame:
    return session.read.format("delta").load(f"{root}/{table}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("landing", type=Path)
    parser.add_argument("root")
    parser.add_argument("--days-at-once", type=int, default=10_000)
    arguments = parser.parse_args()
    run(arguments.landing, arguments.root, arguments.days_at_once)
