"""Decisions: what people have decided about rejected rows and held days, and how they apply to bronze's rows.

Belongs here: the table of decisions, which of them are active, and applying them before a table's transform. Bronze is
never edited: a day of silver is computed from its day of bronze and the decisions about it, so that a rebuild gives the
same rows.

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


class RecordId(NamedTuple):
    """Identifies a received record. ``source_record`` is None where a file was refused as a whole."""

    business_date: dt.date
    source_file: str
    source_version: str
    source_record: int | None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> RecordId:
        """Return the identity of a row that carries these columns."""
        return cls(*(row[name] for name in cls._fields))


@dataclass(frozen=True)
class Decision:
    """One decision of a person.

    Attributes:
        action: ``fix``, ``discard`` or ``release``.
        record_id: the record it is about; of a release only the day counts.
        batch_id: of a release: the newest batch of the day that was looked at.
        corrected: of a fix: columns of the source and their new text; None takes the value away.
        rules_version: of a release: the version of the rules that held the day; None in those of before it was kept.
        would_publish: of a release: the rows that were going to be published; a day of none needs a release of none.
    """

    action: str
    table_name: str
    record_id: RecordId
    reason: str
    decided_by: str
    batch_id: int | None = None
    corrected: Mapping[str, str | None] = field(default_factory=dict)
    decided_at: dt.datetime = field(default_factory=clock.now)
    decision_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    rules_version: str | None = None
    would_publish: int | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Decision:
        """Return the decision that a row of the table of decisions holds."""
        return cls(
            row["action"],
            row["table_name"],
            RecordId.of(row),
            row["reason"],
            row["decided_by"],
            row["batch_id"],
            json.loads(row["corrected"] or "{}"),
            row["decided_at"],
            row["decision_id"],
            row.get("rules_version"),
            row.get("would_publish"),
        )


@dataclass(frozen=True)
class ActiveDecisions:
    """The decisions that are active for some days of a table: the newest about each record, and each day's release."""

    by_record: Mapping[RecordId, Decision] = field(default_factory=dict)
    releases: Mapping[dt.date, Decision] = field(default_factory=dict)

    def followed_by(self, decisions: Iterable[Decision]) -> ActiveDecisions:
        """Return the active decisions after further ones, in their order."""
        by_record, releases = dict(self.by_record), dict(self.releases)
        for decision in decisions:
            if decision.action == RELEASE:
                releases[decision.record_id.business_date] = decision
            else:
                by_record[decision.record_id] = decision
        return replace(self, by_record=by_record, releases=releases)

    def release(self, day: dt.date, newest_batch: int, rules_version: str) -> Decision | None:
        """Return the release of a day, unless it has lapsed: something arrived since, or the rules have changed."""
        decision = self.releases.get(day)
        if decision is None or (decision.batch_id or 0) < newest_batch:
            return None
        return decision if decision.rules_version in {None, rules_version} else None


@dataclass(frozen=True)
class AppliedDecisions:
    """Rows with decisions applied, and which records among them were fixed or discarded."""

    frame: DataFrame
    fixed: frozenset[RecordId] = frozenset()
    discarded: frozenset[RecordId] = frozenset()


def active_decisions(engine: Engine, table: str, days: Sequence[dt.date]) -> ActiveDecisions:
    """Return the active decisions about some days of a table; none if nobody has ever decided anything."""
    if not days or engine.version(DECISIONS.name) is None:
        return ActiveDecisions()
    where = Predicate("business_date", tuple(days), equals=(("table_name", table),))
    rows = engine.collect(engine.read(DECISIONS.name, where)).to_pylist()
    return ActiveDecisions().followed_by(Decision.of(row) for row in sorted(rows, key=lambda row: row["decided_at"]))


def record_decisions(engine: Engine, decisions: Sequence[Decision]) -> None:
    """Append decisions; the next publication of their days applies them."""
    rows = [
        {
            "decision_id": each.decision_id,
            "action": each.action,
            "table_name": each.table_name,
            **each.record_id._asdict(),
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


def apply_decisions(
    engine: Engine, bronze: DataFrame, decisions: ActiveDecisions, sources: Sequence[str]
) -> AppliedDecisions:
    """Apply decisions to current bronze rows: leave discarded records out, replace the columns of fixed ones.

    A record that the reader could not read counts as readable once its fix gives every column that the contract
    reads (``sources``). A text that a typed column cannot hold makes its row unreadable, for the reason ``fix``.
    """
    from pyspark.sql import functions as F  # noqa: N812 - the field's name for it

    if not decisions.by_record:
        return AppliedDecisions(bronze)
    record = F.coalesce(F.col("source_record"), F.lit(_ABOUT_THE_FILE))
    wanted = _frame(engine, decisions.by_record, [])
    present = bronze.select(*_KEYS, record.alias(_RECORD)).join(F.broadcast(wanted), on=[*_KEYS, _RECORD])
    found = [RecordId.of({**row, "source_record": row[_RECORD] or None}) for row in engine.collect(present).to_pylist()]
    fixes = {each: decisions.by_record[each] for each in found if decisions.by_record[each].action == FIX}
    discards = {each: decisions.by_record[each] for each in found if decisions.by_record[each].action == DISCARD}
    if not found:
        return AppliedDecisions(bronze)
    frame = bronze.withColumn(_RECORD, record)
    if discards:
        frame = frame.join(F.broadcast(_frame(engine, discards, [])), on=[*_KEYS, _RECORD], how="left_anti")
    if fixes:
        frame = _fixed(engine, frame, fixes, sources)
    return AppliedDecisions(frame.select(*map(named, bronze.columns)), frozenset(fixes), frozenset(discards))


def records_with_ids(engine: Engine, bronze: DataFrame, record_ids: Collection[RecordId]) -> DataFrame:
    """Return bronze's rows of some records."""
    from pyspark.sql import functions as F  # noqa: N812

    record = F.coalesce(F.col("source_record"), F.lit(_ABOUT_THE_FILE))
    wanted = F.broadcast(_frame(engine, dict.fromkeys(record_ids), []))
    joined = bronze.withColumn(_RECORD, record).join(wanted, on=[*_KEYS, _RECORD], how="left_semi")
    return joined.select(*map(named, bronze.columns))


def _fixed(engine: Engine, frame: DataFrame, fixes: Mapping[RecordId, Decision], sources: Sequence[str]) -> DataFrame:
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
    engine: Engine, decisions: Mapping[RecordId, Decision | None], columns: Sequence[str], sources: Sequence[str] = ()
) -> DataFrame:
    """Return records and their corrected columns as a frame. Columns go by number: names may hold anything."""
    rows = []
    for record_id, decision in decisions.items():
        corrected = decision.corrected if decision else {}
        whole = all(name in corrected for name in sources)
        own = [value for name in columns for value in (corrected.get(name), name in corrected)]
        rows.append((*record_id[:3], record_id.source_record or _ABOUT_THE_FILE, whole, *own))
    declared = [f"_text{number} string, _given{number} boolean" for number in range(len(columns))]
    keys = f"business_date date, source_file string, source_version string, {_RECORD} bigint, _whole boolean"
    return engine.session().createDataFrame(rows, ", ".join([keys, *declared]))
