"""One row per invoice line: typed, deduplicated, classified as sale, cancellation, bad debt or adjustment.

Exact repeats of a line within a day are duplicates. A line that breaks a rule stands in `silver.quarantine`.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse_assets.layers import silver_table
from quality.casting import typed
from quality.contract import Contract, column
from quality.keys import surrogate_key

KINDS = ("sale", "cancellation", "bad_debt", "adjustment")


class Transactions(Contract):
    """Invoice lines."""

    line_id: T.StringType = column("sha256 of the line's business columns")
    invoice_no: T.StringType = column("invoice number; C marks a cancellation, A an adjustment", source="InvoiceNo")
    stock_code: T.StringType = column("product code, upper case", source="StockCode")
    description: T.StringType = column("product text as printed", source="Description", nullable=True)
    quantity: T.IntegerType = column(
        "units sold, negative when returned", source="Quantity", in_range={"min_value": -100_000, "max_value": 100_000}
    )
    invoiced_at: T.TimestampType = column("time of the invoice, UTC", source="InvoiceDate")
    unit_price: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "price of one unit, GBP", source="UnitPrice", in_range={"min_value": -1_000_000, "max_value": 1_000_000}
    )
    amount: T.DecimalType(18, 3) = column("quantity times unit price, GBP", nullable=True)  # type: ignore[valid-type]
    customer_id: T.LongType = column("customer number, where the till knew it", source="CustomerID", nullable=True)
    country: T.StringType = column("country of the customer", source="Country")
    kind: T.StringType = column("what the line is", isin=KINDS)
    business_date: T.DateType = column("day of the invoice; the partition")


@silver_table(contract=Transactions, key=["line_id"], content_key=True, event_time="invoiced_at")
def transactions(bronze_transactions: DataFrame) -> DataFrame:
    """Type, standardise and classify invoice lines."""
    return bronze_transactions.transform(typed(Transactions)).transform(standardised).transform(classified)


def standardised(lines: DataFrame) -> DataFrame:
    """Upper-case the product code, compute the amount and name the line."""
    amount = (F.col("quantity").cast("decimal(10,0)") * F.col("unit_price")).try_cast("decimal(18,3)")
    line = (
        "invoice_no",
        "stock_code",
        "description",
        "quantity",
        "invoiced_at",
        "unit_price",
        "customer_id",
        "country",
    )
    return (
        lines.withColumn("stock_code", F.upper("stock_code"))
        .withColumn("amount", amount)
        .withColumn("line_id", surrogate_key(*line))
    )


def classified(lines: DataFrame) -> DataFrame:
    """Tell sales from cancellations, bad debt and stock adjustments."""
    kind = (
        F.when(F.col("invoice_no").startswith("C"), "cancellation")
        .when(F.col("invoice_no").startswith("A"), "bad_debt")
        .when(F.col("unit_price") == 0, "adjustment")
        .otherwise("sale")
    )
    return lines.withColumn("kind", kind)
