"""One row per change of a product record. The newest `updated_at` of a stock code is the record as known."""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.casting import typed
from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import silver_table

_MONEY = {"min_value": 0, "max_value": 1_000_000}


class Products(Contract):
    """Changes of product records."""

    stock_code: T.StringType = column("product code, upper case", source="stock_code")
    description: T.StringType = column("product text", source="description", nullable=True)
    category: T.StringType = column("product category", source="category", nullable=True)
    cost: T.DecimalType(18, 3) = column("what a unit costs us", unit="GBP", source="cost", in_range=_MONEY)  # type: ignore[valid-type]
    list_price: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "what a unit is offered for", unit="GBP", source="list_price", in_range=_MONEY
    )
    reorder_level: T.IntegerType = column(
        "stock level at which it is reordered", unit="units", source="reorder_level", nullable=True
    )
    updated_at: T.TimestampType = column("time of the change, UTC", source="updated_at")
    business_date: T.DateType = column("day of the change; the partition")


@silver_table(contract=Products, key=["stock_code", "updated_at"], event_time="updated_at")
def products(bronze_products: DataFrame) -> DataFrame:
    """Type product changes."""
    return bronze_products.transform(typed(Products)).withColumn("stock_code", F.upper("stock_code"))
