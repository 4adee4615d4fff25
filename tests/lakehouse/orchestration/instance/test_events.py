"""What a step records for each day of a range is what automation, the checks tab and queries see."""

from __future__ import annotations

import dagster as dg
import pytest

from lakehouse.orchestration.instance.events import (
    latest_materializations,
    record_check_evaluations,
    record_materializations,
)
from tests.lakehouse.orchestration.instance.sample import (
    DAYS,
    GOLD,
    HELD_DAYS,
    SILVER,
    Nowhere,
    evaluation,
    instance_in,
    materialize_range,
    orders_recording,
    together,
)

CHECK = dg.AssetCheckKey(SILVER, "contract")


@pytest.fixture(params=["batched", "ephemeral"])
def instance(request, tmp_path):
    """A storage that writes batches, and one that knows none, give the same answers."""
    if request.param == "ephemeral":
        with dg.DagsterInstance.ephemeral() as ephemeral:
            yield ephemeral
    else:
        with instance_in(tmp_path) as persistent:
            yield persistent


def test_automation_promotes_the_good_days_of_a_range_and_no_held_day(instance):
    assets = orders_recording(together)
    definitions = dg.Definitions(assets, resources={"io_manager": Nowhere()})
    before = dg.evaluate_automation_conditions(definitions, instance)

    materialize_range(instance, [assets[0]], DAYS[0], DAYS[29])
    after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)

    assert after.get_requested_partitions(GOLD) == set(DAYS[:30]) - HELD_DAYS


def test_the_checks_of_a_range_have_a_status_for_each_day(instance):
    materialize_range(instance, orders_recording(together), DAYS[0], DAYS[29])

    found = instance.event_log_storage.get_asset_check_partition_info([CHECK], partition_keys=list(DAYS))
    verdicts = {info.partition_key: info.latest_execution_status.value for info in found}

    assert verdicts == {day: "FAILED" if day in HELD_DAYS else "SUCCEEDED" for day in DAYS[:30]}
    assert all(info.is_current for info in found)


def test_the_result_of_a_run_has_the_recorded_events(instance):
    result = materialize_range(instance, orders_recording(together), DAYS[0], DAYS[29])

    recorded = {check.partition: check.passed for check in result.get_asset_check_evaluations() if check.partition}
    assert recorded == {day: day not in HELD_DAYS for day in DAYS[:30]}
    assert len(result.asset_materializations_for_node("silver__orders")) == 28


def test_latest_materializations_name_the_newest_of_each_day(instance, monkeypatch):
    monkeypatch.setattr("lakehouse.orchestration.instance.events.RECORDS_A_QUERY", 4)
    for day in [*DAYS[:9], *DAYS[:3]]:
        instance.report_runless_asset_event(dg.AssetMaterialization(SILVER, partition=day))

    pointers = latest_materializations(instance, SILVER, DAYS[:10])

    newest = instance.get_latest_storage_id_by_partition(SILVER, dg.DagsterEventType.ASSET_MATERIALIZATION)
    assert {day: pointer.storage_id for day, pointer in pointers.items()} == newest
    assert sorted(pointers) == list(DAYS[:9])
    assert latest_materializations(instance, SILVER, []) == {}


def test_nothing_to_record_records_nothing(instance):
    @dg.asset
    def quiet(context):
        record_materializations(context, [])
        record_check_evaluations(context, [])

    assert dg.materialize([quiet], instance=instance).success


def test_a_recorded_failure_leaves_the_step_to_its_own_result(instance):
    @dg.asset(key=SILVER)
    def lenient(context):
        record_check_evaluations(context, [evaluation(instance, None, passed=False)])

    assert dg.materialize([lenient], instance=instance).success
