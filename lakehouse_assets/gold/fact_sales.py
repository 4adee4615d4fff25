"""One row per invoice line, with the customer and the product as they were at the time of the invoice.

Every line of `silver.transactions` is here, of every kind, with its amount. A line always has a customer and a product
to join: where the record came later an inferred member, where there is no number `UNKNOWN`. A record that arrives late
gives the lines since its time their new keys.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.tables.declarations import InputWindow, gold_table
from lakehouse.tables.scd2_transforms import as_of
from lakehouse_assets.gold.dim_customers import CUSTOMERS
from lakehouse_assets.gold.dim_products import PRODUCTS


class FactSales(Contract):
    """Invoice lines with the keys of their dimensions."""

    line_id: T.StringType = column("line_id of `silver.transactions`")
    invoice_no: T.StringType = column("invoice number; C marks a cancellation, A an adjustment")
    stock_code: T.StringType = column("product code, upper case")
    customer_id: T.LongType = column("customer number, where the till knew it", nullable=True)
    country: T.StringType = column("country of the customer, as on the invoice")
    quantity: T.IntegerType = column("units sold, negative when returned", unit="units")
    invoiced_at: T.TimestampType = column("time of the invoice, UTC")
    unit_price: T.DecimalType(18, 3) = column("price of one unit", unit="GBP")  # type: ignore[valid-type]
    amount: T.DecimalType(18, 3) = column("quantity times unit price", unit="GBP", nullable=True)  # type: ignore[valid-type]
    kind: T.StringType = column("sale, cancellation, bad_debt or adjustment")
    business_date: T.DateType = column("day of the invoice; the partition")
    customer_key: T.StringType = column("version of the customer in `gold.dim_customers` that was valid then")
    product_key: T.StringType = column("version of the product in `gold.dim_products` that was valid then")
    date_key: T.DateType = column("day in `gold.dim_date`")
    cost_amount: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "quantity times what the product cost us then; null where that is not known", unit="GBP", nullable=True
    )


@gold_table(
    contract=FactSales,
    key=["line_id"],
    reads={
        "gold_dim_customers": InputWindow(whole=True, required=False),
        "gold_dim_products": InputWindow(whole=True, required=False),
    },
)
def fact_sales(
    silver_transactions: DataFrame, gold_dim_customers: DataFrame, gold_dim_products: DataFrame
) -> DataFrame:
    """Join each line to the versions of its time."""
    cost = (F.col("quantity").cast("decimal(10,0)") * F.col("cost")).try_cast("decimal(18,3)")
    lines = silver_transactions.drop("description")
    lines = as_of(lines, gold_dim_customers, CUSTOMERS, at="invoiced_at")
    lines = as_of(lines, gold_dim_products, PRODUCTS, at="invoiced_at", attributes=["cost"])
    return lines.withColumn("date_key", F.col("business_date")).withColumn("cost_amount", cost).drop("cost")
