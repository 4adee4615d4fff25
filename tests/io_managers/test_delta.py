"""The Delta IO manager inside real runs: partitions become predicates, for inputs and for outputs."""

import datetime as dt

import dagster as dg
import pytest

from io_managers.delta import DeltaIOManager, partition_predicate, table_name
from lakehouse.delta.model import MissingTableError, TableError
from lakehouse.delta.predicates import Predicate
from lakehouse.orchestration.asset_metadata import PARTITION_COLUMN
from resources.lakehouse import Lakehouse
from tests.scenario import START, day, rows

DAYS = dg.DailyPartitionsDefinition(START.isoformat(), end_date="2011-12-31")
WEEKS = dg.WeeklyPartitionsDefinition(START.isoformat(), end_date="2011-12-31", day_offset=1)
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
ONE_RUN = dg.BackfillPolicy.single_run()
KEY = dg.AssetKey(["silver", "plain"])


@pytest.fixture
def lakehouse(lake_root) -> Lakehouse:
    """The temporary lake as a resource."""
    return Lakehouse(root=str(lake_root), landing=str(lake_root / "landing"), start_date=START.isoformat())


@pytest.fixture
def materialize(lakehouse):
    """Run one asset; the others are there, but not run."""

    def run(asset, *others, **arguments):
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [asset, *others],
                selection=[asset],
                instance=instance,
                resources={"delta": DeltaIOManager(lakehouse=lakehouse), "lakehouse": lakehouse},
                **arguments,
            )

    return run


def plain_asset(query: str, **declared):
    """Return an asset of a query, in which ``{days}`` stands for the run's partitions."""
    defaults = {"partitions_def": DAYS, "metadata": {PARTITION_COLUMN: "business_date"}, "backfill_policy": ONE_RUN}

    @dg.asset(key=KEY, io_manager_key="delta", required_resource_keys={"lakehouse"}, **{**defaults, **declared})
    def plain(context: dg.AssetExecutionContext):
        keys = context.partition_keys if context.has_partition_key or context.has_partition_key_range else []
        days = ", ".join(f"(date'{key}')" for key in keys)
        return context.resources.lakehouse.engine.session().sql(query.format(days=days))

    return plain


def numbered(number: int):
    """Return an asset whose rows are its partitions, each with a number."""
    return plain_asset(f"SELECT business_date, {number} AS number FROM VALUES {{days}} AS t(business_date)")  # noqa: S608


def reader(seen: list, **declared):
    """Return an asset that keeps what it is given and publishes nothing through the IO manager."""

    @dg.asset(key=dg.AssetKey(["gold", "reader"]), io_manager_key="delta", **declared)
    def read(plain):
        seen.append(sorted(tuple(row) for row in plain.select("business_date", "number").collect()))

    return read


def plain_input(**mapping) -> dict:
    return {"plain": dg.AssetIn(key=KEY, input_manager_key="delta", **mapping)}


def across(first: dt.date, last: dt.date) -> dict:
    return {"tags": {RANGE_START: first.isoformat(), RANGE_END: last.isoformat()}}


def test_an_asset_key_is_a_table():
    assert table_name(dg.AssetKey(["silver", "transactions"])) == "silver.transactions"


def test_partition_keys_are_a_predicate_over_dates():
    predicate = partition_predicate("business_date", ["2011-03-01", "2011-03-02"])
    assert predicate == Predicate("business_date", (day(1), day(2)))


def test_no_partitions_are_no_predicate():
    with pytest.raises(ValueError, match="business_date"):
        partition_predicate("business_date", [])


def test_a_frame_replaces_the_runs_partitions_only(materialize, lakehouse):
    result = materialize(numbered(1), **across(day(1), day(4)))
    assert result.success
    again = materialize(numbered(2), partition_key="2011-03-02")
    assert rows(lakehouse.engine, "silver.plain", "business_date", "number") == [
        (day(1), 1),
        (day(2), 2),
        (day(3), 1),
        (day(4), 1),
    ]
    (materialization,) = again.asset_materializations_for_node("silver__plain")
    assert materialization.metadata["delta_version"].value == 2


def test_a_frame_with_rows_of_other_partitions_is_refused(materialize, lakehouse):
    materialize(numbered(1), **across(day(1), day(2)))
    stray = plain_asset("SELECT date'2011-03-02' AS business_date, 9 AS number")
    with pytest.raises(TableError, match=r"silver\.plain"):
        materialize(stray, partition_key="2011-03-01")
    assert rows(lakehouse.engine, "silver.plain", "business_date", "number") == [(day(1), 1), (day(2), 1)]


def test_a_constant_of_the_first_run_does_not_forbid_nulls_later(materialize, lakehouse):
    materialize(numbered(1), partition_key="2011-03-01")
    nulls = plain_asset("SELECT business_date, cast(NULL AS int) AS number FROM VALUES {days} AS t(business_date)")
    materialize(nulls, partition_key="2011-03-02")
    assert rows(lakehouse.engine, "silver.plain", "number") == [(1,), (None,)]


def test_an_asset_that_returns_nothing_writes_nothing(materialize, lakehouse):
    @dg.asset(key=KEY, io_manager_key="delta", partitions_def=DAYS)
    def plain() -> None:
        return None

    assert materialize(plain, partition_key="2011-03-01").success
    assert lakehouse.engine.version("silver.plain") is None


def test_a_frame_of_an_asset_without_partitions_is_refused(materialize, lakehouse):
    asset = plain_asset("SELECT date'2011-03-01' AS business_date", partitions_def=None, backfill_policy=None)
    with pytest.raises(dg.DagsterInvariantViolationError, match=r"silver\.plain has no partitions"):
        materialize(asset)
    assert lakehouse.engine.version("silver.plain") is None


def test_a_frame_of_an_asset_that_names_no_partition_column_is_refused(materialize, lakehouse):
    asset = plain_asset("SELECT date'2011-03-01' AS business_date", metadata={})
    with pytest.raises(
        dg.DagsterInvariantViolationError, match=r"silver\.plain is partitioned but .* no 'partition_column'; add"
    ):
        materialize(asset, partition_key="2011-03-01")
    assert lakehouse.engine.version("silver.plain") is None


def test_an_input_holds_the_partitions_of_the_run(materialize):
    source, seen = numbered(1), []
    materialize(source, **across(day(1), day(5)))
    daily = reader(seen, partitions_def=DAYS, ins=plain_input(), backfill_policy=ONE_RUN)
    materialize(daily, source, partition_key="2011-03-02")
    materialize(daily, source, **across(day(3), day(4)))
    materialize(daily, source, partition_key="2011-04-01")
    assert seen == [[(day(2), 1)], [(day(3), 1), (day(4), 1)], []]


def test_an_input_holds_the_partitions_that_a_mapping_says(materialize):
    source, seen = numbered(1), []
    materialize(source, **across(day(1), day(20)))
    weekly = reader(seen, partitions_def=WEEKS, ins=plain_input(partition_mapping=dg.TimeWindowPartitionMapping()))
    materialize(weekly, source, partition_key="2011-03-07")
    assert seen == [[(day(number), 1) for number in range(7, 14)]]


def test_an_input_without_partitions_is_the_whole_table(materialize):
    source, seen = numbered(1), []
    materialize(source, **across(day(1), day(3)))
    everything = dg.AssetSpec(KEY)
    materialize(reader(seen, ins=plain_input()), everything)
    assert seen == [[(day(number), 1) for number in (1, 2, 3)]]


def test_an_input_that_was_never_written_says_so(materialize):
    daily = reader([], partitions_def=DAYS, ins=plain_input())
    with pytest.raises(MissingTableError, match=r"silver\.plain has never been written"):
        materialize(daily, numbered(1), partition_key="2011-03-02")


def test_an_input_that_names_no_partition_column_says_so(materialize):
    materialize(numbered(1), partition_key="2011-03-02")
    daily = reader([], partitions_def=DAYS, ins=plain_input())
    silent = dg.AssetSpec(KEY, partitions_def=DAYS)
    with pytest.raises(dg.DagsterInvariantViolationError, match=r"silver\.plain is partitioned but .*partition_column"):
        materialize(daily, silent, partition_key="2011-03-02")
