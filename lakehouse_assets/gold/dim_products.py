"""Every version of every product's record, and a member for those of which nothing is known.

A product that is sold, clicked or moved before its first record arrives is an inferred member until that record is
valid. Late, corrected and repeated records end in the same rows in whatever order they arrive; what stood here on an
earlier day is told by an older version of the table.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import History, scd2_table
from lakehouse.tables.scd2_transforms import history_column, versions

PRODUCTS = History(
    natural_key="stock_code",
    surrogate_key="product_key",
    attributes=("description", "category", "cost", "list_price", "reorder_level"),
    changes="silver.products",
    time="updated_at",
    sightings={
        "silver.transactions": "invoiced_at",
        "silver.clicks": "clicked_at",
        "silver.inventory": "moved_at",
    },
)


class DimProducts(Contract):
    """Versions of products."""

    product_key: T.StringType = column(
        "names the version: sha256 of stock_code and valid_from, of an inferred member of stock_code alone; UNKNOWN"
    )
    stock_code: T.StringType = column("product code, upper case; null for the unknown member", nullable=True)
    description: T.StringType = column("product text", nullable=True)
    category: T.StringType = column("product category", nullable=True)
    cost: T.DecimalType(18, 3) = column("what a unit costs us", unit="GBP", nullable=True)  # type: ignore[valid-type]
    list_price: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "what a unit is offered for", unit="GBP", nullable=True
    )
    reorder_level: T.IntegerType = column("stock at which it is reordered", unit="units", nullable=True)
    valid_from: T.TimestampType = history_column("valid_from")
    valid_to: T.TimestampType = history_column("valid_to")
    is_current: T.BooleanType = history_column("is_current")
    is_deleted: T.BooleanType = history_column("is_deleted")
    is_inferred: T.BooleanType = history_column("is_inferred")
    version_hash: T.StringType = history_column("version_hash")
    first_seen_at: T.TimestampType = history_column("first_seen_at")
    business_date: T.DateType = history_column("business_date")


@scd2_table(contract=DimProducts, history=PRODUCTS)
def dim_products(
    silver_products: DataFrame, silver_transactions: DataFrame, silver_clicks: DataFrame, silver_inventory: DataFrame
) -> DataFrame:
    """Order the records of each product; lines, clicks and stock movements tell when it was first seen."""
    return versions(PRODUCTS, silver_products, silver_transactions, silver_clicks, silver_inventory)
