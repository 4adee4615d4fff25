"""Visits to the web shop: one row per session, on the day it starts.

A session is the events of one visitor with pauses of at most 30 minutes. It may run over midnight; it ends with the
following day at the latest. Whatever order events arrive in, the sessions are the same.
"""

import pyspark.sql.types as T  # noqa: N812 - the field's name for it
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from lakehouse.contracts.contract import Contract, column, rule
from lakehouse.tables.declarations import InputWindow, gold_table
from lakehouse_assets.gold._sessions import in_sessions

DEVICES = ("desktop", "mobile", "tablet", "bot", "unknown")


class Sessions(Contract):
    """Visits to the web shop."""

    session_key: T.StringType = column("sha256 of visitor and start")
    session_id: T.StringType = column("visitor, as the browser calls itself; it may have many sessions")
    customer_id: T.LongType = column("customer number, the last one that was logged in", nullable=True)
    started_at: T.TimestampType = column("time of the first event, UTC")
    ended_at: T.TimestampType = column("time of the last event, UTC")
    duration_seconds: T.LongType = column(
        "whole seconds from the first event of a session to its last",
        formula="max(clicked_at) - min(clicked_at) of silver.clicks",
        unit="seconds",
        ge=0,
    )
    events: T.LongType = column(
        "events of a session, of every kind",
        formula="count(* of silver.clicks)",
        unit="events",
        ge=1,
    )
    views: T.LongType = column(
        "pages viewed",
        formula="count(* of silver.clicks where event_type = 'view')",
        unit="events",
        ge=0,
    )
    carts: T.LongType = column(
        "times that something was put into the cart",
        formula="count(* of silver.clicks where event_type = 'cart')",
        unit="events",
        ge=0,
    )
    purchases: T.LongType = column(
        "times that something was bought",
        formula="count(* of silver.clicks where event_type = 'purchase')",
        unit="events",
        ge=0,
    )
    first_url: T.StringType = column("page of the first event", nullable=True)
    last_url: T.StringType = column("page of the last event", nullable=True)
    device: T.StringType = column("kind of device, by the browser's name of the first event", isin=DEVICES)
    business_date: T.DateType = column("day the session starts; the partition")

    @rule("a session ends with the day after its start")
    @staticmethod
    def ends_in_time(business_date: Column, ended_at: Column) -> Column:
        return F.to_date(ended_at) <= F.date_add(business_date, 1)

    @rule("every event is a view, a cart or a purchase")
    @staticmethod
    def events_add_up(events: Column, views: Column, carts: Column, purchases: Column) -> Column:
        return events == views + carts + purchases


@gold_table(contract=Sessions, key=["session_key"], reads={"silver_clicks": InputWindow(before=1, after=1)})
def sessions(silver_clicks: DataFrame) -> DataFrame:
    """Sum events by session."""
    logged_in = F.when(F.col("user_id").isNotNull(), F.col("place"))
    lasted = (F.unix_micros("ended_at") - F.unix_micros("started_at")) / 1_000_000
    return (
        in_sessions(silver_clicks)
        .groupBy("session_key", "session_id", "started_at")
        .agg(
            F.max_by("user_id", logged_in).alias("customer_id"),
            F.max("clicked_at").alias("ended_at"),
            F.count(F.lit(1)).alias("events"),
            _count("view").alias("views"),
            _count("cart").alias("carts"),
            _count("purchase").alias("purchases"),
            F.min_by("url", "place").alias("first_url"),
            F.max_by("url", "place").alias("last_url"),
            F.min_by("user_agent", "place").alias("_user_agent"),
        )
        .withColumn("duration_seconds", F.floor(lasted))
        .withColumn("device", device_of(F.lower("_user_agent")))
        .withColumn("business_date", F.to_date("started_at"))
        .select(*Sessions.to_schema().columns)
    )


def device_of(user_agent: Column) -> Column:
    """Return the kind of device that a browser's name, in lower case, speaks of."""
    return (
        F.when(user_agent.isNull(), "unknown")
        .when(user_agent.rlike("bot|crawler|spider"), "bot")
        # Android says "mobile" on telephones only.
        .when(
            user_agent.rlike("ipad|tablet") | (user_agent.contains("android") & ~user_agent.contains("mobile")),
            "tablet",
        )
        .when(user_agent.rlike("mobile|iphone"), "mobile")
        .when(user_agent.rlike("windows|macintosh|x11|linux|cros"), "desktop")
        .otherwise("unknown")
    )


def _count(event_type: str) -> Column:
    return F.count(F.when(F.col("event_type") == event_type, 1))
