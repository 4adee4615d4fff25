"""The automation sensor: evaluates every table's automation condition under the daemon."""

from __future__ import annotations

import dagster as dg

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
