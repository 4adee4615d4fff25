"""What a write has cost, read from the event log of a real Spark."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from lakehouse.engines.sail import SailEngine
from lakehouse.engines.spark_metrics import measured
from lakehouse.engines.spark_session import open_session


@pytest.fixture
def spark(spark_url, lake_root):
    """A session on the run's server."""
    return open_session(str(lake_root), spark_url)


def shuffled(spark, rows):
    """A frame of some rows that went through a shuffle."""
    return spark.range(rows).selectExpr("id", "id % 7 AS kind").repartition(2, "kind")


def write(spark, lake_root, rows):
    shuffled(spark, rows).write.format("delta").mode("append").save(str(lake_root / "silver" / "numbers"))


def test_a_write_tells_its_tasks_seconds_and_shuffled_bytes(spark, lake_root):
    with measured(spark) as cost:
        write(spark, lake_root, 100_000)
        assert cost.metrics is None
    assert cost.metrics.tasks >= 4  # two that make rows, two that write them
    assert 0 < cost.metrics.cpu_seconds <= cost.metrics.task_seconds
    assert cost.metrics.shuffle_bytes_written > 100_000
    assert cost.metrics.shuffle_bytes_read == cost.metrics.shuffle_bytes_written
    assert cost.metrics.spilled_bytes == 0


def test_a_larger_write_shuffles_more(spark, lake_root):
    bytes_shuffled = []
    for rows in (10_000, 100_000):
        with measured(spark) as cost:
            write(spark, lake_root, rows)
        bytes_shuffled.append(cost.metrics.shuffle_bytes_written)
    assert bytes_shuffled[0] * 5 < bytes_shuffled[1]


def test_all_queries_of_a_block_count_and_none_before_after_or_beside_it(spark):
    def tasks() -> None:
        spark.range(0, 10, 1, 3).selectExpr("id + 1").toArrow()

    tasks()
    with measured(spark) as one:
        tasks()
    tasks()
    with measured(spark) as three:
        for _ in range(3):
            tasks()
        beside = threading.Thread(target=tasks)
        beside.start()
        beside.join()
    assert (one.metrics.tasks, three.metrics.tasks) == (3, 9)


def test_statements_count_with_all_that_they_do(spark, lake_root):
    write(spark, lake_root, 1000)
    with measured(spark) as cost:
        spark.sql(f"DELETE FROM delta.`{lake_root}/silver/numbers` WHERE kind = 1").collect()  # noqa: S608
    assert cost.metrics.tasks >= 3
    assert cost.metrics.task_seconds > 0


def test_what_fails_in_the_block_arrives_as_it_is(spark):
    with pytest.raises(ZeroDivisionError), measured(spark):
        raise ZeroDivisionError


def test_a_session_without_an_event_log_here_costs_nothing_known(lake_root):
    session = SailEngine(str(lake_root)).session()
    with measured(session) as cost:
        session.range(3).count()
    assert cost.metrics is None


def test_the_event_log_holds_no_credential(spark, spark_url, s3):
    spark = open_session(s3.uri, spark_url)
    spark.range(3).write.format("delta").save(f"s3a://{s3.name}/silver/numbers")
    folder = Path(spark.conf.get("spark.eventLog.dir").removeprefix("file:"))
    told = b"".join(log.read_bytes() for log in folder.iterdir())
    assert s3.name.encode() in told
    assert s3.environment["AWS_SECRET_ACCESS_KEY"].encode() not in told
