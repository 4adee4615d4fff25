"""Current file versions: which of bronze's rows still count, and how many rows there are to account for.

Belongs here: the rule by which a newer version of a file replaces an older one within a business date. Bronze itself
is never rewritten.

A file's newest readable version counts, by batch number. A version that was refused whole (``file:<kind>``) replaces
nothing: the rows of the last readable version stay, and the refusal stands beside them until a readable version comes.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakehouse.contracts.row_outcome import SUPERSEDED_MARK
from lakehouse.publication.audit import DayTally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from lakehouse.engines.base import Engine

_VERSION = ("business_date", "source_file", "batch_id")


@dataclass(frozen=True)
class CurrentRows:
    """The bronze rows that count, and a tally per day that already knows rows in, late and superseded rows.

    Attributes:
        versions: the file versions that count: day, file, batch.
        contents: the same by what they hold, for a version may be taken in again: day, file, source version.
        newest: the newest batch of each day that has any, whatever it brought.
    """

    frame: DataFrame
    tallies: dict[dt.date, DayTally]
    versions: frozenset[tuple[dt.date, str, int]]
    contents: frozenset[tuple[dt.date, str, str]]
    newest: dict[dt.date, int]


def current_rows(engine: Engine, bronze: DataFrame, days: Sequence[dt.date]) -> CurrentRows:
    """Leave superseded rows out of bronze's rows of some days, and count what is in."""
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    reason = F.coalesce(F.col("reject_reason"), F.lit(""))
    kind = (
        F.when(reason.startswith(SUPERSEDED_MARK), "mark").when(reason.startswith("file:"), "refusal").otherwise("row")
    )
    counted = engine.collect(
        bronze.groupBy(*_VERSION, kind.alias("kind")).agg(
            F.count(F.lit(1)).alias("rows"),
            F.max("landing_date").alias("landing_date"),
            F.max("source_version").alias("source_version"),
        )
    ).to_pylist()
    tallies = {day: DayTally(rows_in=0) for day in days}
    newest: dict[tuple[dt.date, str, bool], int] = defaultdict(lambda: -1)
    for version in counted:
        of_file = (version["business_date"], version["source_file"], version["kind"] == "refusal")
        newest[of_file] = max(newest[of_file], version["batch_id"])
    stale, marked, counting, contents = [], False, set(), set()
    last: dict[dt.date, int] = {}
    for version in counted:
        day, file, batch = (version[name] for name in _VERSION)
        marked |= version["kind"] == "mark"
        last[day] = max(last.get(day, batch), batch)
        replaced = batch < newest[day, file, False] or (
            version["kind"] == "refusal" and batch < newest[day, file, True]
        )
        if version["kind"] != "mark":
            tally = tallies[day]
            tally.rows_in = (tally.rows_in or 0) + version["rows"]
            tally.late += version["rows"] if version["landing_date"] > day else 0
            tally.superseded += version["rows"] if replaced else 0
            if replaced:
                stale.append((day, file, batch))
            else:
                counting.add((day, file, batch))
                contents.add((day, file, version["source_version"]))
    frame = bronze.where(~reason.startswith(SUPERSEDED_MARK)) if marked else bronze
    if stale:
        replaced_versions = engine.session().createDataFrame(
            stale, "business_date date, source_file string, batch_id bigint"
        )
        frame = frame.join(F.broadcast(replaced_versions), on=list(_VERSION), how="left_anti")
    return CurrentRows(frame, tallies, frozenset(counting), frozenset(contents), last)
