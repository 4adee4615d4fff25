"""Visits: which events of the web shop belong together, told by their times alone.

Belongs here: the one rule of sessions that tables share. It needs the events of the day before and of the day after the
days in question, and no others:

- A pause of more than `PAUSE` ends a session.
- Midnight ends the session of a visitor who has been there all day, without such a pause between the two midnights.
  No session, therefore, lasts longer than the day after the one it starts on, and every event is in exactly one.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

from lakehouse.contracts.keys import surrogate_key

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PAUSE = dt.timedelta(minutes=30)
"""The longest time between two events of a session; what browsers' own analytics take, too."""


def in_sessions(clicks: DataFrame) -> DataFrame:
    """Add to events of `silver.clicks` the session that each is in.

    The sessions that start on the first and on the last day of the events may be others than with more days at hand.

    Returns:
        The events with `session_key`, `started_at`, and `place`, from 1: the order within the session. Of one instant a
        view is before what is put into the cart, and that before what is bought.
    """
    step = F.when(F.col("event_type") == "view", 1).when(F.col("event_type") == "cart", 2).otherwise(3)
    order = (F.col("clicked_at"), step, F.col("event_id"))
    of_visitor = Window.partitionBy("session_id").orderBy(*order)
    of_day = Window.partitionBy("session_id", "business_date")

    last, last_day = F.lag("clicked_at").over(of_visitor), F.lag("business_date").over(of_visitor)
    since_midnight = F.col("clicked_at") - F.greatest(last, F.col("business_date").cast("timestamp"))
    after_pause = last.isNull() | (F.col("clicked_at") - last > F.lit(PAUSE))
    after_whole_day = (last_day != F.col("business_date")) & ~F.lag("_paused").over(of_visitor)
    marked = (
        clicks.withColumn("_pause", since_midnight > F.lit(PAUSE))
        .withColumn("_paused", F.max("_pause").over(of_day))
        .withColumn("_starts", (after_pause | after_whole_day).cast("int"))
        .withColumn("_session", F.sum("_starts").over(of_visitor))
    )
    session = Window.partitionBy("session_id", "_session")
    return (
        marked.withColumn("started_at", F.min("clicked_at").over(session))
        .withColumn("place", F.row_number().over(session.orderBy(*order)))
        .withColumn("session_key", surrogate_key("session_id", "started_at"))
        .select(*clicks.columns, "session_key", "started_at", "place")
    )
