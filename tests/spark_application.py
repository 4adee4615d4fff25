"""A program with a classic Spark session, as a run has it: a process can hold one, and no other kind beside it.

``python -m tests.spark_application ROOT URL`` makes a table, deletes a row and prints what it found, as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from lakehouse.engines.spark_metrics import measured
from lakehouse.engines.spark_session import event_log_folder, open_session, spark_path

if TYPE_CHECKING:
    import pyarrow as pa


def main(root: str, url: str) -> None:
    """Make a table, change it and look at it."""
    spark = open_session(root, url)
    table = spark_path(f"{root}/silver/numbers")
    with measured(spark) as cost:
        rows = spark.range(0, 1000, 1, 4).withColumn("kind", F.col("id") % 7).repartition(2, "kind")
        rows.write.format("delta").partitionBy("kind").save(table)
        spark.sql(f"DELETE FROM delta.`{table}` WHERE id = 8").collect()  # noqa: S608
    finished = _tasks(root)
    stored = spark.read.format("delta").load(table)
    executors = spark.range(0, 8, 1, 4).mapInArrow(_interpreter, "python string, code boolean").distinct().collect()
    found = {
        "master": spark.sparkContext.master,
        "zone": spark.sql("SELECT current_timezone() AS zone").first()["zone"],
        "rows": stored.count(),
        "kinds": stored.select("kind").distinct().count(),
        "pythons": [tuple(row) for row in executors],
        "tasks": cost.metrics.tasks if cost.metrics else None,
        "tasks_in_log": finished,
    }
    print(json.dumps(found))  # noqa: T201 - its answer


def _tasks(root: str) -> int:
    """Count all tasks that have ended."""
    (log,) = event_log_folder(root).iterdir()
    return log.read_text().count('{"Event":"SparkListenerTaskEnd"')


def _interpreter(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Say which Python runs a task, and whether the driver gave it code."""
    import pyarrow as pa

    for _ in batches:
        code = any(path.endswith("/lakehouse-resources.zip") for path in sys.path)
        yield pa.record_batch({"python": [sys.executable], "code": [code]})


if __name__ == "__main__":
    main(*sys.argv[1:])
