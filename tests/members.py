"""A dimension to try histories on: members, a feed of their changes, and two tables that see them.

Belongs here: the tables, their rows, and the histories that are due, worked out the plain way, in Python.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyspark.sql.types as T  # noqa: N812

from lakehouse.contracts.contract import Contract, column
from lakehouse.contracts.policy import Policy
from lakehouse.contracts.table_spec import TableSpec
from lakehouse.delta.model import TableLayout
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.base import Engine
from lakehouse.publication.publish import Publication
from lakehouse.publication.scd2 import History, publish_history
from lakehouse.tables.scd2_transforms import history_column, versions

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

HISTORY = History(
    natural_key="member",
    surrogate_key="member_key",
    attributes=("name", "size"),
    changes="silver.members",
    time="changed_at",
    sightings={"silver.visits": "visited_at", "silver.letters": "posted_at"},
)


class Members(Contract):
    """Versions of members."""

    member_key: T.StringType = column("version")
    member: T.StringType = column("member", nullable=True)
    name: T.StringType = column("name", nullable=True)
    size: T.IntegerType = column("size", nullable=True, ge=0)
    valid_from: T.TimestampType = history_column("valid_from")
    valid_to: T.TimestampType = history_column("valid_to")
    is_current: T.BooleanType = history_column("is_current")
    is_deleted: T.BooleanType = history_column("is_deleted")
    is_inferred: T.BooleanType = history_column("is_inferred")
    version_hash: T.StringType = history_column("version_hash")
    first_seen_at: T.TimestampType = history_column("first_seen_at")
    business_date: T.DateType = history_column("business_date")


TERMS = TableSpec(
    "gold.dim_members", Members, Policy(("member", "valid_from")), "business_date", "Members.", partitioned=False
)
_TIME = pa.timestamp("us", tz="UTC")
_DAY = ("business_date", pa.date32())
LAYOUTS = {
    name: TableLayout(name, pa.schema([*columns, _DAY]), ("business_date",))
    for name, columns in {
        "silver.members": [
            ("member", pa.string()),
            ("name", pa.string()),
            ("size", pa.int32()),
            ("changed_at", _TIME),
            ("is_deleted", pa.bool_()),
        ],
        "silver.visits": [("member", pa.string()), ("visited_at", _TIME)],
        "silver.letters": [("member", pa.string()), ("posted_at", _TIME)],
    }.items()
}


class Change(NamedTuple):
    """A row of the feed."""

    member: str
    name: str | None
    size: int | None
    at: dt.datetime
    is_deleted: bool | None = None


class Sighting(NamedTuple):
    """A row of another table about a member."""

    member: str | None
    at: dt.datetime
    table: str = "silver.visits"


class Version(NamedTuple):
    """What stands in the dimension, but for keys and hashes."""

    member: str | None
    name: str | None
    size: int | None
    valid_from: dt.datetime
    valid_to: dt.datetime | None
    is_current: bool
    is_deleted: bool
    is_inferred: bool
    first_seen_at: dt.datetime | None
    business_date: dt.date


def at(number: int, hour: int = 9) -> dt.datetime:
    """Return an hour of the n-th day of March 2011."""
    return dt.datetime(2011, 3, number, hour, tzinfo=dt.UTC)


def dim_members(members: DataFrame, visits: DataFrame, letters: DataFrame) -> DataFrame:
    """Return the history of members."""
    return versions(HISTORY, members, visits, letters)


def table_of(name: str, rows: Iterable[Change | Sighting]) -> pa.Table:
    """Return rows as one of the tables has them; a sighting is of one of them only."""
    schema = LAYOUTS[name].schema
    found = [
        dict(
            zip(
                schema.names,
                (*row, row.at.date()) if isinstance(row, Change) else (*row[:2], row.at.date()),
                strict=True,
            )
        )
        for row in rows
        if isinstance(row, Change) or row.table == name
    ]
    return pa.Table.from_pylist(found, schema=schema)


def frames(engine: Engine, changes: Iterable[Change], sightings: Iterable[Sighting]) -> list[DataFrame]:
    """Return the dimension's inputs as frames."""
    from pyspark.sql.pandas.types import from_arrow_schema

    seen = list(sightings)
    tables = [table_of(name, changes if name == HISTORY.changes else seen) for name in LAYOUTS]
    return [
        engine.session().createDataFrame(
            [tuple(row.values()) for row in table.to_pylist()], from_arrow_schema(table.schema)
        )
        for table in tables
    ]


def due(changes: Iterable[Change], sightings: Iterable[Sighting]) -> list[Version]:
    """Return the history that members ought to have, in order. Of changes at one time none is expected to differ."""
    said: dict[str, dict[dt.datetime, Change]] = defaultdict(dict)
    seen: dict[str, list[dt.datetime]] = defaultdict(list)
    for change in changes:
        said[change.member][change.at] = change
    for sighting in sightings:
        if sighting.member is not None:
            seen[sighting.member].append(sighting.at)
    found = []
    for member in sorted({*said, *seen}):
        first = min(seen[member], default=None)
        own = [said[member][when] for when in sorted(said[member])]
        starts = [change.at for change in own]
        if first is not None and (not starts or first < starts[0]):
            ends = starts[0] if starts else None
            found.append(Version(member, None, None, first, ends, ends is None, False, True, first, first.date()))  # noqa: FBT003
        for place, change in enumerate(own):
            ends = starts[place + 1] if place + 1 < len(starts) else None
            is_deleted = bool(change.is_deleted)
            is_current = ends is None and not is_deleted
            found.append(
                Version(
                    member,
                    change.name,
                    change.size,
                    change.at,
                    ends,
                    is_current,
                    is_deleted,
                    False,  # noqa: FBT003
                    first,
                    change.at.date(),
                )
            )
    return found


def versions_in(rows: pa.Table) -> list[Version]:
    """Return the versions in rows of the dimension, in order, without the unknown member."""
    found = [Version(*(row[name] for name in Version._fields)) for row in rows.to_pylist() if row["member"] is not None]
    return sorted(found, key=lambda version: (version.member, version.valid_from))


@dataclass
class Lake:
    """The dimension, what it is made from, and what became of each run."""

    engine: Engine
    said: list[str] = field(default_factory=list)

    def put(self, table: str, rows: Sequence[Change | Sighting], *days: dt.date) -> None:
        """Replace a table's days by rows."""
        self.engine.publish(LAYOUTS[table], table_of(table, rows), Predicate("business_date", days))

    def publish(self, *days: dt.date, run_id: str = "run") -> Publication:
        """Publish the dimension for some days."""
        return publish_history(self.engine, TERMS, HISTORY, dim_members, days, run_id=run_id, report=self.said.append)

    def rows(self, **pinned: Any) -> pa.Table:
        """Return the dimension's rows."""
        return self.engine.collect(self.engine.read(TERMS.name, **pinned))

    def versions(self, **pinned: Any) -> list[Version]:
        """Return the dimension's versions, in order."""
        return versions_in(self.rows(**pinned))
