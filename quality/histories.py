"""Histories: publishing a dimension that keeps every version of its members, key by key.

Belongs here: which keys some days touch, their history as it was and as it ought to be, the one merge of the rows that
differ, and the days whose facts are about another version since. How versions follow from changes is the table's own
function; what a day of another table is made from, that table's.

A dimension's own rows say everything that its feed has said: each but the inferred ones is a change. So a history is
built again from them and from the days at hand, and no other day of silver is read for it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quality.publication import Publication

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from quality.publication import Report, Terms
    from resources.engine import Engine

VALID_FROM, VALID_TO, IS_CURRENT, IS_DELETED = "valid_from", "valid_to", "is_current", "is_deleted"
IS_INFERRED, VERSION_HASH, FIRST_SEEN_AT, BUSINESS_DATE = (
    "is_inferred",
    "version_hash",
    "first_seen_at",
    "business_date",
)
UNKNOWN = "UNKNOWN"
"""The surrogate key of the unknown member, to which a fact without a key belongs."""
AFFECTED = "affected"
"""In the metadata of a commit: the days that have to be made again because of it."""


@dataclass(frozen=True)
class History:
    """What a dimension's history is made from.

    Attributes:
        natural_key: the column that names a member, the same in the dimension and in every table it is made from.
        surrogate_key: the dimension's column that names a version of a member.
        attributes: what is known of a member, by the columns of the feed, which are those of the dimension.
        changes: the table of the feed, such as ``silver.customers``: one row per change of a member. The partition of a
            row is the day of its time. A column ``is_deleted``, if there is one, says that the change was the last.
        time: the feed's column of when a change took place.
        sightings: the tables that speak of members, and their column of when; of both the partition is the day of it.
    """

    natural_key: str
    surrogate_key: str
    attributes: tuple[str, ...]
    changes: str
    time: str
    sightings: Mapping[str, str]

    @property
    def tables(self) -> list[str]:
        """The tables that it is made from, the feed first."""
        return [self.changes, *self.sightings]


def publish_history(
    engine: Engine,
    terms: Terms,
    history: History,
    transform: Callable[..., DataFrame],
    days: Sequence[dt.date],
    *,
    run_id: str,
    report: Report = lambda _: None,
) -> Publication:
    """Bring the histories of the members that some days touch to what they ought to be, in one merge.

    The tables that the dimension is made from are read here; any of them may never have been written.

    Args:
        engine: where the tables are.
        terms: the dimension, its contract and policy.
        history: what it is made from.
        transform: its own function, from the feed and the sightings to the history of the members in them.
        days: the days of the feed and of the sightings that have changed.
        run_id: kept with the commit and the ledger's lines.
        report: told in a sentence what is not evaluated.

    Returns:
        Of each of the days, its audit. ``unchanged`` holds them all where no row differs, and then nothing is
        committed. ``affected`` are the days whose facts are about another version now, or about one that says
        something else, or on which a member was first seen, or is not any more.
    """
    raise NotImplementedError


def unreported(engine: Engine, table: str, since: int | None) -> list[dt.date]:
    """Return the days affected by a dimension's commits after a version; of all its commits where that is None.

    A run may have committed and died before it could say so; what it would have said is kept with the commit.
    """
    raise NotImplementedError
