"""Decisions: what people have decided about rejected rows and held days, and how bronze's rows heed it.

Belongs here: the table of decisions, which of them count, and their place before a table's transform. Bronze is never
edited: silver's day is made from bronze's day and the decisions about it, so that a rebuild comes to the same.

``fix``      replaces columns of one received record, before it is typed
``discard``  takes one record out, for good
``release``  publishes a held day as it is; it lapses when anything new arrives for the day, or its rules change

Of the decisions about a record the newest counts.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from lakehouse import clock
from lakehouse.contracts.casting import named
from lakehouse.delta.predicates import Predicate
from lakehouse.delta.system_tables import DECISIONS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame
    from pyspark.sql.types import DataType

    from lakehouse.engines.base import Engine

FIX, DISCARD, RELEASE = "fix", "discard", "release"


_KEYS = ("business_date", "source_file", "source_version")
_RECORD = "_record"
_ABOUT_THE_FILE = 0
"""Stands for the record that is none in a join; records count from 1."""


class Place(NamedTuple):
    """Where a received row stands. ``source_record`` is None for what is said of a file that was refused whole."""

    business_date: dt.date
    source_file: str
    source_version: str
    source_record: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Place:
        """Return the place of a row that carries it."""
        return cls(*(row[name] for name in cls._fields))


@dataclass(frozen=True)
class Decision:
    """One decision of a person.

    Attributes:
        action: ``fix``, ``discard`` or ``release``.
        place: the record it is about; of a release only the day counts.
        batch_id: of a release: the newest batch of the day that was looked at.
        corrected: of a fix: columns of the source and their new text; None takes the value away.
        rules_version: of a release: the version of the rules that held the day; None in those of before it was kept.
        would_publish: of a release: the rows that were going to be published; a day of none needs a release of none.
    """

    action: str
    table_name: str
    place: Place
    reason: str
    decided_by: str
    batch_id: int | None = None
    corrected: Mapping[str, str | None] = field(default_factory=dict)
    decided_at: dt.datetime = field(default_factory=clock.now)
    decision_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    rules_version: str | None = None
    would_publish: int | None = None


@dataclass(frozen=True)
class Decided:
    """The decisions that count about some days of a table: the newest of each record, and of each day's release."""

    records: Mapping[Place, Decision] = field(default_factory=dict)
    releases: Mapping[dt.date, Decision] = field(default_factory=dict)

    def with_(self, decisions: Iterable[Decision]) -> Decided:
        """Return what counts after further decisions, in their order."""
        records, releases = dict(self.records), dict(self.releases)
        for decision in decisions:
            if decision.action == RELEASE:
                releases[decision.place.business_date] = decision
            else:
                records[decision.place] = decision
        return replace(self, records=records, releases=releases)

    def release(self, day: dt.date, newest_batch: int, rules_version: str) -> Decision | None:
        """Return the release of a day unless it has lapsed: of what is judged now, or by what, nobody has looked at."""
        decision = self.releases.get(day)
        if decision is None or (decision.batch_id or 0) < newest_batch:
            return None
        return decision if decision.rules_version in {None, rules_version} else None


@dataclass(frozen=True)
class Heeded:
    """Rows after decisions, and the places of the rows that are there and have a fix, or were taken out."""

    frame: DataFrame
    fixed: frozenset[Place] = frozenset()
    discarded: frozenset[Place] = frozenset()


def decisions_about(engine: Engine, table: str, days: Sequence[dt.date]) -> Decided:
    """Return the decisions about some days of a table; none where nobody has ever decided anything."""
    if not days or engine.version(DECISIONS.name) is None:
        return Decided()
    where = Predicate("business_date", tuple(days), equals=(("table_name", table),))
    rows = engine.collect(engine.read(DECISIONS.name, where)).to_pylist()
    return Decided().with_(_decision(row) for row in sorted(rows, key=lambda row: row["decided_at"]))


def record_decisions(engine: Engine, decisions: Sequence[Decision]) -> None:
    """Append decisions; the next publication of their days heeds them."""
    rows = [
        {
            "decision_id": each.decision_id,
            "action": each.action,
            "table_name": each.table_name,
            **each.place._asdict(),
            "batch_id": each.batch_id,
            "corrected": json.dumps(dict(each.corrected), ensure_ascii=False) if each.corrected else None,
            "reason": each.reason,
            "decided_by": each.decided_by,
            "decided_at": each.decided_at,
            "rules_version": each.rules_version,
            "would_publish": each.would_publish,
        }
        for each in decisions
    ]
    engine.append(DECISIONS, pa.Table.from_pylist(rows, schema=DECISIONS.schema))


def _decision(row: Mapping[str, Any]) -> Decision:
    return Decision(
        row["action"],
        row["table_name"],
        Place.of(row),
        row["reason"],
        row["decided_by"],
        row["batch_id"],
        json.loads(row["corrected"] or "{}"),
        row["decided_at"],
        row["decision_id"],
        row.get("rules_version"),
        row.get("would_publish"),
    )


def heed(engine: Engine, bronze: DataFrame, decided: Decided, sources: Sequence[str]) -> Heeded:
    """Apply decisions to bronze rows that count: discarded ones are left out, fixed ones have their columns replaced.

    A record that the reader could not read is taken for readable once its fix gives every column that the contract
    is typed from (``sources``). A text that a typed column cannot hold makes its row one that could not be read, for
    the reason ``fix``.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    if not decided.records:
        return Heeded(bronze)
    record = F.coalesce(F.col("source_record"), F.lit(_ABOUT_THE_FILE))
    asked = _frame(engine, decided.records, [])
    present = bronze.select(*_KEYS, record.alias(_RECORD)).join(F.broadcast(asked), on=[*_KEYS, _RECORD])
    places = [Place.of({**row, "source_record": row[_RECORD] or None}) for row in engine.collect(present).to_pylist()]
    fixes = {place: decided.records[place] for place in places if decided.records[place].action == FIX}
    discards = {place: decided.records[place] for place in places if decided.records[place].action == DISCARD}
    if not places:
        return Heeded(bronze)
    frame = bronze.withColumn(_RECORD, record)
    if discards:
        frame = frame.join(F.broadcast(_frame(engine, discards, [])), on=[*_KEYS, _RECORD], how="left_anti")
    if fixes:
        frame = _fixed(engine, frame, fixes, sources)
    return Heeded(frame.select(*map(named, bronze.columns)), frozenset(fixes), frozenset(discards))


def at_places(engine: Engine, bronze: DataFrame, places: Collection[Place]) -> DataFrame:
    """Return bronze's rows that stand at some places."""
    from pyspark.sql import functions as F  # noqa: N812

    record = F.coalesce(F.col("source_record"), F.lit(_ABOUT_THE_FILE))
    asked = F.broadcast(_frame(engine, dict.fromkeys(places), []))
    joined = bronze.withColumn(_RECORD, record).join(asked, on=[*_KEYS, _RECORD], how="left_semi")
    return joined.select(*map(named, bronze.columns))


def _fixed(engine: Engine, frame: DataFrame, fixes: Mapping[Place, Decision], sources: Sequence[str]) -> DataFrame:
    """Replace the columns that fixes name."""
    from pyspark.sql import functions as F  # noqa: N812

    types = {each.name: each.dataType for each in frame.schema.fields}
    columns = [name for name in types if any(name in fix.corrected for fix in fixes.values())]
    joined = frame.join(F.broadcast(_frame(engine, fixes, columns, sources)), on=[*_KEYS, _RECORD], how="left")
    reason = F.when(F.col("_whole"), F.lit(None)).otherwise(F.col("reject_reason"))
    changed = {}
    for number, name in enumerate(columns):
        text, given = F.col(f"_text{number}"), F.coalesce(F.col(f"_given{number}"), F.lit(False))  # noqa: FBT003
        value = _cast(text, types[name])
        changed[name] = F.when(given, value).otherwise(named(name))
        misfit = given & text.isNotNull() & value.isNull()
        told = F.concat(F.lit("fix: "), text, F.lit(f" is no {types[name].simpleString()} for {name}"))
        reason = F.when(misfit, told).otherwise(reason)
    changed["reject_reason"] = reason
    return joined.select(*[changed.get(name, named(name)).alias(name) for name in types])


def _cast(text: Column, wanted: DataType) -> Column:
    from pyspark.sql import functions as F  # noqa: N812
    from pyspark.sql import types as T  # noqa: N812

    return text if isinstance(wanted, T.StringType) else F.trim(text).try_cast(wanted)


def _frame(
    engine: Engine, decisions: Mapping[Place, Decision | None], columns: Sequence[str], sources: Sequence[str] = ()
) -> DataFrame:
    """Return the places of decisions as a frame, with the corrected columns by number: names may hold anything."""
    rows = []
    for place, decision in decisions.items():
        corrected = decision.corrected if decision else {}
        whole = all(name in corrected for name in sources)
        own = [value for name in columns for value in (corrected.get(name), name in corrected)]
        rows.append((*place[:3], place.source_record or _ABOUT_THE_FILE, whole, *own))
    declared = [f"_text{number} string, _given{number} boolean" for number in range(len(columns))]
    keys = f"business_date date, source_file string, source_version string, {_RECORD} bigint, _whole boolean"
    return engine.session().createDataFrame(rows, ", ".join([keys, *declared]))
