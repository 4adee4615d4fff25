"""The automation conditions of all tables, evaluated without a daemon.

The runner evaluates them in its own process, tick by tick, as the daemon does for the automation sensor. Dagster's
public ``evaluate_automation_conditions`` is made for tests: it writes its cursor out and reads it again at every tick,
and looks at all assets or none. Private names of Dagster are used instead; its version is pinned.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import dagster as dg
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.definitions.declarative_automation.automation_condition_evaluator import AutomationConditionEvaluator
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._serdes import deserialize_value, serialize_value  # what the daemon saves its own cursors with

from lakehouse import clock

_SETTLED = "settled"
"""The label that ``automation_condition`` gives to the part that asks for what is due at two ticks in a row."""


class Conditions:
    """The automation conditions of all assets, evaluated in this process, while nothing else is going on.

    So nothing has to settle: what is due is requested at once. What has happened before the first tick of all is
    invisible to them.
    """

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, cursor: str | None) -> None:
        """Go on from a cursor, or begin."""
        self._graph = definitions.map_asset_specs(func=_at_once).resolve_asset_graph()
        self._instance = instance
        self._cursor = deserialize_value(cursor, AssetDaemonCursor) if cursor else AssetDaemonCursor.empty()
        keys = self._graph.get_all_asset_keys()
        self._keys = {key for key in keys if self._graph.get(key).automation_condition is not None}

    @property
    def cursor(self) -> str:
        """How far they have looked, as text."""
        return serialize_value(self._cursor)

    def tick(self, first: Callable[[Any], bool] = lambda _: False) -> Mapping[dg.AssetKey, frozenset[str]]:
        """Evaluate every condition once and return the partition keys that are requested, by asset.

        Args:
            first: which assets come before the others. If any of them is requested, no other is, and the others will
                look again from where they last did.
        """
        evaluator = AutomationConditionEvaluator(
            entity_keys=self._keys,
            instance=self._instance,
            asset_graph=self._graph,
            cursor=self._cursor,
            emit_backfills=False,
            evaluation_id=self._cursor.evaluation_id,
            evaluation_time=clock.now(),
            logger=logging.getLogger(__name__),
        )
        with closing(asyncio.new_event_loop()) as loop:  # `asyncio.run` is slow to let go of Ctrl-C
            results, subsets = loop.run_until_complete(evaluator.async_evaluate())
        requested = {key: subset for subset in subsets if isinstance(key := subset.key, dg.AssetKey)}
        if early := {key: subset for key, subset in requested.items() if first(key)}:
            requested, results = early, [result for result in results if first(result.key)]
        with partition_loading_context(effective_dt=evaluator.evaluation_time, dynamic_partitions_store=self._instance):
            cursors = {**self._cursor.previous_condition_cursors_by_key}
            cursors |= {result.key: result.get_new_cursor() for result in results}
            self._cursor = replace(
                self._cursor,
                evaluation_id=self._cursor.evaluation_id + 1,
                previous_condition_cursors=[cursor for key, cursor in cursors.items() if key in self._keys],
            )
            return {key: frozenset(each.expensively_compute_partition_keys()) for key, each in requested.items()}


def _at_once(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Return an asset whose condition asks for what is due at one tick."""
    condition = spec.automation_condition
    if condition is not None:
        for waiting in _labelled(condition, _SETTLED):
            condition = condition.replace(_SETTLED, waiting.children[0])
    return spec.replace_attributes(automation_condition=condition)


def _labelled(condition: dg.AutomationCondition[Any], label: str) -> list[dg.AutomationCondition[Any]]:
    if condition.get_label() == label:
        return [condition]
    return [found for child in condition.children for found in _labelled(child, label)]
