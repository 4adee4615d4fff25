"""What Spark's work has cost, out of its event log: seconds of tasks, bytes shuffled and spilled.

Belongs here: finding a session's log and adding up the tasks of what ran under a tag. The log is a file of JSON lines
that the driver writes (see ``spark_session``); where that is another machine, nothing is known and nothing is said.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PATIENCE = 3.0
_PAUSE = 0.05
"""Seconds: the driver writes its log a little behind, and never says that it is done."""


@dataclass
class SparkMetrics:
    """What the tasks of some queries have cost.

    Attributes:
        tasks: how many, failed ones included.
        task_seconds: for how long they ran, one after the other.
        cpu_seconds: for how long they computed.
        shuffle_bytes_read: what they fetched of each other's results.
        shuffle_bytes_written: what they left for each other.
        spilled_bytes: what they put on disk for want of memory.
    """

    tasks: int = 0
    task_seconds: float = 0.0
    cpu_seconds: float = 0.0
    shuffle_bytes_read: int = 0
    shuffle_bytes_written: int = 0
    spilled_bytes: int = 0


@dataclass
class Cost:
    """What a block has cost; None while it runs, and where the event log cannot be read."""

    metrics: SparkMetrics | None = None


@contextmanager
def measured(session: SparkSession) -> Iterator[Cost]:
    """Measure what Spark does for this thread within the block; its ``metrics`` are there after it."""
    cost = Cost()
    log = _log_of(session)
    if log is None:
        yield cost
        return
    start = log.stat().st_size
    tag = f"lakehouse-{uuid.uuid4().hex}"
    session.addTag(tag)
    try:
        yield cost
    finally:
        session.removeTag(tag)
    cost.metrics = _read_out(log, start, tag)


def _log_of(session: SparkSession) -> Path | None:
    """Return the log that the session's driver is writing, if it is on this machine."""
    folder = urlsplit(session.conf.get("spark.eventLog.dir", None) or "")
    application = session.conf.get("spark.app.id", None)
    if folder.scheme not in {"", "file"} or not folder.path or not application:
        return None
    log = Path(unquote(folder.path), f"{application}.inprogress")
    return log if log.exists() else None


def _read_out(log: Path, start: int, tag: str) -> SparkMetrics:
    """Read on from a place in the log until all that ran under the tag has ended."""
    reading = _Reading(tag)
    deadline = time.monotonic() + _PATIENCE
    pause_seen = False
    with log.open("rb") as file:
        file.seek(start)
        while not (reading.is_settled and pause_seen) and time.monotonic() < deadline:
            place = file.tell()
            line = file.readline()
            if line.endswith(b"\n"):
                pause_seen = False
                reading.take(line)
            else:  # the end, or a line that is being written
                file.seek(place)
                pause_seen = True
                time.sleep(_PAUSE)
    return reading.metrics


_STARTED = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionStart"
_ENDED = "org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd"


@dataclass
class _Reading:
    """What is known so far about the queries under a tag.

    A job has the tags of its query, but not where another thread of the driver began it; then it still names the query.
    """

    tag: str
    metrics: SparkMetrics = field(default_factory=SparkMetrics)
    queries: set[int] = field(default_factory=set)
    running: set[int] = field(default_factory=set)
    stages: set[int] = field(default_factory=set)

    @property
    def is_settled(self) -> bool:
        """Whether something ran, and all of it has ended."""
        return bool(self.queries) and not self.running

    def take(self, line: bytes) -> None:
        """Take a line; most, such as plans, are of no interest and long."""
        event = line[10:].partition(b'"')[0].decode()  # after {"Event":"
        if event in {_STARTED, _ENDED, "SparkListenerJobStart", "SparkListenerTaskEnd"}:
            self._take(event, json.loads(line))

    def _take(self, event: str, content: dict[str, Any]) -> None:
        if event == _STARTED and self._is_tagged(content["jobTags"]):
            self.queries.add(content["rootExecutionId"])
            self.running.add(content["rootExecutionId"])
        elif event == _ENDED:
            self.running.discard(content["executionId"])
        elif event == "SparkListenerJobStart":
            properties = content["Properties"]
            query = int(properties.get("spark.sql.execution.root.id", -1))
            if query in self.queries or self._is_tagged(properties.get("spark.job.tags", "").split(",")):
                self.stages.update(content["Stage IDs"])
        elif event == "SparkListenerTaskEnd" and content["Stage ID"] in self.stages:
            self._add(content.get("Task Metrics") or {})

    def _is_tagged(self, tags: list[str]) -> bool:
        return any(tag.endswith(self.tag) for tag in tags)  # Spark puts the session before it

    def _add(self, task: dict[str, Any]) -> None:
        read, written = task.get("Shuffle Read Metrics", {}), task.get("Shuffle Write Metrics", {})
        self.metrics.tasks += 1
        self.metrics.task_seconds += task.get("Executor Run Time", 0) / 1e3
        self.metrics.cpu_seconds += task.get("Executor CPU Time", 0) / 1e9
        self.metrics.shuffle_bytes_read += read.get("Remote Bytes Read", 0) + read.get("Local Bytes Read", 0)
        self.metrics.shuffle_bytes_written += written.get("Shuffle Bytes Written", 0)
        self.metrics.spilled_bytes += task.get("Disk Bytes Spilled", 0)
