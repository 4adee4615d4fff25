"""One row per invoice line: typed, deduplicated, classified as sale, cancellation, bad debt or adjustment.

Exact repeats of a line within a day are duplicates. A line that breaks a rule stands in `silver.quarantine`.
"""

import datetime as dt

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.casting import typed
from lakehouse.contracts.contract import Contract, column, rule
from lakehouse.contracts.keys import surrogate_key
from lakehouse.contracts.partition_rules import duplicates, hours, total, volume
from lakehouse.tables.declarations import silver_table

KINDS = ("sale", "cancellation", "bad_debt", "adjustment")
COUNTRIES = (
    "Australia",
    "Austria",
    "Bahrain",
    "Belgium",
    "Brazil",
    "Canada",
    "Channel Islands",
    "Cyprus",
    "Czech Republic",
    "Denmark",
    "EIRE",
    "European Community",
    "Finland",
    "France",
    "Germany",
    "Greece",
    "Hong Kong",
    "Iceland",
    "Israel",
    "Italy",
    "Japan",
    "Lebanon",
    "Lithuania",
    "Malta",
    "Netherlands",
    "Norway",
    "Poland",
    "Portugal",
    "RSA",
    "Saudi Arabia",
    "Singapore",
    "Spain",
    "Sweden",
    "Switzerland",
    "USA",
    "United Arab Emirates",
    "United Kingdom",
    "Unspecified",
)
"""Where customers have been so far; a sale to a new country is kept, and asks for a look at this list."""
MANY_UNITS = 1000
"""Of 540,000 real lines, 175 have more."""
HIGH_PRICE = 100
"""Of 540,000 real lines of products, 132 cost more. Postage, fees and corrections cost anything."""


class Transactions(Contract):
    """Invoice lines."""

    line_id: T.StringType = column("sha256 of the line's business columns")
    invoice_no: T.StringType = column(
        "invoice number; C marks a cancellation, A an adjustment",
        source="InvoiceNo",
        str_matches=r"[AC]?\d{6,7}$",
        when_broken="warn",
    )
    stock_code: T.StringType = column(
        "product code, upper case: five digits and perhaps letters, or a word such as POST",
        source="StockCode",
        str_matches=r"(\d{5}[A-Z]{0,2}|[A-Z][A-Z0-9_ ]*)$",
        references="silver.products.stock_code",
        when_broken="warn",
    )
    description: T.StringType = column("product text as printed", source="Description", nullable=True)
    quantity: T.IntegerType = column(
        "units sold, negative when returned",
        unit="units",
        source="Quantity",
        in_range={"min_value": -100_000, "max_value": 100_000},
    )
    invoiced_at: T.TimestampType = column("time of the invoice, UTC", source="InvoiceDate")
    unit_price: T.DecimalType(18, 3) = column(  # type: ignore[valid-type]
        "price of one unit", unit="GBP", source="UnitPrice", in_range={"min_value": -1_000_000, "max_value": 1_000_000}
    )
    amount: T.DecimalType(18, 3) = column("quantity times unit price", unit="GBP", nullable=True)  # type: ignore[valid-type]
    customer_id: T.LongType = column(
        "customer number, where the till knew it",
        source="CustomerID",
        nullable=True,
        references="silver.customers.customer_id",
    )
    country: T.StringType = column("country of the customer", source="Country", isin=COUNTRIES, when_broken="warn")
    kind: T.StringType = column("what the line is", isin=KINDS)
    business_date: T.DateType = column("day of the invoice; the partition")

    # Of 305 real days these find one, four, five and none.
    fresh_within = dt.timedelta(days=3)
    day_rules = (
        volume(at_least=0.33, at_most=3.0),
        total("amount", at_least=0.25, at_most=4.0),
        hours("invoiced_at", opens=10, closes=16),
        duplicates(at_most=0.10),
    )

    @rule("a sale has units")
    @staticmethod
    def sale_has_units(kind: Column, quantity: Column) -> Column:
        return (kind != "sale") | (quantity > 0)

    @rule("a cancellation gives units back", when_broken="warn")
    @staticmethod
    def cancellation_gives_back(kind: Column, quantity: Column) -> Column:
        return (kind != "cancellation") | (quantity < 0)

    @rule(f"at most {MANY_UNITS} units on a line", when_broken="warn")
    @staticmethod
    def plausible_quantity(quantity: Column) -> Column:
        return F.abs(quantity) <= MANY_UNITS

    @rule(f"a product costs at most {HIGH_PRICE} GBP", when_broken="warn")
    @staticmethod
    def plausible_price(stock_code: Column, unit_price: Column) -> Column:
        return ~stock_code.substr(1, 1).between("0", "9") | (unit_price <= HIGH_PRICE)

    @rule("only bad debt has a negative price", when_broken="warn")
    @staticmethod
    def negative_is_bad_debt(kind: Column, unit_price: Column) -> Column:
        return (kind == "bad_debt") | (unit_price >= 0)

    @rule("the shop is open from 6 to 21 UTC", when_broken="warn")
    @staticmethod
    def within_opening_hours(invoiced_at: Column) -> Column:
        return F.hour(invoiced_at).between(6, 20)


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
        # Without its number a line is rejected for that, and not for being no sale, too.
        .when(F.col("invoice_no").isNull() & (F.col("quantity") < 0), "cancellation")
        .when(F.col("invoice_no").startswith("A"), "bad_debt")
        .when(F.coalesce(F.col("unit_price"), F.lit(0)) == 0, "adjustment")  # without its price, likewise
        .otherwise("sale")
    )
    return lines.withColumn("kind", kind)
