"""Events a step records for many partitions at once, with the rows that ``context.log_event`` would have stored.

Dagster batches the materializations it makes of an output over a range. What a step says itself, a check's verdict on
each partition or the other days that late rows touched, it stores one by one; here these become one batch. On a storage
that knows no batches, such as PostgreSQL or an ephemeral instance, they are stored one by one as ever.

How a batch reaches the disk belongs in ``event_storage``; which verdicts there are belongs in ``publication``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager

from dagster import (
    AssetCheckEvaluation,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    OpExecutionContext,
)
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData

from lakehouse.orchestration.instance.event_storage import BatchedSqliteEventLogStorage

RECORDS_A_QUERY = 1000
"""Dagster refuses to fetch more than 10,000 records at a time."""


@contextmanager
def one_batch(instance: DagsterInstance) -> Iterator[None]:
    """Store the events that this thread reports inside the block in one transaction, when the block ends.

    For events reported outside of a step, such as ``instance.report_runless_asset_event``. Queries do not see an event
    before the block ends.

    Raises:
        sqlalchemy.exc.DatabaseError: when the block ends and the events cannot be stored. None of a run's is then.
    """
    storage = instance.event_log_storage
    if isinstance(storage, BatchedSqliteEventLogStorage):
        with storage.batch():
            yield
    else:
        yield


def record_materializations(
    context: AssetExecutionContext | OpExecutionContext, materializations: Iterable[AssetMaterialization]
) -> None:
    """Record materializations from inside a step, in their order, as ``context.log_event`` does."""
    with one_batch(context.instance):
        for materialization in materializations:
            context.log_event(materialization)


def record_check_evaluations(
    context: AssetExecutionContext | OpExecutionContext, evaluations: Iterable[AssetCheckEvaluation]
) -> None:
    """Record the verdicts of checks from inside a step, one for each partition of a range.

    Automation and the checks tab see them by partition. An evaluation counts for the materialization it names
    (``latest_materializations``), so record it after that one. A failed one does not fail the step: that is left to the
    ``AssetCheckResult`` which the step yields for the whole range.

    Args:
        context: the context of the running step.
        evaluations: with ``partition``, ``blocking`` and ``target_materialization_data`` set.
    """
    with one_batch(context.instance):
        for evaluation in evaluations:
            context.log_event(evaluation)  # type: ignore[arg-type]  # accepted, but missing in Dagster's annotation


def latest_materializations(
    instance: DagsterInstance, asset_key: AssetKey, partitions: Collection[str]
) -> dict[str, AssetCheckEvaluationTargetMaterializationData]:
    """Find the materialization a check of each partition judges, for ``target_materialization_data``.

    Returns:
        A pointer for each partition; partitions that were never materialized are left out.
    """
    if not partitions:
        return {}
    latest = instance.get_latest_storage_id_by_partition(
        asset_key, DagsterEventType.ASSET_MATERIALIZATION, set(partitions)
    )
    runs_and_times = _runs_and_times(instance, asset_key, sorted(latest.values()))
    return {
        partition: AssetCheckEvaluationTargetMaterializationData(
            storage_id=number, run_id=runs_and_times[number][0], timestamp=runs_and_times[number][1]
        )
        for partition, number in latest.items()
        if number in runs_and_times
    }


def _runs_and_times(
    instance: DagsterInstance, asset_key: AssetKey, storage_ids: list[int]
) -> dict[int, tuple[str, float]]:
    storage = instance.event_log_storage
    if isinstance(storage, BatchedSqliteEventLogStorage):
        return storage.runs_and_times(storage_ids)
    found = {}
    for start in range(0, len(storage_ids), RECORDS_A_QUERY):
        chunk = storage_ids[start : start + RECORDS_A_QUERY]
        records = instance.fetch_materializations(AssetRecordsFilter(asset_key, storage_ids=chunk), limit=len(chunk))
        found.update({record.storage_id: (record.run_id, record.timestamp) for record in records.records})
    return found
