"""One row per stock movement: what came in, what was sold, what was put right, and what was counted.

Movements add to the stock of their product; a count says what the stock is, whatever the movements before it add up to.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.casting import typed
from lakehouse.contracts.contract import Contract, column, rule
from lakehouse.contracts.partition_rules import duplicates
from lakehouse.tables.declarations import silver_table

MOVEMENT_TYPES = ("receipt", "sale", "adjustment", "count")


class Inventory(Contract):
    """Stock movements."""

    movement_id: T.StringType = column("movement number, given by the warehouse", source="movement_id")
    stock_code: T.StringType = column(
        "product code, upper case", source="stock_code", references="silver.products.stock_code"
    )
    movement_type: T.StringType = column("what moved the stock", source="movement_type", isin=MOVEMENT_TYPES)
    quantity: T.IntegerType = column(
        "what was added, negative when taken; of a count what there is",
        unit="units",
        source="quantity",
        in_range={"min_value": -1_000_000, "max_value": 1_000_000},
    )
    moved_at: T.TimestampType = column("time of the movement, UTC", source="moved_at")
    business_date: T.DateType = column("day of the movement; the partition")

    day_rules = (duplicates(at_most=0.10),)

    @rule("a receipt adds stock")
    @staticmethod
    def receipt_adds(movement_type: Column, quantity: Column) -> Column:
        return (movement_type != "receipt") | (quantity > 0)

    @rule("a sale takes stock")
    @staticmethod
    def sale_takes(movement_type: Column, quantity: Column) -> Column:
        return (movement_type != "sale") | (quantity < 0)

    @rule("a count is not negative")
    @staticmethod
    def count_is_not_negative(movement_type: Column, quantity: Column) -> Column:
        return (movement_type != "count") | (quantity >= 0)

    @rule("an adjustment changes the stock", when_broken="warn")
    @staticmethod
    def adjustment_changes(movement_type: Column, quantity: Column) -> Column:
        return (movement_type != "adjustment") | (quantity != 0)


@silver_table(contract=Inventory, key=["movement_id"], event_time="moved_at")
def inventory(bronze_inventory: DataFrame) -> DataFrame:
    """Type movements."""
    return bronze_inventory.transform(typed(Inventory)).withColumn("stock_code", F.upper("stock_code"))
