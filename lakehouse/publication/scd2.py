"""Histories: publishing a dimension that keeps every version of its members, key by key.

Belongs here: which keys some days touch, their history as it was and as it ought to be, the one merge of the rows that
differ, and the days whose facts are about another version since. How versions follow from changes is the table's own
function; what a day of another table is made from, that table's.

A dimension's own rows say everything that its feed has said: each but the inferred ones is a change. So a history is
built again from them and from the days at hand, and no other day of silver is read for it.
"""

from __future__ import annotations

import bisect
import contextlib
import datetime as dt
import functools
import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lakehouse.contracts.contract import columns_of, spark_schema
from lakehouse.delta.model import MissingTableError
from lakehouse.delta.predicates import Predicate
from lakehouse.publication.audit import Audit, DayTally, HeldError
from lakehouse.publication.digests import to_contract
from lakehouse.publication.publish import AFFECTED, Publication, spans, write_ledger
from lakehouse.publication.validation import judge_derived

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

    from lakehouse.contracts.table_spec import TableSpec
    from lakehouse.engines.base import Engine
    from lakehouse.publication.publish import Report

    Members = dict[Any, dt.datetime | None]
    """Members by their natural key, and when each was first seen."""
    Span = tuple[Any, dt.datetime, dt.datetime | None]
    """A member, and from when until when; None is forever."""

VALID_FROM, VALID_TO, IS_CURRENT, IS_DELETED = "valid_from", "valid_to", "is_current", "is_deleted"
IS_INFERRED, VERSION_HASH, FIRST_SEEN_AT, BUSINESS_DATE = (
    "is_inferred",
    "version_hash",
    "first_seen_at",
    "business_date",
)
UNKNOWN = "UNKNOWN"
"""The surrogate key of the unknown member, to which a fact without a key belongs."""
_FIRST, _FIRST_DAY, _FED, _SEEN, _GONE = "_first", "_first_day", "_fed", "_seen", "_gone"


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
    terms: TableSpec,
    history: History,
    transform: Callable[..., DataFrame],
    days: Sequence[dt.date],
    *,
    run_id: str,
    report: Report = lambda _: None,
) -> Publication:
    """Rebuild the histories of the members that some days affect, and merge them in one commit.

    The tables that the dimension is made from are read here; any of them may never have been written.

    Args:
        engine: where the tables are.
        terms: the dimension, its contract and policy.
        history: what it is made from.
        transform: its own function, from the feed and the sightings to the history of the members in them.
        days: the days of the feed and of the sightings that have changed.
        run_id: kept with the commit and the ledger's lines.
        report: told in a sentence what is not evaluated, and what has changed.

    Returns:
        Of each day for which rows differ, its audit; the others are ``unchanged``, and where no row differs nothing is
        committed. ``affected`` are the days whose facts are about another version now, or about one that says
        something else, and those on which a member was first seen, or is not any more. A row that a rule rejects
        holds all of the days.
    """
    dimension = _Dimension(engine, terms, history, tuple(days))
    touched = dimension.touched()
    result = Publication()
    if not touched and dimension.is_written:
        result.unchanged = set(days)
        there = dimension.rows_of(days)
        result.rows = {day: tally.published for day, tally in there.items()}
        write_ledger(engine, terms, there, result, run_id)
        return result
    audit = Audit(BUSINESS_DATE, {day: DayTally() for day in days}, terms.policy, contract=terms.contract, strict=True)
    due = dimension.due(transform, touched)
    judged = judge_derived(due, terms.contract, key=terms.policy.key, tables=engine.read, report=report)
    try:
        after = pa.Table.from_batches([*audit.stream(iter(engine.collect(judged).to_batches()))])
    except HeldError:
        reasons = audit.reasons()
        whole = "; ".join(f"{day}: {why}" for day, why in sorted(reasons.items()))
        result.held = {day: reasons.get(day, f"it is published with others: {whole}") for day in days}
        result.tallies = {day: audit.tallies[day] for day in days}
        write_ledger(engine, terms, result.tallies, result, run_id)
        return result
    before = engine.collect(dimension.there(touched)).cast(after.schema)
    change = _Change(history, before.to_pylist(), after.to_pylist())
    if change.days:
        result.affected = sorted(change.first_seen_on | dimension.seen_within(change.spans()))
        result.version = engine.merge(
            terms.layout,
            change.rows(before, after),
            [history.surrogate_key],
            gone=_GONE,
            metadata={
                "run_id": run_id,
                "rules_version": terms.rules_version,
                AFFECTED: spans(result.affected),
            },
        )
        report(change.sentence(terms.name, result.affected))
    result.unchanged = {*days} - change.days - {*result.affected}
    result.tallies = {day: audit.tallies[day] for day in days if day not in result.unchanged}
    result.rows = {day: audit.tallies[day].published for day in result.unchanged}
    # A day that needs no commit has its line, too: it may have been held before, or a run may have died before that.
    others = dimension.rows_of(change.days - {*days})
    write_ledger(engine, terms, {**{day: audit.tallies[day] for day in days}, **others}, result, run_id)
    return result


def publish_histories(
    engine: Engine,
    terms: TableSpec,
    history: History,
    transform: Callable[..., DataFrame],
    days: Iterable[dt.date],
    *,
    run_id: str,
    report: Report = lambda _: None,
) -> Publication:
    """Publish the histories that some days touch, then those of the days affected, until none is left.

    A day that is reported as affected counts as made: what has changed on the day itself must be in it by then.
    """
    result, taken = Publication(), set[dt.date]()
    while more := sorted({*days, *result.affected} - taken):
        part = publish_history(engine, terms, history, transform, more, run_id=run_id, report=report)
        taken.update(more)
        result.extend(part)
        result.unchanged -= {*result.affected}
    return result


@dataclass(frozen=True)
class _Dimension:
    """A dimension as it is, and what it is made from, seen from some days."""

    engine: Engine
    terms: TableSpec
    history: History
    days: tuple[dt.date, ...]

    @property
    def is_written(self) -> bool:
        return self.engine.version(self.terms.name) is not None

    @functools.cached_property
    def rows(self) -> DataFrame:
        """Every version there is; none if it was never written."""
        try:
            return to_contract(self.engine.read(self.terms.name), self.terms.contract)
        except MissingTableError:
            return self.engine.session().createDataFrame([], spark_schema(self.terms.contract))

    def touched(self) -> Members:
        """Return the members whose history may differ because of the days, and when each was first seen.

        These are the members that the feed speaks of on the days or did before, and those that were first seen on them
        or are now.
        """
        from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

        rows, key = self.rows, self.history.natural_key  # there must be a session before there are expressions
        never, on_days = F.lit(None).cast("timestamp"), self._on_days
        of_feed, seen = F.lit(True), F.col(_SEEN)  # noqa: FBT003 - a literal takes no name
        is_change = on_days & ~F.col(IS_INFERRED)
        known = rows.select(key, F.col(FIRST_SEEN_AT).alias(_FIRST), is_change.alias(_FED), never.alias(_SEEN))
        fed = self._feed().select(key, never.alias(_FIRST), of_feed.alias(_FED), never.alias(_SEEN))
        sighted = self._sightings(on_days).select(key, never.alias(_FIRST), (~of_feed).alias(_FED), _SEEN)
        members = (
            known.unionByName(fed)
            .unionByName(sighted)
            .where(F.col(key).isNotNull())
            .groupBy(key)
            .agg(*[how(name).alias(name) for how, name in ((F.max, _FIRST), (F.max, _FED), (F.min, _SEEN))])
            .withColumn(_FIRST_DAY, F.to_date(_FIRST))
        )
        was_on_days = Predicate(_FIRST_DAY, self.days).column()
        is_earlier = seen.isNotNull() & (F.col(_FIRST).isNull() | (seen < F.col(_FIRST)))
        found = self.engine.collect(members.where(F.col(_FED) | was_on_days | is_earlier)).to_pylist()
        return self._first_sightings(found)

    def _first_sightings(self, members: Sequence[Mapping[str, Any]]) -> Members:
        """Return when members are first seen now.

        Only of a member whose first sighting was on one of the days, and is not there any more, later days are asked.
        """
        from pyspark.sql import functions as F  # noqa: N812

        key, taken = self.history.natural_key, {*self.days}
        found = {}
        lost: dict[Any, dt.date] = {}
        for member in members:
            first, seen, first_day = member[_FIRST], member[_SEEN], member[_FIRST_DAY]
            if first_day in taken:
                found[member[key]] = seen
                if seen is None or seen > first:
                    lost[member[key]] = first_day
            else:
                found[member[key]] = min((when for when in (first, seen) if when is not None), default=None)
        if lost:
            elsewhere = (F.col(BUSINESS_DATE) >= F.lit(min(lost.values()))) & ~self._on_days
            later = self._sightings(elsewhere).join(self._frame([(name, None) for name in lost]).select(key), key)
            for row in self.engine.collect(later.groupBy(key).agg(F.min(_SEEN).alias(_SEEN))).to_pylist():
                name = row[key]
                found[name] = min(when for when in (found[name], row[_SEEN]) if when is not None)
        return found

    def due(self, transform: Callable[..., DataFrame], touched: Members) -> DataFrame:
        """Return the history that some members ought to have."""
        from pyspark.sql import functions as F  # noqa: N812

        key, members = self.history.natural_key, self._frame(touched.items())
        others = self.rows.where(~F.col(IS_INFERRED) & ~self._on_days).join(members.select(key), key)
        said = others.select(
            key,
            *self.history.attributes,
            F.col(VALID_FROM).alias(self.history.time),
            IS_DELETED,
            BUSINESS_DATE,
        )
        # When a member was first seen stands for all its sightings, in whichever table.
        seen = [
            members.where(F.col(_SEEN).isNotNull() if place == 0 else F.lit(False)).select(  # noqa: FBT003
                key, F.col(_SEEN).alias(time), F.to_date(_SEEN).alias(BUSINESS_DATE)
            )
            for place, time in enumerate(self.history.sightings.values())
        ]
        return transform(said.unionByName(self._feed()), *seen)

    def there(self, touched: Members) -> DataFrame:
        """Return the history that some members have, and the unknown member."""
        from pyspark.sql import functions as F  # noqa: N812

        key, names = self.history.natural_key, [column.name for column in columns_of(self.terms.contract)]
        of_members = self.rows.join(self._frame(touched.items()).select(key), key).select(*names)
        return self.rows.where(F.col(key).isNull()).select(*names).unionByName(of_members)

    def seen_within(self, spans: Sequence[Span]) -> set[dt.date]:
        """Return the days on which members are seen within some spans of time."""
        from pyspark.sql import functions as F  # noqa: N812
        from pyspark.sql import types as T  # noqa: N812

        if not spans:
            return set()
        key, types = self.history.natural_key, self._types()
        fields = [(key, types[key]), (VALID_FROM, T.TimestampType()), (VALID_TO, T.TimestampType())]
        schema = T.StructType([T.StructField(name, type_) for name, type_ in fields])
        within = self.engine.session().createDataFrame(list(spans), schema)
        is_near = F.col(BUSINESS_DATE) >= F.lit(min(start for _, start, _ in spans).date())
        ends = [end for _, _, end in spans if end is not None]
        if len(ends) == len(spans):
            is_near &= F.col(BUSINESS_DATE) <= F.lit(max(ends).date())
        is_within = (F.col(_SEEN) >= F.col(VALID_FROM)) & (F.col(VALID_TO).isNull() | (F.col(_SEEN) < F.col(VALID_TO)))
        seen = self._sightings(is_near).join(within, key).where(is_within).select(BUSINESS_DATE).distinct()
        return set(self.engine.collect(seen).column(BUSINESS_DATE).to_pylist())

    def rows_of(self, days: Collection[dt.date]) -> dict[dt.date, DayTally]:
        """Return how many rows the dimension has of some days, as it is now."""
        from pyspark.sql import functions as F  # noqa: N812

        if not days:
            return {}
        rows = self.engine.read(self.terms.name, Predicate(BUSINESS_DATE, tuple(days)))
        counted = self.engine.collect(rows.groupBy(BUSINESS_DATE).agg(F.count(F.lit(1)).alias("rows"))).to_pylist()
        found = {row[BUSINESS_DATE]: row["rows"] for row in counted}
        return {day: DayTally(published=found.get(day, 0)) for day in days}

    @functools.cached_property
    def _on_days(self) -> Column:
        return Predicate(BUSINESS_DATE, self.days).column()

    def _feed(self) -> DataFrame:
        """Return the feed's rows of the days."""
        from pyspark.sql import functions as F  # noqa: N812

        names = [self.history.natural_key, *self.history.attributes, self.history.time]
        try:
            rows = self.engine.read(self.history.changes).where(self._on_days)
        except MissingTableError:
            return self._nothing([*names, IS_DELETED, BUSINESS_DATE])
        is_deleted = F.col(IS_DELETED) if IS_DELETED in rows.columns else F.lit(False)  # noqa: FBT003
        return rows.select(*names, is_deleted.alias(IS_DELETED), BUSINESS_DATE)

    def _sightings(self, where: Column) -> DataFrame:
        """Return members and when they are seen, in every table that speaks of them, on some days."""
        from pyspark.sql import functions as F  # noqa: N812

        frames = [self._nothing([self.history.natural_key, _SEEN, BUSINESS_DATE])]
        for table, time in self.history.sightings.items():
            with contextlib.suppress(MissingTableError):
                rows = self.engine.read(table).where(where)
                frames.append(rows.select(self.history.natural_key, F.col(time).alias(_SEEN), BUSINESS_DATE))
        return functools.reduce(lambda left, right: left.unionByName(right), frames[1:] or frames)

    def _nothing(self, names: Sequence[str]) -> DataFrame:
        """Return no rows, of columns that the dimension has and of others that are times."""
        from pyspark.sql import types as T  # noqa: N812

        types = self._types()
        fields = [T.StructField(name, types.get(name, T.TimestampType())) for name in names]
        return self.engine.session().createDataFrame([], T.StructType(fields))

    def _frame(self, members: Iterable[tuple[Any, dt.datetime | None]]) -> DataFrame:
        """Return members and when they were first seen."""
        from pyspark.sql import types as T  # noqa: N812

        key, types = self.history.natural_key, self._types()
        schema = T.StructType([T.StructField(key, types[key]), T.StructField(_SEEN, T.TimestampType())])
        return self.engine.session().createDataFrame(list(members), schema)

    def _types(self) -> dict[str, DataType]:
        return {column.name: column.type for column in columns_of(self.terms.contract)}


class _Change:
    """How the histories of some members have changed.

    Attributes:
        days: the days of the rows that differ: of their changes, or of their first sightings where nothing is known.
        first_seen_on: the days of the first sightings of members that were first seen at another time before.
    """

    def __init__(self, history: History, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> None:
        """Compare the rows that there are with those that there ought to be."""
        self._history = history
        known = {row[history.surrogate_key]: row for row in before}
        stay = {row[history.surrogate_key] for row in after}
        self._is_new = [known.get(row[history.surrogate_key]) != row for row in after]
        self._is_gone = [row[history.surrogate_key] not in stay for row in before]
        differ = [*itertools.compress(after, self._is_new), *itertools.compress(before, self._is_gone)]
        names = {row[history.natural_key] for row in differ}
        self._before, self._after = self._of(before, names), self._of(after, names)
        self.days = {row[BUSINESS_DATE] for row in differ}
        self.days |= {
            known[row[history.surrogate_key]][BUSINESS_DATE] for row in differ if row[history.surrogate_key] in known
        }
        self.first_seen_on = {
            when.date()
            for name in names
            if (first := _first_seen(self._before[name])) != (now := _first_seen(self._after[name]))
            for when in (first, now)
            if when is not None
        }

    def rows(self, before: pa.Table, after: pa.Table) -> pa.Table:
        """Return the rows to merge."""
        new = after.filter(pa.array(self._is_new, pa.bool_()))
        gone = before.filter(pa.array(self._is_gone, pa.bool_()))
        marked = [
            rows.append_column(_GONE, pa.repeat(is_gone, rows.num_rows))
            for rows, is_gone in ((new, pa.scalar(False)), (gone, pa.scalar(True)))  # noqa: FBT003
        ]
        return pa.concat_tables(marked)

    def spans(self) -> list[Span]:
        """Return for which members and times there is another version now, or one that says something else."""
        found: list[Span] = []
        for name in self._after.keys() | self._before.keys():
            if name is not None:
                found += [(name, *span) for span in self._differing(self._before[name], self._after[name])]
        return found

    def sentence(self, table: str, affected: Sequence[dt.date]) -> str:
        """Say what has changed."""
        return (
            f"{table}: {sum(self._is_new):,} rows new or changed, {sum(self._is_gone):,} gone; "
            f"{len(affected):,} days have to be restated"
        )

    def _of(self, rows: Sequence[dict[str, Any]], names: set[Any]) -> dict[Any, list[dict[str, Any]]]:
        """Return the versions of some members, in their order."""
        found: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row[VALID_FROM]):
            if row[self._history.natural_key] in names:
                found[row[self._history.natural_key]].append(row)
        return found

    def _differing(
        self, before: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]]
    ) -> Iterator[tuple[dt.datetime, dt.datetime | None]]:
        """Return the spans in which what is said of a member differs."""
        edges = sorted({row[VALID_FROM] for row in [*before, *after]})
        for start, end in itertools.pairwise([*edges, None]):
            if self._said(before, start) != self._said(after, start):
                yield start, end

    def _said(self, versions: Sequence[dict[str, Any]], at: dt.datetime) -> tuple[Any, ...] | None:
        place = bisect.bisect_right(versions, at, key=lambda row: row[VALID_FROM])
        if place == 0:
            return None
        return tuple(versions[place - 1][name] for name in (self._history.surrogate_key, VERSION_HASH, IS_DELETED))


def _first_seen(versions: Sequence[dict[str, Any]]) -> dt.datetime | None:
    return versions[0][FIRST_SEEN_AT] if versions else None
