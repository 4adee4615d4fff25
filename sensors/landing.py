"""The landing sensor: new object versions in the landing zone become bronze run requests."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from lakehouse import clock
from lakehouse.ingestion.staging import Source
from lakehouse.orchestration.declared_columns import declared_columns
from lakehouse.orchestration.landing_scan import dump_cursors, scan
from lakehouse.orchestration.retries import failed, interrupted
from resources.lakehouse import Lakehouse
from sensors.automation import INTERVAL_SECONDS


def landing_sensor(sources: Sequence[Source], jobs: Sequence[Any]) -> dg.SensorDefinition:
    """Return the sensor that turns new landing objects into runs of a source's daily tables."""

    @dg.sensor(
        name="landing",
        jobs=jobs,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Requests bronze, and the daily tables after it, for the days of new landing objects.",
    )
    def sensor(context: dg.SensorEvaluationContext, lakehouse: Lakehouse) -> Any:
        found = scan(lakehouse.settings, sources, context.cursor, context.instance)
        for key in found.unroutable:
            context.log.warning(
                f"{key!r} is left where it is: its name gives no date between {lakehouse.start_date} and today, "
                "or its ending is not csv, csv.gz, jsonl, jsonl.gz or parquet"
            )
        requests = [
            *interrupted(lakehouse.settings, sources, context.instance, alone=False),
            *failed(sources, context.instance, clock.now()),
            *declared_columns(lakehouse.settings, sources),
            *found.requests,
        ]
        return dg.SensorResult(
            run_requests=[request.run_request() for request in requests],
            cursor=dump_cursors(found.cursors),
            skip_reason=None if requests else "no new objects",
        )

    return sensor
