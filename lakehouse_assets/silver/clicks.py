"""One row per event in the web shop, typed: a product viewed, put into the cart or bought.

An event that was sent again on its day is a duplicate. The nested context is kept as JSON text.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.casting import typed
from lakehouse.contracts.contract import Contract, column, rule
from lakehouse.contracts.partition_rules import duplicates
from lakehouse.tables.declarations import silver_table

EVENT_TYPES = ("view", "cart", "purchase")


class Clicks(Contract):
    """Events of the web shop."""

    event_id: T.StringType = column("event number, given by the visitor's browser", source="event_id")
    session_id: T.StringType = column("visit, as the visitor's browser counts them", source="session_id")
    user_id: T.LongType = column(
        "customer number, where the visitor was logged in",
        source="user_id",
        nullable=True,
        references="silver.customers.customer_id",
    )
    event_type: T.StringType = column("what the visitor did", source="event_type", isin=EVENT_TYPES)
    stock_code: T.StringType = column(
        "product code, upper case; none on a page about no single product",
        source="stock_code",
        nullable=True,
        references="silver.products.stock_code",
    )
    url: T.StringType = column("page", source="url", nullable=True, str_matches=r"https?://[^\s]+$", when_broken="warn")
    clicked_at: T.TimestampType = column("time of the event, UTC", source="ts")
    user_agent: T.StringType = column("browser, as it names itself", source="user_agent", nullable=True)
    context: T.StringType = column(
        "what else the browser told, a JSON object as text",
        source="context",
        nullable=True,
        str_startswith="{",
        str_endswith="}",
        when_broken="warn",
    )
    business_date: T.DateType = column("day of the event; the partition")

    day_rules = (duplicates(at_most=0.10),)

    @rule("what is put into the cart or bought is a product")
    @staticmethod
    def deal_names_a_product(event_type: Column, stock_code: Column) -> Column:
        return ~event_type.isin("cart", "purchase") | stock_code.isNotNull()


@silver_table(contract=Clicks, key=["event_id"], event_time="clicked_at")
def clicks(bronze_clicks: DataFrame) -> DataFrame:
    """Type events."""
    return bronze_clicks.transform(typed(Clicks)).withColumn("stock_code", F.upper("stock_code"))
