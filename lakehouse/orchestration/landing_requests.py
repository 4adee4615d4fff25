"""A request to take in landing files, and the Dagster run it becomes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Self

import dagster as dg

ASKED = "lakehouse/asked"
"""The run tag with the key of the first request for the same files; later attempts carry it too."""
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
_PARTITION = "dagster/partition"


@dataclass(frozen=True)
class LandingRequest:
    """A request to take in the landing files of some days, first and last included.

    Attributes:
        asked: names the object versions that asked for it, so that a version starts one run only.
        attempt: how often it was made before.
    """

    source: str
    first: dt.date
    last: dt.date
    asked: str
    attempt: int = 0

    @classmethod
    def of_run(cls, run: dg.DagsterRun, asked: str, *, attempt: int) -> Self:
        """Return the request that a run came from, as another attempt."""
        first = run.tags.get(RANGE_START) or run.tags[_PARTITION]
        last = run.tags.get(RANGE_END) or run.tags[_PARTITION]
        return cls(run.job_name, dt.date.fromisoformat(first), dt.date.fromisoformat(last), asked, attempt)

    @property
    def run_key(self) -> str:
        """What Dagster knows the request by."""
        return f"{self.asked}#{self.attempt}" if self.attempt else self.asked

    @property
    def tags(self) -> dict[str, str]:
        """The tags of a run over a range of partitions; none for a single day."""
        if self.first == self.last:
            return {}
        return {RANGE_START: self.first.isoformat(), RANGE_END: self.last.isoformat()}

    def run_request(self) -> dg.RunRequest:
        """Return the request as a sensor makes it."""
        return dg.RunRequest(
            run_key=self.run_key,
            job_name=self.source,
            partition_key=self.first.isoformat() if self.first == self.last else None,
            tags={ASKED: self.asked, **self.tags},
        )
