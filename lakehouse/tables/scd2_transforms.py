"""Histories of members: from a feed of changes to every version, and from a row's time to the version valid then.

Belongs here: what dimensions and the tables that read them share, as functions from frames to a frame. How a dimension
is published, and what follows for others, is ``lakehouse.publication.scd2``'.

A version is valid from its change until the next one, an instant that belongs to the next one alone. Where somebody
speaks of a member before the feed does, an inferred member of which nothing is known stands in until then.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

from lakehouse.contracts.contract import column
from lakehouse.contracts.keys import surrogate_key
from lakehouse.publication.scd2 import (
    BUSINESS_DATE,
    FIRST_SEEN_AT,
    IS_CURRENT,
    IS_DELETED,
    IS_INFERRED,
    UNKNOWN,
    VALID_FROM,
    VALID_TO,
    VERSION_HASH,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.publication.scd2 import History

BEGINNING = "1900-01-01 00:00:00"
"""Since when there is the unknown member, UTC."""
_MEANINGS = {
    VALID_FROM: "time of the change, UTC; the version is valid from then on",
    VALID_TO: "time of the next change, UTC, when the version is not valid any more; null for the last one",
    IS_CURRENT: "whether it is the last version, and the member is not deleted",
    IS_DELETED: "whether the change deleted the member",
    IS_INFERRED: "whether nothing is known yet: the member was seen before its first change",
    VERSION_HASH: "sha256 of the attributes",
    FIRST_SEEN_AT: "time of the first row about the member, UTC, the same in all versions; null if there is none",
    BUSINESS_DATE: "day of the change, or of the first row about an inferred member",
}
_PLACE, _IS_NEEDED = "_place", "_is_needed"


def history_column(name: str) -> Any:
    """Declare a column that every history has, as ``column`` does."""
    return column(_MEANINGS[name], nullable=name in {VALID_TO, FIRST_SEEN_AT})


def versions(history: History, changes: DataFrame, *sightings: DataFrame) -> DataFrame:
    """Return the history of the members in a feed and in what speaks of them, and the unknown member.

    Each change is a version, also one that says what the one before said: the dimension's own rows then say all that
    the feed did. Of several changes of a member at one time one counts, a deletion rather than another.

    Args:
        history: names the columns.
        changes: rows of the feed, in any order and as often as they came.
        sightings: rows of the tables that speak of members, in the order of ``history.sightings``.

    Returns:
        The natural key, the attributes, the columns of every history and the surrogate key.
    """
    key, same_member = history.natural_key, Window.partitionBy(history.natural_key)
    is_deleted = F.coalesce(F.col(IS_DELETED), F.lit(False)) if IS_DELETED in changes.columns else F.lit(False)  # noqa: FBT003
    said = changes.select(
        key,
        *history.attributes,
        F.col(history.time).alias(VALID_FROM),
        is_deleted.alias(IS_DELETED),
        F.lit(False).alias(IS_INFERRED),  # noqa: FBT003 - literals take no name
    ).where(F.col(key).isNotNull() & F.col(VALID_FROM).isNotNull())
    inferred = _first_sightings(history, sightings).select(
        key,
        VALID_FROM,
        F.lit(False).alias(IS_DELETED),  # noqa: FBT003
        F.lit(True).alias(IS_INFERRED),  # noqa: FBT003
    )
    unknown = changes.sparkSession.range(1).select(
        F.lit(BEGINNING).cast("timestamp").alias(VALID_FROM),
        F.lit(False).alias(IS_DELETED),  # noqa: FBT003
        F.lit(False).alias(IS_INFERRED),  # noqa: FBT003
    )
    rows = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), (said, inferred, unknown))
    at_once = Window.partitionBy(key, VALID_FROM, IS_INFERRED).orderBy(F.col(IS_DELETED).desc(), F.col(VERSION_HASH))
    first_change = F.min(F.when(~F.col(IS_INFERRED), F.col(VALID_FROM))).over(same_member)
    is_needed = ~F.col(IS_INFERRED) | first_change.isNull() | (F.col(VALID_FROM) < first_change)
    kept = (
        rows.withColumn(VERSION_HASH, surrogate_key(*history.attributes))
        .withColumn(_PLACE, F.row_number().over(at_once))
        .where(F.col(_PLACE) == 1)
        .withColumn(FIRST_SEEN_AT, F.min(F.when(F.col(IS_INFERRED), F.col(VALID_FROM))).over(same_member))
        .withColumn(_IS_NEEDED, is_needed)
        .where(_IS_NEEDED)
        .withColumn(VALID_TO, F.lead(VALID_FROM).over(same_member.orderBy(VALID_FROM)))
    )
    surrogate = (
        F.when(F.col(key).isNull(), F.lit(UNKNOWN))
        .when(F.col(IS_INFERRED), surrogate_key(key))
        .otherwise(surrogate_key(key, VALID_FROM))
    )
    return kept.select(
        surrogate.alias(history.surrogate_key),
        key,
        *history.attributes,
        VALID_FROM,
        VALID_TO,
        (F.col(VALID_TO).isNull() & ~F.col(IS_DELETED)).alias(IS_CURRENT),
        IS_DELETED,
        IS_INFERRED,
        VERSION_HASH,
        FIRST_SEEN_AT,
        F.to_date(VALID_FROM).alias(BUSINESS_DATE),
    )


def changes_between(snapshots: DataFrame, *, key: str, time: str, attributes: Sequence[str]) -> DataFrame:
    """Return the changes of members between full snapshots, as a feed would have told them.

    A member that is new or says something else has changed, one that is not there any more is deleted, each at the time
    of the snapshot that tells so; one that is as it was tells nothing. The first snapshot tells of all its members.

    Args:
        snapshots: all members there are, once for each day of a snapshot.
        key: the column that names a member.
        time: the column of when a snapshot was taken; its earliest row counts.
        attributes: what is known of a member.

    Returns:
        The key, the attributes, the time, ``is_deleted``, and the day of the snapshot.
    """
    by_day = Window.partitionBy(F.lit(1)).orderBy(BUSINESS_DATE)  # there are few days; without a partition Spark warns
    by_member = Window.partitionBy(key).orderBy(BUSINESS_DATE)
    taken = (
        snapshots.groupBy(BUSINESS_DATE)
        .agg(F.min(time).alias("_at"))
        .withColumn("_before", F.lag(BUSINESS_DATE).over(by_day))
        .withColumn("_after", F.lead(BUSINESS_DATE).over(by_day))
        .withColumn("_next_at", F.lead("_at").over(by_day))
    )
    told = (
        snapshots.select(key, *attributes, BUSINESS_DATE, surrogate_key(*attributes).alias(VERSION_HASH))
        .join(taken, BUSINESS_DATE)
        .withColumn("_last", F.lag(BUSINESS_DATE).over(by_member))
        .withColumn("_next", F.lead(BUSINESS_DATE).over(by_member))
        .withColumn("_said", F.lag(VERSION_HASH).over(by_member))
    )
    is_new = F.col("_last").isNull() | (F.col("_last") != F.col("_before"))
    changed = told.where(is_new | (F.col("_said") != F.col(VERSION_HASH)))
    is_gone = F.col("_after").isNotNull() & (F.col("_next").isNull() | (F.col("_next") != F.col("_after")))
    gone = told.where(is_gone).withColumn("_at", F.col("_next_at")).withColumn(BUSINESS_DATE, F.col("_after"))
    parts = [
        rows.select(key, *attributes, F.col("_at").alias(time), F.lit(is_deleted).alias(IS_DELETED), BUSINESS_DATE)
        for rows, is_deleted in ((changed, False), (gone, True))
    ]
    return reduce(DataFrame.unionByName, parts)


def as_of(
    rows: DataFrame,
    dimension: DataFrame,
    history: History,
    *,
    at: str,
    key: str | None = None,
    attributes: Sequence[str] = (),
) -> DataFrame:
    """Add to each row the surrogate key of the version that was valid at its time, and attributes of it.

    No row is lost and none is doubled. A row without a key, or with one that the dimension does not know yet, belongs
    to the unknown member, of which every attribute is null.

    Args:
        rows: the rows.
        dimension: every version of every member.
        history: names the dimension's columns.
        at: the rows' column of when.
        key: the rows' column of the natural key, where it has another name.
        attributes: the dimension's columns to add.
    """
    own, surrogate = key or history.natural_key, history.surrogate_key
    valid = dimension.select(
        F.col(history.natural_key).alias("_key"),
        F.col(VALID_FROM).alias("_from"),
        F.col(VALID_TO).alias("_to"),
        F.col(surrogate).alias("_surrogate"),
        *attributes,
    )
    is_valid = (
        (F.col(own) == F.col("_key"))
        & (F.col(at) >= F.col("_from"))
        & (F.col("_to").isNull() | (F.col(at) < F.col("_to")))
    )
    return rows.join(valid, is_valid, "left").select(
        *rows.columns, F.coalesce("_surrogate", F.lit(UNKNOWN)).alias(surrogate), *attributes
    )


def _first_sightings(history: History, sightings: Sequence[DataFrame]) -> DataFrame:
    """Return when each member was first spoken of."""
    key = history.natural_key
    seen = [
        frame.select(key, F.col(time).alias(VALID_FROM))
        for frame, time in zip(sightings, history.sightings.values(), strict=True)
    ]
    every = reduce(DataFrame.unionByName, seen).where(F.col(key).isNotNull() & F.col(VALID_FROM).isNotNull())
    return every.groupBy(key).agg(F.min(VALID_FROM).alias(VALID_FROM))
