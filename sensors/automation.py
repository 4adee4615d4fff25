"""Every table's automation condition: the sensor that evaluates them, and their evaluation without a daemon.

``sensors.drain`` evaluates them in its own process, tick by tick, as the daemon does for the sensor. Dagster's public
``evaluate_automation_conditions`` is made for tests: it writes its cursor out and reads it again at every tick, and
does not tell whether another tick would find more. Private names of Dagster are used instead; its version is pinned.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.definitions.declarative_automation.automation_condition_evaluator import AutomationConditionEvaluator
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._serdes import deserialize_value, serialize_value  # what the daemon saves its own cursors with

INTERVAL_SECONDS = 3
"""Dagster looks every 5 s; an interval of 5 would wait for the second look half of the time."""


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Return the automation sensor, running from the start."""
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.all(),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Materializes a partition when its inputs have changed and passed their checks.",
    )


@dataclass(frozen=True)
class Tick:
    """What one look at all conditions comes to.

    Attributes:
        requested: the partition keys that are requested, by asset; only assets that have any.
        labels: the labels in the conditions that are true of some partition.
    """

    requested: Mapping[dg.AssetKey, frozenset[str]]
    labels: frozenset[str]


class Conditions:
    """The automation conditions of all assets, evaluated in this process.

    What has happened before the first tick of all is invisible to them.
    """

    def __init__(self, graph: dg.AssetGraph, instance: dg.DagsterInstance, cursor: str | None) -> None:
        """Go on from a cursor, or begin."""
        self._graph = graph
        self._instance = instance
        self._cursor = deserialize_value(cursor, AssetDaemonCursor) if cursor else AssetDaemonCursor.empty()
        self._keys = {key for key in graph.get_all_asset_keys() if graph.get(key).automation_condition is not None}

    @property
    def cursor(self) -> str:
        """How far they have looked, as text."""
        return serialize_value(self._cursor)

    def tick(self) -> Tick:
        """Evaluate every condition once."""
        evaluator = AutomationConditionEvaluator(
            entity_keys=self._keys,
            instance=self._instance,
            asset_graph=self._graph,
            cursor=self._cursor,
            emit_backfills=False,
            evaluation_id=self._cursor.evaluation_id,
            logger=logging.getLogger(__name__),
        )
        results, subsets = evaluator.evaluate()
        with partition_loading_context(effective_dt=evaluator.evaluation_time, dynamic_partitions_store=self._instance):
            self._cursor = self._cursor.with_updates(
                evaluation_id=self._cursor.evaluation_id + 1,
                evaluation_timestamp=evaluator.evaluation_time.timestamp(),
                newly_observe_requested_asset_keys=[],
                condition_cursors=[result.get_new_cursor() for result in results],
                asset_graph=self._graph,
            )
            requested = {
                subset.key: frozenset(subset.expensively_compute_partition_keys())
                for subset in subsets
                if isinstance(subset.key, dg.AssetKey)
            }
        return Tick(requested, frozenset(_labels(results)))


def _labels(results: Iterable[Any]) -> Iterable[str]:
    """Return the labels in conditions that are true of some partition."""
    for result in results:
        label = result.condition.get_label()
        if label is not None and not result.true_subset.is_empty:
            yield label
        yield from _labels(result.child_results)
