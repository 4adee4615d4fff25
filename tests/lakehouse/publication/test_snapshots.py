"""A source that sends all of its members each time: a table of the differences is the feed of their dimension."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import pyspark.sql.types as T  # noqa: N812
import pytest

from lakehouse.contracts.contract import Contract, column
from lakehouse.delta.predicates import Predicate
from lakehouse.engines.sail import SailEngine
from lakehouse.publication.publish import publish_derived
from lakehouse.publication.scd2 import publish_history
from lakehouse.tables.calendars import DAILY
from lakehouse.tables.declarations import InputWindow, gold_table
from lakehouse.tables.inputs import affected_partitions, compute, load
from lakehouse.tables.scd2_transforms import changes_between
from tests.members import HISTORY, LAYOUTS, TERMS, Change, at, dim_members, due, table_of, versions_in
from tests.scenario import day

TABLES = {"silver.members": SimpleNamespace(partition_column=DAILY)}
FED = replace(HISTORY, changes="gold.member_changes")


class MemberChanges(Contract):
    """Differences between snapshots."""

    member: T.StringType = column("member")
    name: T.StringType = column("name", nullable=True)
    size: T.IntegerType = column("size", nullable=True)
    changed_at: T.TimestampType = column("time of the snapshot")
    is_deleted: T.BooleanType = column("whether the member is gone")
    business_date: T.DateType = column("day of the snapshot; the partition")


@pytest.fixture
def differences(monkeypatch):
    """The table of the differences, declared as the file of one would."""
    module = ModuleType("anywhere.gold.member_changes", "Differences.")
    module.__file__ = "anywhere/gold/member_changes.py"
    monkeypatch.setitem(sys.modules, module.__name__, module)
    made = lambda members: changes_between(members, key="member", time="changed_at", attributes=HISTORY.attributes)  # noqa: E731
    vars(module)["differences"] = made
    exec("def member_changes(silver_members): return differences(silver_members)", vars(module))  # noqa: S102
    declare = gold_table(contract=MemberChanges, key=["member"], reads={"silver_members": InputWindow(before=7)})
    return declare(vars(module)["member_changes"])


def test_snapshots_that_arrive_in_any_order_end_in_the_history_of_their_differences(lake_root, differences):
    engine = SailEngine(str(lake_root))
    snapshots = {1: {"a": "Ada", "b": "Bo"}, 3: {"a": "Ada L."}, 6: {"a": "Ada L.", "b": "Bo"}}

    def arrive(number):
        """Publish a snapshot and what follows from it; return the days whose differences have changed."""
        rows = [Change(member, name, None, at(number)) for member, name in snapshots[number].items()]
        layout = LAYOUTS["silver.members"]
        engine.publish(layout, table_of(layout.name, rows), Predicate(DAILY, (day(number),)))
        days = affected_partitions(engine, TABLES, differences, [day(number)])
        frame = compute(differences, load(engine, TABLES, differences, days), days)
        changed = publish_derived(engine, differences.terms, frame, days, run_id="run").published
        publish_history(engine, TERMS, FED, dim_members, changed, run_id="run")
        return changed

    assert arrive(6) == [day(6)]
    assert arrive(1) == [day(1), day(6)]
    assert arrive(3) == [day(3), day(6)]
    assert versions_in(engine.collect(engine.read(TERMS.name))) == due(
        [
            Change("a", "Ada", None, at(1)),
            Change("b", "Bo", None, at(1)),
            Change("a", "Ada L.", None, at(3)),
            Change("b", "Bo", None, at(3), True),  # noqa: FBT003
            Change("b", "Bo", None, at(6)),
        ],
        [],
    )
