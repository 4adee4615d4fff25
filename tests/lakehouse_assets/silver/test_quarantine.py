"""silver.quarantine: an asset that other runs write, and the check that it holds what they rejected."""

from __future__ import annotations

import datetime as dt

import dagster as dg
import pyarrow as pa
import pytest

from lakehouse.delta.predicates import Predicate
from lakehouse.delta.system_tables import LEDGER, QUARANTINE
from lakehouse.publication.audit import DayTally
from lakehouse.publication.ledger import ledger_lines
from lakehouse.quarantine.table import unaccounted
from lakehouse.settings import Settings
from lakehouse_assets.definitions import build_defs
from tests.conftest import ENGINES

on_both = pytest.mark.parametrize("engine", ENGINES, indirect=True)
DAY = dt.date(2011, 1, 4)
TABLE = "silver.transactions"


@pytest.fixture
def audited(engine):
    """A lake whose one audited day has two rejected rows, in the ledger and in quarantine."""
    audit(engine, rejected=2)
    rows = [{"table_name": TABLE, "business_date": DAY, "rules": ["quantity:readable"]}] * 2
    where = Predicate("business_date", (DAY,), equals=(("table_name", TABLE),))
    engine.publish(QUARANTINE, pa.Table.from_pylist(rows, schema=QUARANTINE.schema), where)
    return engine


def audit(engine, rejected: int) -> None:
    lines = ledger_lines(
        TABLE,
        {DAY: DayTally(rows_in=10, published=10 - rejected, rejected=rejected)},
        {},
        run_id="r",
        recorded_at=dt.datetime.now(tz=dt.UTC),
        version=0,
    )
    engine.append(LEDGER, lines)


def test_quarantine_that_holds_what_was_rejected_is_accounted_for(audited):
    assert unaccounted(audited) == []


@on_both
def test_a_row_missing_from_quarantine_is_named_by_table_and_day(audited):
    audit(audited, rejected=3)

    assert unaccounted(audited) == [f"{TABLE} {DAY}: 2 open rows in quarantine, 3 rejected"]


def test_rows_that_no_audit_rejected_are_named(audited):
    audit(audited, rejected=0)

    assert unaccounted(audited) == [f"{TABLE} {DAY}: 2 open rows in quarantine, 0 rejected"]


def test_the_check_of_the_asset_runs_and_fails_on_a_difference(audited, lake_root):
    audit(audited, rejected=3)
    definitions = build_defs(Settings(root=str(lake_root)))
    key = dg.AssetCheckKey(dg.AssetKey(["silver", "quarantine"]), "accounted")

    done = (
        definitions.resolve_implicit_global_asset_job_def()
        .get_subset(asset_check_selection={key})
        .execute_in_process(instance=dg.DagsterInstance.ephemeral())
    )

    (evaluation,) = done.get_asset_check_evaluations()
    assert not evaluation.passed
    assert "2 open rows in quarantine, 3 rejected" in (evaluation.description or "")


def test_lineage_leads_from_what_silver_is_made_of_to_quarantine(lake_root):
    graph = build_defs(Settings(root=str(lake_root))).resolve_asset_graph()

    parents = graph.get(dg.AssetKey(["silver", "quarantine"])).parent_keys

    sources = ("clicks", "customers", "inventory", "products", "transactions")
    assert {key.to_user_string() for key in parents} == {f"bronze/{source}" for source in sources}
