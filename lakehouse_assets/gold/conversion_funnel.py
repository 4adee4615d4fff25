"""How far sessions come with products of a category: view, then cart, then purchase, by the day the session starts.

A step counts when it comes after the one before it in the same session, with any product of the same category. The
category is the one the product had at the time of the event.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column, rule
from lakehouse.tables.declarations import InputWindow, gold_table
from lakehouse.tables.scd2_transforms import as_of
from lakehouse_assets.gold._measures import ratio
from lakehouse_assets.gold._sessions import in_sessions
from lakehouse_assets.gold.dim_products import PRODUCTS

SHARE = "decimal(9,6)"
UNKNOWN = "unknown"
"""The category of products that nobody has given one."""
_RATE = {"min_value": 0, "max_value": 1}


class ConversionFunnel(Contract):
    """How far sessions come."""

    business_date: T.DateType = column("day the sessions start; the partition")
    category: T.StringType = column(f"product category; `{UNKNOWN}` where a product has none")
    viewed: T.LongType = column(
        "sessions with a view of a product of the category",
        formula="count(distinct session_key of a view)",
        unit="sessions",
        ge=1,
    )
    carted: T.LongType = column(
        "of those, sessions that put a product of the category into the cart after the first such view",
        formula="count(distinct session_key of a view, then a cart)",
        unit="sessions",
        ge=0,
    )
    purchased: T.LongType = column(
        "of those, sessions that bought a product of the category after that",
        formula="count(distinct session_key of a view, then a cart, then a purchase)",
        unit="sessions",
        ge=0,
    )
    cart_rate: T.DecimalType(9, 6) = column(  # type: ignore[valid-type]
        "sessions that carted, of those that viewed",
        formula="carted / viewed, rounded half up",
        unit="share",
        in_range=_RATE,
    )
    purchase_rate: T.DecimalType(9, 6) = column(  # type: ignore[valid-type]
        "sessions that purchased, of those that carted; none where none did",
        formula="purchased / carted, rounded half up",
        unit="share",
        nullable=True,
        in_range=_RATE,
    )
    conversion_rate: T.DecimalType(9, 6) = column(  # type: ignore[valid-type]
        "sessions that purchased, of those that viewed",
        formula="purchased / viewed, rounded half up",
        unit="share",
        in_range=_RATE,
    )

    @rule("no step has more sessions than the one before it")
    @staticmethod
    def narrows(viewed: Column, carted: Column, purchased: Column) -> Column:
        return (viewed >= carted) & (carted >= purchased)


@gold_table(
    contract=ConversionFunnel,
    key=["business_date", "category"],
    reads={
        "silver_clicks": InputWindow(before=1, after=1),
        "gold_dim_products": InputWindow(whole=True, required=False),
    },
)
def conversion_funnel(silver_clicks: DataFrame, gold_dim_products: DataFrame) -> DataFrame:
    """Count the sessions that reach each step, by day and category."""
    of_products = in_sessions(silver_clicks).where(F.col("stock_code").isNotNull())
    steps = with_category(of_products, gold_dim_products).transform(steps_reached)
    return (
        steps.groupBy("business_date", "category")
        .agg(*[F.count(name).alias(name) for name in ("viewed", "carted", "purchased")])
        .withColumn("cart_rate", _rate("carted", "viewed"))
        .withColumn("purchase_rate", _rate("purchased", "carted"))
        .withColumn("conversion_rate", _rate("purchased", "viewed"))
    )


def with_category(events: DataFrame, products: DataFrame) -> DataFrame:
    """Look up the category that an event's product had at its time."""
    found = as_of(events, products, PRODUCTS, at="clicked_at", attributes=["category"])
    return found.withColumn("category", F.coalesce("category", F.lit(UNKNOWN)))


def steps_reached(events: DataFrame) -> DataFrame:
    """Return, by session and category, the place of the first view, of the first cart after it, and so on.

    The earliest view and the earliest cart leave most room for what follows: if any events come in order, these do.
    """
    within = Window.partitionBy("session_key", "category")
    steps = events.withColumn("business_date", F.to_date("started_at"))
    before = F.lit(0)
    for name, event_type in (("viewed", "view"), ("carted", "cart"), ("purchased", "purchase")):
        is_next = (F.col("event_type") == event_type) & (F.col("place") > before)
        steps = steps.withColumn(name, F.min(F.when(is_next, F.col("place"))).over(within))
        before = F.col(name)
    return steps.where(F.col("place") == F.col("viewed")).select(
        "business_date", "category", "viewed", "carted", "purchased"
    )


def _rate(part: str, whole: str) -> Column:
    return ratio(F.col(part), F.col(whole), digits=6).cast(SHARE)
