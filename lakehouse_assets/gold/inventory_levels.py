"""Stock of a product at the end of a day: a row for every product that ever moved, on each day that anything moved.

The stock is a running balance of `silver.inventory` and the adjustments among `silver.transactions`; a count sets it to
what was counted. A movement that comes late changes all later days, up to the next count of its product.
"""

import datetime as dt

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column, rule
from lakehouse.tables.declarations import InputWindow, gold_table
from lakehouse.tables.scd2_transforms import as_of
from lakehouse_assets.gold import _metrics as metrics
from lakehouse_assets.gold.dim_products import PRODUCTS

_AFTER, _LOW = "_after", "_low"
"""What moved after the last count of a day, if there was one, and whether stock is low at its end."""
_CLOSING, _LOW_SINCE = "_closing", "_low_since"
"""What a product's row before the first of these days says, if it has one."""
_ORDER = ("_at", "_is_count", "_id")
"""The order of a day's movements; of those of one instant a count is the last."""


class InventoryLevels(Contract):
    """The stock of a product at the end of a day."""

    business_date: T.DateType = column("day of which it is the end; the partition")
    stock_code: T.StringType = column("product code, upper case")
    opening: T.LongType = column(
        "stock at the end of the last day before on which anything moved; 0 before the first movement",
        formula="closing of that day",
        unit="units",
    )
    received: T.LongType = column(
        "what was delivered",
        formula="sum(quantity of receipts of silver.inventory)",
        unit="units",
        ge=0,
    )
    sold: T.LongType = column(
        "what the warehouse booked as sold",
        formula="-sum(quantity of sales of silver.inventory)",
        unit="units",
        ge=0,
    )
    adjusted: T.LongType = column(
        "what was put right, by the warehouse or at the till; negative if taken",
        formula="sum(quantity of adjustments of silver.inventory and of lines where kind = 'adjustment')",
        unit="units",
    )
    counted: T.LongType = column(
        "what the day's last count found; none on a day without one",
        formula="quantity of the last count of silver.inventory",
        unit="units",
        nullable=True,
        ge=0,
    )
    corrected: T.LongType = column(
        "what counts found beyond the books, negative if less",
        formula="closing - (opening + received - sold + adjusted)",
        unit="units",
    )
    closing: T.LongType = metrics.CLOSING.column()
    reorder_level: T.IntegerType = column(
        "stock at which to reorder, as valid at the end of the day; none if nobody has said",
        unit="units",
        nullable=True,
    )
    low_since: T.DateType = column(
        "the day from which on the closing stock has been at or below the reorder level; none if it is not",
        nullable=True,
    )
    low_before: T.DateType = column("`low_since` of the row before of this product", nullable=True)

    @rule("what moved makes the opening stock the closing one")
    @staticmethod
    def balances(
        opening: Column, received: Column, sold: Column, adjusted: Column, corrected: Column, closing: Column
    ) -> Column:
        return closing == opening + received - sold + adjusted + corrected

    @rule("only a count corrects the stock")
    @staticmethod
    def corrected_by_count(counted: Column, corrected: Column) -> Column:
        return counted.isNotNull() | (corrected == 0)

    @rule("stock is low at or below the reorder level, and only there")
    @staticmethod
    def low_at_reorder_level(closing: Column, reorder_level: Column, low_since: Column) -> Column:
        return low_since.isNotNull() == F.coalesce(closing <= reorder_level, F.lit(False))  # noqa: FBT003 - a literal


@gold_table(
    contract=InventoryLevels,
    key=["business_date", "stock_code"],
    reads={
        "silver_inventory": InputWindow(required=False),
        "silver_transactions": InputWindow(required=False),
        "gold_dim_products": InputWindow(whole=True, required=False),
    },
)
def inventory_levels(
    silver_inventory: DataFrame,
    silver_transactions: DataFrame,
    gold_dim_products: DataFrame,
    gold_inventory_levels: DataFrame,
) -> DataFrame:
    """Carry the stock of the day before through any number of days."""
    moved = summed_by_day(movements(silver_inventory, silver_transactions))
    rows = with_reorder_level(dense(moved, gold_inventory_levels), gold_dim_products)
    return carried(rows)


def movements(inventory: DataFrame, transactions: DataFrame) -> DataFrame:
    """Return what moved the stock: the warehouse's movements, and the adjustments that tills have made."""
    columns = ("business_date", "stock_code", *_ORDER, "_kind", "_units")
    own = inventory.withColumns(
        {
            "_at": F.col("moved_at"),
            "_is_count": (F.col("movement_type") == "count").cast("int"),
            "_id": F.col("movement_id"),
            "_kind": F.col("movement_type"),
            "_units": F.col("quantity").cast("bigint"),
        }
    )
    tills = transactions.where(F.col("kind") == "adjustment").withColumns(
        {
            "_at": F.col("invoiced_at"),
            "_is_count": F.lit(0),
            "_id": F.col("line_id"),
            "_kind": F.col("kind"),
            "_units": F.col("quantity").cast("bigint"),
        }
    )
    return own.select(*columns).unionByName(tills.select(*columns))


def summed_by_day(moved: DataFrame) -> DataFrame:
    """Sum movements by day and product: by kind, the last count of the day, and what moved after it."""
    backwards = Window.partitionBy("business_date", "stock_code").orderBy(*[F.col(name).desc() for name in _ORDER])
    counts_from_here = F.sum("_is_count").over(backwards.rowsBetween(Window.unboundedPreceding, Window.currentRow))
    is_last_count = (F.col("_is_count") == 1) & (F.col("_counts") == 1)
    return (
        moved.withColumn("_counts", counts_from_here)
        .groupBy("business_date", "stock_code")
        .agg(
            _units(F.col("_kind") == "receipt").alias("received"),
            (-_units(F.col("_kind") == "sale")).alias("sold"),
            _units(F.col("_kind") == "adjustment").alias("adjusted"),
            F.max(F.when(is_last_count, F.col("_units"))).alias("counted"),
            _units(F.col("_counts") == 0).alias(_AFTER),
        )
    )


def dense(moved: DataFrame, before: DataFrame) -> DataFrame:
    """Give every day a row of each product that has moved by then, in these days or before them.

    What the balance starts from comes along. It is joined rather than put below the others as one more row: Sail takes
    the comment of a column for part of its type, and plans few unions of columns whose comments differ.
    """
    days = moved.select("business_date").distinct()
    first = moved.groupBy("stock_code").agg(F.min("business_date").alias("_first"))
    start = before.select(
        F.col("stock_code").alias("_code"), F.col("closing").alias(_CLOSING), F.col("low_since").alias(_LOW_SINCE)
    )
    products = first.join(start, F.col("stock_code") == F.col("_code"), "full").select(
        F.coalesce("stock_code", "_code").alias("stock_code"), "_first", "_code", _CLOSING, _LOW_SINCE
    )
    there = F.col("_code").isNotNull() | (F.col("business_date") >= F.col("_first"))
    rows = days.crossJoin(products).where(there).drop("_first", "_code")
    nothing = dict.fromkeys(("received", "sold", "adjusted", _AFTER), 0)
    return rows.join(moved, ["business_date", "stock_code"], "left").fillna(nothing)


def with_reorder_level(rows: DataFrame, products: DataFrame) -> DataFrame:
    """Look up the reorder level that was valid at the very end of a row's day."""
    end = F.date_add("business_date", 1).cast("timestamp") - F.lit(dt.timedelta(microseconds=1))
    return as_of(rows.withColumn("_end", end), products, PRODUCTS, at="_end", attributes=["reorder_level"])


def carried(rows: DataFrame) -> DataFrame:
    """Carry stock, and since when it is low, from row to row of each product."""
    in_order = Window.partitionBy("stock_code").orderBy("business_date")
    since_count = Window.partitionBy("stock_code", "_counts").orderBy("business_date")
    while_low = Window.partitionBy("stock_code", "_not_low").orderBy("business_date")

    is_first = F.row_number().over(in_order) == 1
    start = F.when(F.col("_counts") == 0, F.col(_CLOSING))  # the first count makes what was before it meaningless
    moved = F.sum(F.coalesce("counted", F.lit(0)) + F.col(_AFTER)).over(since_count)
    books = F.col("opening") + F.col("received") - F.col("sold") + F.col("adjusted")
    low = F.coalesce(F.col("closing") <= F.col("reorder_level"), F.lit(False))  # noqa: FBT003 - a literal
    began = F.when(F.col("_not_low") == 0, F.col(_LOW_SINCE))
    low_since = F.coalesce(began, F.min(F.when(F.col(_LOW), F.col("business_date"))).over(while_low))
    return (
        rows.withColumn("_counts", F.count("counted").over(in_order))
        .withColumn("closing", F.coalesce(start, F.lit(0)) + moved)
        .withColumn("opening", F.coalesce(F.when(is_first, F.col(_CLOSING)), F.lag("closing").over(in_order), F.lit(0)))
        .withColumn("corrected", F.col("closing") - books)
        .withColumn(_LOW, low)
        .withColumn("_not_low", F.sum(1 - F.col(_LOW).cast("int")).over(in_order))
        .withColumn("low_since", F.when(F.col(_LOW), low_since))
        .withColumn("low_before", F.coalesce(F.when(is_first, F.col(_LOW_SINCE)), F.lag("low_since").over(in_order)))
        .select(*InventoryLevels.to_schema().columns)
    )


def _units(condition: Column) -> Column:
    return F.coalesce(F.sum(F.when(condition, F.col("_units"))), F.lit(0))
